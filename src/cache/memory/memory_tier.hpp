/// The memory tier: objects as ref-counted immutable buffers under a cap in bytes that counts everything an entry
/// costs. What is evicted, replaced or erased while a reader holds it stays counted until it is let go.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "cache/budget.hpp"
#include "cache/expiries.hpp"
#include "cache/memory/policy.hpp"
#include "cache/tier.hpp"

namespace hotwell::cache {

/// One lock over table, order and expiries. try_find() is the only hot path: it takes the lock, moves a link and copies
/// two references. A policy whose hits need no lock changes that inside here alone.
class MemoryTier final : public Tier {
 public:
  MemoryTier(Bytes limit, std::unique_ptr<EvictionPolicy> policy);
  ~MemoryTier() override;

  [[nodiscard]] Level level() const noexcept override { return Level::memory; }
  /// find() without what only other tiers need: no allocation, no system call. A miss is counted only where asked.
  [[nodiscard]] std::optional<Object> try_find(std::string_view key, WallTime now, Count misses);
  [[nodiscard]] Result<std::optional<Found>> find(std::string_view key, WallTime now, FindOptions options,
                                                  Removals& removed) override;
  Result<Object> put(Details details, const Buffer& bytes, Removals& removed) override;
  Result<bool> erase(std::string_view key, WallTime now, Removals& removed) override;
  Result<void> clear(Removals& removed) override;
  [[nodiscard]] std::optional<std::uint64_t> generation(std::string_view key, WallTime now) const override;
  Result<bool> touch(std::string_view key, WallTime now, WallTime expires) override;
  void for_each(WallTime now, const std::function<bool(const Object&)>& visit) const override;
  void sweep(WallTime now, Removals& removed) override;
  void set_limit(Bytes limit, Removals& removed) override;
  [[nodiscard]] CacheStats::Tier stats() const override;

  /// An object outside the table that counts against the cap while it is held. Errors: as put().
  Result<Object> hold(Details details, const Buffer& bytes, Removals& removed);
  /// Grows a charge against this tier's cap, evicting for it. Errors: too_large, overloaded.
  Result<void> reserve(Charge& charge, std::uint64_t bytes, Removals& removed);
  [[nodiscard]] std::shared_ptr<Charge> charge() const { return std::make_shared<Charge>(budget_); }

 private:
  struct Entry;
  using EntryRef = std::shared_ptr<Entry>;

  [[nodiscard]] EntryRef make_entry(Details details, const Buffer& bytes) const;
  [[nodiscard]] static Object object_of(const EntryRef& entry, WallTime expires);
  // The rest under the lock.
  [[nodiscard]] EntryRef* find_live(std::string_view key, WallTime now);
  Result<void> make_room(Charge& charge, std::uint64_t bytes, Removals& removed);
  void take_out(Entry& entry, Cause cause, Removals& removed);

  const std::shared_ptr<Budget> budget_;
  const std::unique_ptr<EvictionPolicy> policy_;
  LookupCounters counters_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, EntryRef> table_;  ///< keys are views into their entries
  Expiries<Entry> expiries_;
};

}  // namespace hotwell::cache

/// The memory tier: objects as ref-counted immutable buffers under a cap in bytes that counts everything an entry
/// costs. What is evicted, replaced or erased while a reader holds it stays counted until it is let go.
///
/// Invariants:
/// - Readers take no lock: they find an entry within a section of Readers and leave it with a reference of their own.
/// - The table's reference to an entry is given up only after every reader has passed that could be on its way to it,
///   and after the hit logs were read, which may name it.
/// - One order of eviction for all entries: it is the one that `hotwell replay` simulates, and a few large objects
///   have as much choice as many small ones. What writers do under its lock is short.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cache/budget.hpp"
#include "cache/expiries.hpp"
#include "cache/memory/entry_table.hpp"
#include "cache/memory/hit_log.hpp"
#include "cache/policy/policy.hpp"
#include "cache/tier.hpp"

namespace hotwell::cache {

/// One lock for whoever changes table, order and expiries. try_find() is the only hot path.
class MemoryTier final : public Tier {
 public:
  MemoryTier(Bytes limit, std::unique_ptr<EvictionPolicy> policy);
  ~MemoryTier() override;

  [[nodiscard]] Level level() const noexcept override { return Level::memory; }
  /// find() without what only other tiers need: no lock, no allocation, no system call. A miss is counted only where
  /// asked.
  [[nodiscard]] std::optional<Object> try_find(std::string_view key, WallTime now, Count misses);
  /// Of a look-up that went past it without a find().
  void count_miss() noexcept { counters_.miss(); }
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
  [[nodiscard]] static Object object_of(const EntryRef& entry);
  /// What it finds stays as long as the section or the lock of the caller.
  [[nodiscard]] Entry* find_live(std::string_view key, WallTime now) const;
  // The rest under the lock.
  Result<void> make_room(Charge& charge, std::uint64_t bytes, Removals& removed);
  /// Lets the order of eviction know what readers had.
  void learn_hits();
  void take_out(Entry& entry, Cause cause, Removals& removed);
  void forget(Entry& entry, Cause cause, Removals& removed);
  /// Frees what was taken out, but for what readers hold; false where one may still be on its way to it.
  bool reclaim();

  const std::shared_ptr<Budget> budget_;
  const std::unique_ptr<EvictionPolicy> policy_;
  LookupCounters counters_;
  mutable std::mutex mutex_;
  EntryTable<Entry> table_;
  HitLogs<Entry> hit_logs_;
  Expiries<Entry> expiries_;
  std::vector<EntryRef> taken_out_;  ///< and not freed yet
  std::vector<std::unique_ptr<EntryTable<Entry>::Array>> old_arrays_;
};

}  // namespace hotwell::cache

/// Objects in memory: one allocation each, counted with everything they cost, evicted in an order that a policy
/// decides.
///
/// Invariants:
/// - What is charged never exceeds the limit, but while it is lowered under what readers hold. Objects that were
/// evicted
///   or replaced stay charged until nobody holds them.
/// - Readers take no lock. A reader finds an entry within a section of Readers and leaves it with a hold of its own
///   (holds.hpp), so an entry is freed only after it was unlinked, after every reader passed that could be on its way
///   to it, after the hit logs were read, which may name it, and after who holds it was counted.
/// - That is done for many entries at once: those that were taken out wait for it, still charged, up to a small part of
///   the limit. Nothing is refused for them: who needs their room frees them first.
/// - What is resident stays near what is charged: entries lie in cells (cells.hpp) whose holes are at most a tenth of
/// the
///   limit. Where they would be more, since sizes are not what they were, room is made slab by slab instead of in
///   order.
/// - One order of eviction for all entries: it is the one that `hotwell replay` simulates, and a few large objects
///   have as much choice as many small ones. What writers do under its lock is short.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/spinning_mutex.hpp"
#include "cache/budget.hpp"
#include "cache/memory/entry.hpp"
#include "cache/memory/entry_table.hpp"
#include "cache/memory/hit_log.hpp"
#include "cache/memory/kinds.hpp"
#include "cache/policy/policy.hpp"
#include "cache/tier.hpp"

namespace hotwell::cache {

/// One lock for whoever changes table or order. try_find() is the only hot path.
class MemoryTier final : public Tier {
 public:
  MemoryTier(Bytes limit, std::unique_ptr<EvictionPolicy> policy);
  /// Objects that are held outlive it.
  ~MemoryTier() override;

  [[nodiscard]] Level level() const noexcept override { return Level::memory; }
  /// find() without what only other tiers need: no lock, no allocation, no system call. A miss is counted only where
  /// asked.
  [[nodiscard]] std::optional<Object> try_find(std::string_view key, WallTime now, Count misses);
  /// Of a look-up that went past it without a find().
  void count_miss() noexcept { counters_.miss(); }
  [[nodiscard]] Result<std::optional<Found>> find(std::string_view key, WallTime now, FindOptions options,
                                                  Removals& removed) override;
  /// Bytes that do not own what they view are copied.
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
  [[nodiscard]] Entry* make_entry(const Details& details, const Buffer& bytes, std::uint64_t key_hash);
  static void fill(Object& object, const Entry& entry, Buffer body);
  [[nodiscard]] static Object object_of(Entry& entry);
  /// What it finds stays as long as the section or the lock of the caller.
  [[nodiscard]] Entry* find_live(std::string_view key, std::uint64_t hash, WallTime now) const;
  // The rest under the lock.
  /// Takes `bytes` from the budget, evicting for them; 0 evicts down to the limit.
  Result<void> make_room(std::uint64_t bytes, Removals& removed);
  /// Takes out victims until so much waits to be freed; false where nobody is left who could go.
  bool evict(std::uint64_t bytes, std::uint64_t incoming, std::uint64_t& graces, Removals& removed);
  /// Where there are too many holes, empties the sparsest slabs.
  void fill_holes(Removals& removed);
  /// Lets counters and the order of eviction know what readers had.
  void learn_hits() const;
  void take_out(Entry& entry, Cause cause, Removals& removed);
  void forget(Entry& entry, Cause cause, Removals& removed);
  /// Frees what was taken out, but for what readers hold; false where one may still be on its way to it.
  bool reclaim() const;
  /// The part of it that waits for readers' slots; false where it freed nothing.
  bool release_held() const;
  void reclaim_if_much();
  [[nodiscard]] std::uint64_t small_part() const noexcept;

  const std::shared_ptr<Budget> budget_;
  const std::shared_ptr<Cells> cells_ = std::make_shared<Cells>();
  const std::unique_ptr<EvictionPolicy> policy_;
  const Hits hits_;
  Kinds kinds_;
  LookupCounters counters_;
  mutable base::SpinningMutex mutex_;
  EntryTable<Entry> table_;
  mutable HitLogs<Entry> hit_logs_;
  mutable std::vector<Entry*> taken_out_;  ///< and not freed yet
  mutable std::uint64_t taken_out_bytes_ = 0;
  mutable std::vector<Entry*>
      held_;  ///< whose readers have passed, but that were in slots of theirs when last looked at
  mutable std::vector<std::unique_ptr<EntryTable<Entry>::Array>> old_arrays_;
  mutable std::vector<const Entry*> read_now_;  ///< this and the next are kept to allocate but once
  std::vector<void*> sparse_;
  std::uint8_t period_ = 0;  ///< of decayed hits
};

}  // namespace hotwell::cache

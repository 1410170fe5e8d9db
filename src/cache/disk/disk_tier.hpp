/// The disk tier: small and middle-sized objects packed into a log of regions, under a cap that is taken by whole
/// regions.
///
/// Invariants:
/// - Every entry on disk that was not killed is in the index: whoever replaces, erases or expires an entry kills it,
/// and
///   what could not be killed is owed (`debts_`) and paid before anything else is acknowledged. So an eviction in any
///   order, followed by a restart, never brings a replaced or deleted object back.
/// - What a call acknowledges is in the kernel; sync() takes it to the medium. Sealed regions are synced by sweep().
/// - No byte is served whose checksum was not compared on this look-up, and no key but the one asked for.
///
/// Source: a log of regions with an index in memory is what CacheLib's Navy, foyer and BlueStore's caches do; killing
/// in place instead of tombstones is ours (docs/decisions/deaths-instead-of-tombstones.md).
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cache/disk/index.hpp"
#include "cache/disk/region.hpp"
#include "cache/recovery.hpp"
#include "cache/tier.hpp"

namespace hotwell::cache {

/// When open() returns.
enum class Opens : std::uint8_t {
  whole,    ///< with everything found again
  serving,  ///< at once: look-ups answer with what is found by then or wait for it, changes wait for all
};

struct DiskOptions {
  std::filesystem::path directory;
  Bytes limit;
  /// Of new regions; 0: 16 MiB, less where the limit is small and more where it is large. A power of two.
  std::uint64_t region_size = 0;
  /// Whether somebody wants to know the keys of what is evicted: they must be read from the disk. None: always.
  std::function<bool()> tells_evictions{};
  Opens opens = Opens::whole;
};

/// What is written of a tier's life, for write amplification and for people.
struct DiskTraffic {
  std::uint64_t stored = 0;      ///< bytes of entries that were put
  std::uint64_t reinserted = 0;  ///< bytes of entries that were saved from an eviction
  std::uint64_t written = 0;     ///< all bytes, indexes and deaths too
};

/// Threads: any. Two locks: `writer_` serialises whatever changes files, `index_lock_` guards what look-ups need and is
/// never held across file I/O. Order: writer_, then index_lock_.
class DiskTier final : public Tier {
 public:
  /// Finds what was stored before. Errors: invalid_argument (a region of a version that is not known: nothing was
  /// touched), denied, io.
  [[nodiscard]] static Result<std::unique_ptr<DiskTier>> open(host::Disk& disk, DiskOptions options, WallTime now);
  ~DiskTier() override;

  [[nodiscard]] Level level() const noexcept override { return Level::disk; }
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

  /// find() as far as it waits for nothing: of what the kernel has in memory, and is asked for less than `most_hits`
  /// times since it came or was promoted. With Check::later. A miss is none, and is not counted.
  [[nodiscard]] std::optional<Found> try_find(std::string_view key, WallTime now, unsigned most_hits);
  /// Of a look-up that went past it without a find().
  void count_miss() noexcept { counters_.miss(); }
  /// Whether an object of this size could ever be here.
  [[nodiscard]] bool holds(const Details& details, std::uint64_t size) const;
  /// Everything acknowledged so far outlives the machine's death. Errors: io.
  Result<void> sync();
  /// Starts an entry's hits anew: it was promoted.
  void forget_hits(std::string_view key);
  /// Final where whole().
  [[nodiscard]] Recovery recovery() const;
  /// Whether everything is found that the last process left.
  [[nodiscard]] bool whole() const { return whole_.load(std::memory_order_acquire); }
  [[nodiscard]] DiskTraffic traffic() const;
  [[nodiscard]] std::uint64_t index_memory() const;
  /// What the regions' files take, those that a reader keeps included.
  [[nodiscard]] std::uint64_t space() const { return budget_->used(); }

 private:
  /// An entry's place, resolved: the region stays readable whatever becomes of it meanwhile.
  struct Spot {
    std::shared_ptr<Region> region;
    std::uint32_t slot = 0;
    Place place = 0;
    std::uint64_t expected = 0;  ///< bytes, at most; 0: not known
  };
  struct Spots {
    std::array<Spot, DiskIndex::most_candidates> all;
    unsigned count = 0;
    bool whole = false;       ///< nothing more will be found
    std::size_t indexed = 0;  ///< regions, by then
  };
  struct Known {
    Spot spot;
    EntryHead head;
  };
  struct Death {
    std::shared_ptr<Region> region;
    std::uint32_t slot = 0;
  };
  enum class Which : std::uint8_t { sealed, all };

  DiskTier(host::Disk& disk, DiskOptions options);
  Result<void> find_regions();
  Result<void> drop_file(const std::filesystem::path& path);
  /// Under writer_. Errors: what could not be tidied up; everything readable is found all the same.
  Result<void> recover(WallTime now);
  Result<void> index_region(std::size_t number);
  /// Waits until more regions than `indexed` are found.
  void wait_for_more(std::size_t indexed) const;
  [[nodiscard]] Bytes usable(Bytes limit) const;

  // Under index_lock_.
  [[nodiscard]] Spot resolve(Place place) const;
  void count_dead(const Spot& spot, std::uint64_t units);
  /// Whether a younger entry of the key is in the index.
  [[nodiscard]] bool replaced(const IndexItem& item) const;
  [[nodiscard]] Place place_of(std::size_t number, std::uint32_t slot) const { return number << slot_bits_ | slot; }

  [[nodiscard]] Spots locate(std::uint64_t hash) const;
  /// The key's entry, expired or not: read and compared. Damaged heads are no match. Errors: io.
  [[nodiscard]] Result<std::optional<Known>> find_exact(std::string_view key, std::uint64_t hash) const;

  // Under writer_.
  Result<void> pay_debts();
  /// Kills, or owes it.
  void kill(const Spot& spot);
  /// Takes an entry out of the index and kills it.
  void drop(const Spot& spot, std::uint64_t hash, std::string_view key, Cause cause, Removals& removed);
  /// Where as many keys share a cell's part of the hash as the index takes, one of them goes.
  void make_a_candidate_leave(std::uint64_t hash, Removals& removed);
  Result<void> ensure_room(std::uint64_t units, WallTime now, Removals& removed);
  Result<void> open_region(WallTime now, Removals& removed);
  void seal_active();
  /// Appends to the active region, which has room. Errors: io; then what is there is killed or owed.
  Result<Spot> append(EntryHead head, std::string_view texts, ByteView value);
  Result<void> evict_one(WallTime now, Removals& removed);
  /// Removes a region. Of cause `capacity`: what was asked for is saved, and what has expired is told as that.
  Result<void> evict(std::size_t number, WallTime now, Cause cause, Removals& removed);
  void save_hot(std::size_t number, const std::vector<IndexItem>& items, WallTime now);
  [[nodiscard]] std::optional<std::size_t> victim(WallTime now) const;
  void expire(std::size_t number, WallTime now, Removals& removed);
  [[nodiscard]] bool tells_evictions() const { return !options_.tells_evictions || options_.tells_evictions(); }

  Result<void> sync_regions(Which which);

  host::Disk& disk_;
  const DiskOptions options_;
  std::uint64_t region_size_ = 0;
  unsigned slot_bits_ = 0;
  const std::shared_ptr<Budget> budget_;
  LookupCounters counters_;

  mutable std::mutex writer_;
  std::uint64_t next_id_ = 1;
  std::shared_ptr<Region> active_;
  std::size_t active_number_ = 0;
  std::vector<Death> debts_;
  bool names_synced_ = false;
  std::string scratch_;  ///< of append()
  Removals untold_;      ///< what touch() evicted: told by the next sweep()
  WallTime next_ageing_{};
  std::atomic<std::uint64_t> stored_{0};
  std::atomic<std::uint64_t> reinserted_{0};
  std::atomic<std::uint64_t> overhead_{0};

  mutable std::mutex index_lock_;
  DiskIndex index_;
  std::vector<std::shared_ptr<Region>> regions_;  ///< by number; null where there is none
  std::uint64_t live_bytes_ = 0;
  Recovery recovery_;
  std::size_t indexed_ = 0;  ///< regions, from the youngest on
  mutable std::condition_variable found_more_;

  std::atomic<bool> whole_{false};
  std::atomic<bool> leaving_{false};
  std::thread recovering_;
};

}  // namespace hotwell::cache

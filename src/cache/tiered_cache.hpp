/// Cache::Impl: the tiers joined into one cache, and what the engine drives beyond the public face: results, flights,
/// private objects, parts of large objects.
///
/// Invariants:
/// - A set is in the kernel before it returns (where there is a directory): memory eviction is demotion.
/// - Below memory a key is either in the disk tier or in the stream tier: whoever stores it in one takes it out of the
///   other, and where a process died in between the older one goes at the next start.
/// - Memory never holds a generation that the key does not have: set, seal, erase, touch and promotion of one key are
///   serialised by its stripe, and promotion looks again whether the generation is still there.
/// - No lock is held while an event's listeners run.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <hotwell/cache.hpp>

#include "cache/chronicle.hpp"
#include "cache/disk/disk_tier.hpp"
#include "cache/failures.hpp"
#include "cache/flights.hpp"
#include "cache/keys.hpp"
#include "cache/memory/memory_draft.hpp"
#include "cache/memory/memory_tier.hpp"
#include "cache/stream/stream_tier.hpp"
#include "cache/tally.hpp"
#include "cache/writer.hpp"
#include "host/clock.hpp"
#include "host/disk.hpp"

namespace hotwell {

/// Threads: any. Members without "try" in their name do disk I/O on the caller's thread.
class Cache::Impl {
 public:
  /// What tests put something else in the place of.
  struct Seams {
    const host::Clock& clock;
    host::Disk& disk;
    std::optional<Duration> sweep_every;  ///< none: sweep() is only called
    cache::Opens opens = cache::Opens::whole;
  };
  [[nodiscard]] static Result<std::unique_ptr<Impl>> open(CacheOptions options, const Seams& seams);
  [[nodiscard]] static Result<std::unique_ptr<Impl>> open(CacheOptions options);
  ~Impl();

  // The public face; see Cache.
  Result<void> set(std::string_view key, ByteView bytes, SetOptions options);
  [[nodiscard]] std::optional<Object> try_get(std::string_view key);
  Result<std::optional<Object>> get(std::string_view key);
  /// What has to hold of the generation that the key has (none: it is absent) at the moment it is replaced or erased.
  /// Called under locks: must not call back. Empty: anything.
  using Precondition = std::function<bool(std::optional<std::uint64_t> generation)>;
  /// Errors: as Cache::erase(); cancelled where the precondition does not hold.
  Result<bool> erase(std::string_view key, const Precondition& precondition = {});
  Result<void> clear();
  [[nodiscard]] bool contains(std::string_view key) const;
  Result<bool> touch(std::string_view key, Duration ttl);
  void for_each(const std::function<bool(const Object&)>& visit) const;
  /// Errors: as Cache::begin(); of the seal, cancelled where the precondition does not hold.
  Result<std::unique_ptr<cache::CacheWriter>> begin(std::string_view key, SetOptions options,
                                                    Precondition precondition = {});
  Result<Object> get_or_compute(std::string_view key, std::function<Result<void>(Sink&)> compute,
                                ComputeOptions options);
  [[nodiscard]] CacheStats stats() const;
  [[nodiscard]] Result<CacheExplanation> explain(std::string_view key);
  [[nodiscard]] CacheEvents& events() { return events_; }
  [[nodiscard]] const CacheOptions& options() const { return options_; }
  void register_knobs(Knobs& knobs);

  // For the engine and the server.
  /// set() that returns what it stored. Errors: as set(); cancelled where the precondition does not hold.
  Result<Object> store(std::string_view key, ByteView bytes, SetOptions options, const Precondition& precondition = {});
  /// As get(), but the bytes of a file are not verified yet: verify() each part before it is sent. Small objects come
  /// as a verified Buffer. A miss is one of `type`, where the asker will store such an object.
  Result<std::optional<Object>> lookup(std::string_view key, std::string_view type = {});
  /// lookup() as far as it waits for no disk: memory, what the kernel has in memory of the disk tier, and large objects
  /// whose files are open. None is no miss: it may be there all the same.
  [[nodiscard]] std::optional<Object> try_lookup(std::string_view key);
  /// A second lookup() by the same asker, uncounted: what the leader of a flight does first.
  Result<std::optional<Object>> look_again(std::string_view key);
  /// Reads and checks those chunks of [offset, offset + length) that were not checked since start; free for memory and
  /// for chunks already checked. A damaged object is dropped. Errors: io. Precondition: within the object, not growing.
  Result<void> verify(const Object& object, std::uint64_t offset, std::uint64_t length);
  /// A sink for one attempt of a result, which replaces what the key had when it is sealed. Sealed results up to
  /// stream_over are in memory too. Precondition: `key` begins with result_key_prefix. The writer must not outlive the
  /// cache. Errors: invalid_argument (a key that is too long), disk_full, io.
  Result<std::unique_ptr<cache::CacheWriter>> begin_result(std::string_view key, SetOptions options);
  /// A sink whose object is never found by key and lives as long as it is held: results that are not shared, uploads.
  /// Counts against the limit while it is held.
  Result<std::unique_ptr<cache::CacheWriter>> begin_private(SetOptions options);
  /// begin_result() and seal() of a result whose bytes are there.
  Result<Object> store_result(std::string_view key, ByteView bytes, SetOptions options);
  /// begin_private() and seal() likewise; in memory where it fits there: then it waits for no disk.
  Result<Object> hold(ByteView bytes, SetOptions options);
  [[nodiscard]] cache::Flights& flights() { return flights_; }
  /// What get_or_compute() and the engine remember of computations that failed.
  [[nodiscard]] cache::Failures& failures() { return failures_; }

  /// See Cache::warm().
  Warmed warm(std::span<const std::string> keys);
  /// Brings up what the last run left in the hot list, a few keys at a time on the background thread.
  void warm_from_last_run();

  /// Now and then, on the background thread: saves the hot list, and once tells how warm the start was.
  void tend_warmth();

  /// The cache's own thread, for look-ups and whatever may be late.
  [[nodiscard]] boost::asio::io_context& background() { return background_; }
  /// Removes what has expired; runs on the background thread once a second.
  void sweep();
  /// Everything acknowledged so far outlives the machine's death. Errors: io.
  Result<void> sync();
  /// What the last start found on disk.
  [[nodiscard]] cache::Recovery recovery() const;
  /// Whether everything is found that the last run left. Until then a look-up may wait, and whoever stores waits.
  [[nodiscard]] bool whole() const { return !disk_tier_ || disk_tier_->whole(); }
  /// None without a directory.
  [[nodiscard]] cache::DiskTier* disk_tier() { return disk_tier_.get(); }

 private:
  Impl(CacheOptions options, const Seams& seams);
  Result<void> start(cache::Opens opens);

  enum class Asker : std::uint8_t { first, again };
  Result<std::optional<Object>> find(std::string_view key, cache::Check check, Asker asker, std::string_view type = {});
  Result<std::optional<cache::Found>> find_below(std::string_view key, WallTime now, cache::FindOptions options,
                                                 cache::Removals& removed);
  void promote(const Object& object, cache::Removals& removed);
  /// Copies an object from below into memory, if its key still has it. False where it is there already or does not fit.
  bool bring_up(const Object& object, cache::Removals& removed);
  void save_hot_keys();
  void warm_next(std::shared_ptr<const std::vector<std::string>> keys, std::size_t from);
  using Compute = std::function<Result<void>(Sink&)>;
  /// The leader's part: computes, stores, and ends the flight.
  void compute_as_leader(cache::Flight& flight, const Compute& compute, const ComputeOptions& options);
  Result<Object> compute_now(cache::Flight& flight, const Compute& compute, const ComputeOptions& options);
  /// Makes a stale object anew in the background, unless somebody does already.
  void revalidate(std::string_view key, Compute compute, ComputeOptions options);
  [[nodiscard]] bool is_stale(const Object& object, const ComputeOptions& options) const;
  Result<Object> store_at(std::string_view key, ByteView bytes, SetOptions options, const Precondition& precondition);
  Result<std::unique_ptr<cache::CacheWriter>> begin_at(std::string_view key, SetOptions options,
                                                       Precondition precondition = {});
  Result<Object> commit_file(cache::StreamDraft& draft, cache::Details details, const Precondition& precondition);
  Result<Object> commit_memory(cache::MemoryDraft& draft, cache::Details details, const Precondition& precondition);
  /// Under the key's stripe. Errors: cancelled.
  Result<void> check(std::string_view key, const Precondition& precondition) const;
  /// A committed stream object's copy in memory, or none there. Under the key's stripe.
  std::optional<Object> keep_in_memory(const cache::Details& details, const std::optional<Buffer>& bytes,
                                       cache::Removals& removed);
  [[nodiscard]] cache::Details describe(std::string_view key, SetOptions options);
  [[nodiscard]] std::uint64_t next_generation();
  [[nodiscard]] bool fits_memory(std::uint64_t size) const;
  /// Whether the disk tier is the place for it, not the stream tier.
  [[nodiscard]] bool fits_disk(const cache::Details& details, std::uint64_t size) const;
  /// Stores a small object in disk tier and memory. Under the key's stripe.
  Result<Object> put_small(cache::Details details, const Buffer& bytes, cache::Removals& removed);
  /// The generation that a key has below memory, and where.
  struct Below {
    Level level = Level::disk;
    std::uint64_t generation = 0;
  };
  [[nodiscard]] std::optional<Below> below(std::string_view key, WallTime now) const;
  /// What `tier` has of the key, which the other tier has replaced. Where it cannot, the replacement stays (the next
  /// start would find it) and counts, though whoever asked for it is told of the error.
  Result<void> remove_older(cache::Tier& tier, const cache::Details& details, cache::Removals& removed);
  [[nodiscard]] bool newer_in_stream(std::string_view key, std::uint64_t generation, WallTime now) const;
  Result<void> open_tiers(cache::Opens opens);
  /// Of a key that both tiers have, the older one goes. Until that is done the newer one counts.
  Result<void> settle_doubles();
  /// Without a stream_limit a tenth of the file system stays free.
  void fit_stream_limit(cache::Removals& removed);
  [[nodiscard]] std::mutex& stripe(std::string_view key);
  /// Tells what left, and that it was for the sake of storing `because_of`, where it was.
  void tell(const cache::Removals& removed, std::string_view because_of = {});
  void tell_set(const Object& object);
  void tell_hit(const Object& object);
  void tell_miss(std::string_view key, std::string_view type);
  void sweep_every(Duration period);

  const CacheOptions options_;
  const host::Clock& clock_;
  host::Disk& disk_;
  CacheEvents events_;
  FileHandle claim_;
  std::atomic<std::int64_t> max_age_;
  std::atomic<double> ttl_jitter_;
  std::atomic<unsigned> promote_after_;
  std::atomic<std::uint64_t> stream_over_;
  std::atomic<std::uint64_t> memory_limit_;
  std::atomic<std::uint64_t> last_generation_{0};
  mutable std::mutex first_minute_lock_;
  std::optional<CacheStats::FirstMinute> first_minute_;
  cache::Tally tally_;
  cache::Chronicle chronicle_;
  cache::Failures failures_;
  std::array<std::mutex, 32> stripes_;  ///< clear() takes all: within the 64 that the thread sanitizer can follow
  std::unique_ptr<cache::MemoryTier> memory_;
  std::unique_ptr<cache::DiskTier> disk_tier_;  ///< none without a directory
  std::unique_ptr<cache::StreamTier> stream_;   ///< likewise
  std::atomic<std::uint64_t> doubles_{0};       ///< not 0: some key may be in both, and the newer one counts
  std::atomic<bool> stream_limit_given_;
  cache::Flights flights_;
  std::mutex refreshing_;
  std::optional<boost::asio::thread_pool> refresher_;  ///< made when the first stale object is asked for

  boost::asio::io_context background_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> working_{background_.get_executor()};
  boost::asio::steady_timer next_sweep_{background_};
  bool closing_ = false;  ///< this and what follows are the background thread's
  std::uint64_t warmed_at_start_ = 0;
  const host::MonoTime opened_;
  host::MonoTime hot_saved_;
  std::thread thread_;
};

}  // namespace hotwell

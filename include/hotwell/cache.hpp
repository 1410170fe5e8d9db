/// The multi-level cache: memory over disk, any size of object, results that are read while they are written, and
/// one computation however many ask.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>

#include <hotwell/body.hpp>
#include <hotwell/event.hpp>
#include <hotwell/knob.hpp>
#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell {

using Metadata = std::map<std::string, std::string>;

struct CacheOptions {
  std::filesystem::path directory{};  ///< made if absent; empty: memory alone
  Bytes memory_limit{100ULL << 20};
  Bytes disk_limit{5ULL << 30};                   ///< of objects up to stream_over
  Duration max_age = std::chrono::hours{24 * 7};  ///< the TTL of entries that name none
  unsigned promote_after = 5;                     ///< more hits than this on disk promote to memory
  Bytes stream_over{4ULL << 20};                  ///< larger objects never enter memory (where there is a directory)
  std::optional<Bytes>
      stream_limit{};              ///< of objects over stream_over; by default a tenth of the file system stays free
  std::string policy = "default";  ///< of eviction from memory: also wtinylfu, s3fifo, sieve, lru, fifo
  /// Each entry lives up to this part of its TTL shorter, so that what was stored together does not expire together.
  double ttl_jitter = 0;
};

struct SetOptions {
  std::string type{};             ///< a tag for statistics and listings: "processed-video"
  std::optional<Duration> ttl{};  ///< by default CacheOptions::max_age
  Metadata metadata{};
  std::string content_type = "application/octet-stream";
};

/// How get_or_compute() stores what it makes, and what it does meanwhile.
struct ComputeOptions {
  SetOptions store{};
  /// How long a caller waits for another's computation; then it is told `timeout`, and the computation goes on.
  std::optional<Duration> wait{};
  /// How long a failure is remembered: whoever asks meanwhile is told the same error. By default it is forgotten at
  /// once.
  Duration negative_ttl{};
  /// The object lives this much longer than its TTL: asked for within that time it is returned at once, and `compute`
  /// makes it anew on a thread of the cache. Callers that name different times share the object's one end.
  Duration stale_while_revalidate{};
};

/// The metadata of an Object, read only. Valid as long as a copy of the object lives.
class MetadataView {
 public:
  MetadataView() = default;
  explicit MetadataView(const Metadata* map) : map_(map) {}

  /// Throws std::out_of_range where `name` is absent, as std::map does.
  [[nodiscard]] const std::string& at(std::string_view name) const { return map().at(std::string(name)); }
  [[nodiscard]] bool contains(std::string_view name) const { return map().contains(std::string(name)); }
  [[nodiscard]] Metadata::const_iterator find(std::string_view name) const { return map().find(std::string(name)); }
  [[nodiscard]] Metadata::const_iterator begin() const { return map().begin(); }
  [[nodiscard]] Metadata::const_iterator end() const { return map().end(); }
  [[nodiscard]] std::size_t size() const { return map().size(); }
  [[nodiscard]] bool empty() const { return map().empty(); }
  [[nodiscard]] const Metadata& map() const;
  operator const Metadata&() const { return map(); }

 private:
  const Metadata* map_ = nullptr;
};

namespace cache {
class Description;
class Mapping;
}  // namespace cache

/// What the cache knows of a key, and its bytes. Copies share everything, so a hit neither copies nor allocates;
/// holding one keeps its bytes and texts readable whatever the cache evicts or deletes meanwhile.
/// Ownership: the texts are views into what this object shares: take a std::string of them to keep them longer.
/// Threads: as shared_ptr; bytes() of one object may be called from several threads.
struct Object {
  /// Written out, so that a hit need not write zeros before it writes what is there.
  Object() noexcept {}  // NOLINT(modernize-use-equals-default)

  std::string_view key;
  std::uint64_t generation = 0;
  std::string_view content_type;
  std::string_view type;
  MetadataView metadata;
  WallTime created{};
  WallTime expires{};
  Level level = Level::memory;  ///< where this look-up found it
  Body body;

  /// Absent while the object still grows.
  [[nodiscard]] std::optional<std::uint64_t> size() const;
  /// The whole content. A file's part is mapped on the first call. Precondition: not growing. Errors: none here,
  /// since get() has verified the bytes; a mapping that fails for lack of memory throws Failure.
  [[nodiscard]] ByteView bytes() const;
  /// A strong entity tag in quotes: changes with every generation.
  [[nodiscard]] std::string etag() const;
  /// What the views point into (src/cache/object.hpp).
  [[nodiscard]] const std::shared_ptr<const cache::Description>& description() const { return description_; }

 private:
  friend class cache::Description;
  std::shared_ptr<const cache::Description> description_;
  std::shared_ptr<cache::Mapping> mapping_;
};

struct CacheStats {
  struct Tier {
    std::uint64_t entries = 0;
    Bytes size;
    double utilization = 0;  ///< size / limit
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    double hit_rate = 0;  ///< hits / (hits + misses); 0 before the first look-up
    Bytes served;         ///< the sizes of all hits in sum
  };
  /// What became of the objects with one type tag. A miss has a type where its asker said what it would store:
  /// get_or_compute() and jobs.
  struct Type {
    std::uint64_t sets = 0;
    Bytes stored;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    Bytes served;
  };
  Tier memory, disk, stream;
  Tier total;  ///< entries and sizes of all levels in sum (an object may be in two); hits and misses of the whole
  /// How warm the start was.
  struct FirstMinute {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t warmed = 0;  ///< objects that were brought up into memory from the last run's list
  };
  std::optional<FirstMinute> first_minute;  ///< absent until it is over, and where there is no directory
  /// By type tag; what has none is not among them. Of more than 64 tags the later ones share "__other__".
  std::map<std::string, Type> types;
};

/// What a cache can tell of one key: where it is, and what happened to it lately.
struct CacheExplanation {
  struct Copy {
    Level level = Level::memory;
    Bytes size;
    unsigned hits = 0;  ///< since it came there or was last promoted, decayed; memory does not count them
  };
  struct Step {
    enum class What : std::uint8_t { promoted, warmed, evicted, expired, erased, damaged };
    What what = What::evicted;
    WallTime when{};
    Level level = Level::memory;  ///< which it left; where it was brought up, from which
    std::string because_of;       ///< the key whose storing made it leave; empty where that was not the reason
  };
  std::string key;
  std::optional<Object> object;  ///< its description; absent where no level has it
  std::vector<Copy> copies;
  std::vector<Step> steps;         ///< oldest first, as far as they are remembered: the last 16,384 of all keys
  std::vector<std::string> story;  ///< the same in sentences
};
[[nodiscard]] std::string_view to_string(CacheExplanation::Step::What what) noexcept;

/// What became of the keys that Cache::warm() was given.
struct Warmed {
  std::uint64_t warmed = 0;   ///< brought into memory
  std::uint64_t already = 0;  ///< memory had them
  std::uint64_t absent = 0;   ///< no tier has them
  std::uint64_t no_room = 0;  ///< too large for memory, or it is full: nothing is evicted for them
};

/// Ownership: its directory, locked against other processes, and one background thread. Threads: any. Blocking
/// members do disk I/O on the caller's thread.
class Cache {
 public:
  /// Errors: as open(), thrown as Failure.
  explicit Cache(CacheOptions options);
  /// Errors: unavailable (another process holds the directory: says which), denied, io, invalid_argument (an unknown
  /// policy, a format that this version does not know).
  [[nodiscard]] static Result<std::unique_ptr<Cache>> open(CacheOptions options);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  /// Stores bytes under a key, replacing what was there. Errors: invalid_argument (an empty key, one over 4096 bytes,
  /// or one with the reserved prefix "result:"), too_large, disk_full, overloaded (everything is pinned), io. What
  /// failed may have happened all the same: until a set or erase of the key succeeds, a look-up may find the one or the
  /// other.
  Result<void> set(std::string_view key, ByteView bytes, SetOptions options = {});
  /// Asks every tier; promotes what is hot. A miss is an empty optional. Errors: io.
  Result<std::optional<Object>> get(std::string_view key);
  /// Memory alone; never blocks, allocates or makes a system call. A hit is counted; where it finds nothing, the
  /// miss is counted by the get() that follows. It sees up to 10 ms late that one expired.
  [[nodiscard]] std::optional<Object> try_get(std::string_view key);
  /// get() that completes on the token's executor: void(Result<std::optional<Object>>). The disk is asked on the
  /// cache's own thread.
  template <class Token>
  auto async_get(std::string key, Token&& token) {
    return boost::asio::async_initiate<Token, void(Result<std::optional<Object>>)>(
        [this](auto handler, std::string k) {
          auto executor = boost::asio::get_associated_executor(handler, background());
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          get_later(std::move(k), [shared, executor](Result<std::optional<Object>> result) mutable {
            boost::asio::dispatch(
                executor, [shared, result = std::move(result)]() mutable { std::move (*shared)(std::move(result)); });
          });
        },
        token, std::move(key));
  }
  /// True if it was there. After the return no later look-up finds it, not even after kill -9.
  Result<bool> erase(std::string_view key);
  Result<void> clear();
  /// Without counting a hit or changing its order.
  [[nodiscard]] bool contains(std::string_view key) const;
  /// Sets a new TTL from now. False if absent.
  Result<bool> touch(std::string_view key, Duration ttl);
  /// Calls `visit` with every object (once for each level that has it) until it returns false. Sizes are right, but the
  /// bytes may be out of reach: get() them.
  void for_each(const std::function<bool(const Object&)>& visit) const;

  /// Brings objects from below into memory ahead of their use, in the order of the keys. Counts neither hits nor
  /// misses. What memory held when a cache was closed is brought up by itself when it is opened again.
  Warmed warm(std::span<const std::string> keys);

  /// A set in pieces, of unknown length. The object exists once sealed. The sink must not outlive the cache.
  /// Errors: as set(), and so do the sink's calls.
  Result<std::unique_ptr<Sink>> begin(std::string_view key, SetOptions options = {});

  /// What is there, or what `compute` writes: once, however many callers ask at the same time; they all get the same
  /// object or the same error. `compute` runs on the first caller's thread, or on one of the cache's where it makes a
  /// stale object anew. Errors: as set(); compute's own; failed, where it throws; timeout (ComputeOptions::wait).
  Result<Object> get_or_compute(std::string_view key, std::function<Result<void>(Sink&)> compute,
                                ComputeOptions options = {});

  [[nodiscard]] CacheStats stats() const;
  /// Where a key is, how it came there, its hits and what made it leave. Counts no hit.
  /// Errors: not_found (it is nowhere and nothing of it is remembered), io.
  [[nodiscard]] Result<CacheExplanation> explain(std::string_view key);
  template <class E>
  [[nodiscard]] Subscription on(std::function<void(const E&)> listener) {
    return events().template on<E>(std::move(listener));
  }
  [[nodiscard]] CacheEvents& events();
  /// cache.memory_limit, cache.disk_limit, cache.promote_after, ...
  void register_knobs(Knobs& knobs);
  [[nodiscard]] const CacheOptions& options() const;

  class Impl;  ///< src/cache/tiered_cache.hpp: what the engine drives (results, flights, held objects)
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  Cache(std::unique_ptr<Impl> impl, std::in_place_t);  ///< the tag keeps `Cache{{}}` unambiguous
  void get_later(std::string key, std::function<void(Result<std::optional<Object>>)> done);
  [[nodiscard]] boost::asio::any_io_executor background();
  std::unique_ptr<Impl> impl_;
};

}  // namespace hotwell

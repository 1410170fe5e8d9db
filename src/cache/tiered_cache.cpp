#include "cache/tiered_cache.hpp"

#include <csignal>
#include <limits>
#include <unordered_set>

#include <fmt/format.h>
#include <pthread.h>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "cache/directory.hpp"
#include "cache/keys.hpp"
#include "cache/reader.hpp"

namespace hotwell {

using namespace cache;

namespace {

WallTime after(WallTime now, Duration ttl) {
  const auto longest = WallTime::max() - now;
  const auto span = std::chrono::duration_cast<WallTime::duration>(ttl);
  return span >= longest ? WallTime::max() : now + span;
}

Details details_of(const Object& object) {
  return {.key = std::string(object.key),
          .generation = object.generation,
          .content_type = std::string(object.content_type),
          .type = std::string(object.type),
          .metadata = object.metadata.map(),
          .created = object.created,
          .expires = object.expires};
}

/// Starts a thread that takes no signals: they are the host program's.
std::thread quiet_thread(const char* name, std::function<void()> run) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace

Cache::Impl::Impl(CacheOptions options, const Seams& seams)
    : options_(std::move(options)),
      clock_(seams.clock),
      disk_(seams.disk),
      max_age_(options_.max_age.count()),
      promote_after_(options_.promote_after),
      stream_over_(options_.stream_over.count),
      memory_limit_(options_.memory_limit.count),
      stream_limit_given_(options_.stream_limit.has_value()),
      opened_(clock_.now()),
      hot_saved_(opened_) {}

Result<std::unique_ptr<Cache::Impl>> Cache::Impl::open(CacheOptions options) {
  return open(std::move(options), {host::system_clock(), host::system_disk(), std::chrono::seconds{1}});
}

Result<std::unique_ptr<Cache::Impl>> Cache::Impl::open(CacheOptions options, const Seams& seams) {
  if (!options.directory.empty()) {
    std::error_code error;
    options.directory = std::filesystem::absolute(options.directory, error);
    if (error) return system_fail(error.value(), "finding the cache's directory");
  }
  if (options.max_age <= Duration::zero())
    return fail(Code::invalid_argument, "cache max_age: expected more than zero");
  auto impl = std::unique_ptr<Impl>(new Impl(std::move(options), seams));
  if (auto started = impl->start(); !started) return std::unexpected(started.error());
  if (seams.sweep_every) {
    impl->sweep_every(*seams.sweep_every);
    impl->warm_from_last_run();
  }
  return impl;
}

Result<void> Cache::Impl::start() {
  auto policy = make_policy(options_.policy);
  if (!policy) return std::unexpected(policy.error());
  memory_ = std::make_unique<MemoryTier>(options_.memory_limit, std::move(*policy));
  if (!options_.directory.empty()) {
    auto claim = claim_directory(disk_, options_.directory);
    if (!claim) return std::unexpected(claim.error());
    claim_ = std::move(*claim);
    if (auto opened = open_tiers(); !opened) return opened;
  }
  thread_ = quiet_thread("hotwell-cache", [this] { background_.run(); });
  return {};
}

Result<void> Cache::Impl::open_tiers() {
  const auto now = clock_.wall();
  auto disk =
      DiskTier::open(disk_,
                     {.directory = disk_directory(options_.directory),
                      .limit = options_.disk_limit,
                      .tells_evictions = [this] { return events_.any<CacheEviction>() || events_.any<CacheExpiry>(); }},
                     now);
  if (!disk) return std::unexpected(disk.error());
  disk_tier_ = std::move(*disk);
  auto stream = StreamTier::open(
      disk_,
      {.directory = stream_directory(options_.directory),
       .limit = options_.stream_limit.value_or(Bytes{std::numeric_limits<std::uint64_t>::max()}),
       .used_above = [this](std::string_view key) { return memory_->generation(key, clock_.wall()).has_value(); }},
      now);
  if (!stream) return std::unexpected(stream.error());
  stream_ = std::move(*stream);
  last_generation_ = recovery().last_generation;
  Removals untold;  // nobody listens yet
  fit_stream_limit(untold);
  return settle_doubles();
}

Result<void> Cache::Impl::settle_doubles() {
  const auto now = clock_.wall();
  Removals untold;
  Result<void> done;
  stream_->for_each(now, [&](const Object& large) {
    const auto small = disk_tier_->generation(large.key, now);
    if (!small) return true;
    Tier& older = *small < large.generation ? static_cast<Tier&>(*disk_tier_) : *stream_;
    if (auto erased = older.erase(large.key, now, untold); !erased) done = std::unexpected(erased.error());
    return done.has_value();
  });
  return done;
}

void Cache::Impl::fit_stream_limit(Removals& removed) {
  if (stream_limit_given_.load(std::memory_order_relaxed)) return;
  const auto space = disk_.space(options_.directory);
  if (!space) return;
  // On a file system that is fuller than that, a tenth of what is left.
  const auto tenth = space->size.count / 10;
  const auto room = space->free.count > tenth ? space->free.count - tenth : 0;
  stream_->set_limit(stream_->stats().size + Bytes{std::max(room, space->free.count / 10)}, removed);
}

Cache::Impl::~Impl() {
  if (!thread_.joinable()) return;
  // Look-ups that wait are answered first; then nothing is left to run.
  boost::asio::post(background_, [this] {
    closing_ = true;
    next_sweep_.cancel();
    working_.reset();
  });
  thread_.join();
  save_hot_keys();
}

Result<void> Cache::Impl::set(std::string_view key, ByteView bytes, SetOptions options) {
  auto stored = store(key, bytes, std::move(options));
  if (!stored) return std::unexpected(stored.error());
  return {};
}

Result<Object> Cache::Impl::store(std::string_view key, ByteView bytes, SetOptions options) {
  if (auto good = check_user_key(key); !good) return std::unexpected(good.error());
  auto details = describe(key, std::move(options));
  const bool small = fits_disk(details, bytes.size());
  std::optional<Buffer> copy;
  if (small || fits_memory(bytes.size())) copy = Buffer::copy_of(bytes);

  Removals removed;
  const auto put = [&]() -> Result<Object> {
    if (!stream_ || small) {
      const std::lock_guard lock(stripe(key));
      return stream_ ? put_small(std::move(details), *copy, removed) : memory_->put(std::move(details), *copy, removed);
    }
    auto draft = stream_->draft(key, details.generation, removed);
    if (!draft) return std::unexpected(draft.error());
    if (auto written = (*draft)->write(0, bytes, removed); !written) return std::unexpected(written.error());
    if (auto finished = (*draft)->finish(bytes.size(), removed); !finished) return std::unexpected(finished.error());
    const std::lock_guard lock(stripe(key));
    auto object = stream_->commit(**draft, details, removed);
    if (!object) return object;
    if (auto gone = remove_older(*disk_tier_, details, removed); !gone) return std::unexpected(gone.error());
    if (auto kept = keep_in_memory(details, copy, removed)) return *kept;
    return object;
  };
  auto object = put();
  tell(removed);
  if (object) tell_set(*object);
  return object;
}

std::optional<Object> Cache::Impl::try_get(std::string_view key) {
  auto object = memory_->try_find(key, clock_.wall(), Count::no);
  if (!object) return std::nullopt;
  total_.hit();
  if (events_.any<CacheHit>()) events_.publish(CacheHit{std::string(key), Level::memory, {*object->size()}});
  return object;
}

Result<std::optional<Object>> Cache::Impl::get(std::string_view key) { return find(key, Check::whole, Asker::first); }

Result<std::optional<Object>> Cache::Impl::lookup(std::string_view key) {
  return find(key, Check::later, Asker::first);
}

Result<std::optional<Object>> Cache::Impl::look_again(std::string_view key) {
  return find(key, Check::later, Asker::again);
}

Result<std::optional<Object>> Cache::Impl::find(std::string_view key, Check check, Asker asker) {
  const auto now = clock_.wall();
  const FindOptions options{check, asker == Asker::first ? Count::yes : Count::no};
  Removals removed;
  auto found = memory_->find(key, now, options, removed);
  if (found && !*found && stream_) {
    found = find_below(key, now, options, removed);
    if (found && *found && (*found)->hits > promote_after_.load(std::memory_order_relaxed))
      promote((*found)->object, removed);
  }
  tell(removed);
  if (!found) return std::unexpected(found.error());
  if (!*found) {
    if (asker == Asker::first) {
      total_.miss();
      if (events_.any<CacheMiss>()) events_.publish(CacheMiss{std::string(key)});
    }
    return std::nullopt;
  }
  auto& object = (*found)->object;
  if (asker == Asker::first) {
    total_.hit();
    if (events_.any<CacheHit>()) events_.publish(CacheHit{std::string(key), object.level, {*object.size()}});
  }
  return std::move(object);
}

Result<std::optional<Found>> Cache::Impl::find_below(std::string_view key, WallTime now, FindOptions options,
                                                     Removals& removed) {
  auto found = disk_tier_->find(key, now, options, removed);
  if (!found) return found;
  if (*found && !newer_in_stream(key, (*found)->object.generation, now)) return found;
  found = stream_->find(key, now, options, removed);
  if (!found || *found) return found;
  // An object that moved from the stream tier to the disk tier between the two looks is no miss.
  if (!below(key, now)) return found;
  return disk_tier_->find(key, now, {options.check, Count::no}, removed);
}

void Cache::Impl::promote(const Object& object, Removals& removed) {
  const auto size = *object.size();
  // Whatever comes of it: the next try is as many hits away.
  if (object.level == Level::disk)
    disk_tier_->forget_hits(object.key);
  else
    stream_->forget_hits(object.key);
  if (bring_up(object, removed) && events_.any<CachePromotion>())
    events_.publish(CachePromotion{std::string(object.key), object.level, Level::memory, {size}});
}

bool Cache::Impl::bring_up(const Object& object, Removals& removed) {
  const auto size = *object.size();
  if (!fits_memory(size) || !object.description()->verify(0, size)) return false;
  auto bytes = read_all(object.body);
  if (!bytes) return false;
  const std::lock_guard lock(stripe(object.key));
  const auto now = clock_.wall();
  // Deleted or replaced since it was found: memory must not bring it back.
  if (const auto there = below(object.key, now); !there || there->generation != object.generation) return false;
  if (memory_->generation(object.key, now)) return false;
  return memory_->put(details_of(object), *bytes, removed).has_value();
}

Result<void> Cache::Impl::verify(const Object& object, std::uint64_t offset, std::uint64_t length) {
  HOTWELL_ASSERT(object.description() != nullptr);
  auto good = object.description()->verify(offset, length);
  if (!good && stream_ && !object.key.empty()) {
    Removals removed;
    if (object.level == Level::stream)
      stream_->drop_damaged(object.key, object.generation, removed);
    else  // a look-up that checks the whole finds the damage and drops it
      (void)disk_tier_->find(object.key, clock_.wall(), {Check::whole, Count::no}, removed);
    tell(removed);
  }
  return good;
}

Result<bool> Cache::Impl::erase(std::string_view key) {
  if (auto good = check_key(key); !good) return std::unexpected(good.error());
  const auto now = clock_.wall();
  Removals removed;
  bool was_there = false;
  {
    const std::lock_guard lock(stripe(key));
    // What is on disk first, of two the older one: if it cannot be removed, nothing has changed.
    if (stream_) {
      Tier* older = disk_tier_.get();
      Tier* newer = stream_.get();
      if (const auto small = disk_tier_->generation(key, now); small && !newer_in_stream(key, *small, now))
        std::swap(older, newer);
      for (Tier* tier : {older, newer}) {
        auto erased = tier->erase(key, now, removed);
        if (!erased) return erased;
        was_there |= *erased;
      }
    }
    was_there |= memory_->erase(key, now, removed).value();
  }
  if (was_there && events_.any<CacheDelete>()) events_.publish(CacheDelete{std::string(key)});
  return was_there;
}

Result<void> Cache::Impl::clear() {
  Removals removed;
  Result<void> cleared;
  {
    std::array<std::unique_lock<std::mutex>, std::tuple_size_v<decltype(stripes_)>> locks;
    for (std::size_t i = 0; i < stripes_.size(); ++i) locks.at(i) = std::unique_lock(stripes_.at(i));
    if (stream_) cleared = disk_tier_->clear(removed);
    if (stream_ && cleared) cleared = stream_->clear(removed);
    // Where the disk kept some, memory still lets go of all: what is left is found there.
    (void)memory_->clear(removed);
  }
  if (events_.any<CacheDelete>()) {
    std::unordered_set<std::string_view> told;
    for (const auto& one : removed)
      if (told.insert(one.key).second) events_.publish(CacheDelete{one.key});
  }
  return cleared;
}

bool Cache::Impl::contains(std::string_view key) const {
  const auto now = clock_.wall();
  return memory_->generation(key, now) || below(key, now);
}

Result<bool> Cache::Impl::touch(std::string_view key, Duration ttl) {
  if (auto good = check_key(key); !good) return std::unexpected(good.error());
  const auto now = clock_.wall();
  const auto expires = after(now, ttl);
  const std::lock_guard lock(stripe(key));
  bool was_there = false;
  if (stream_) {
    for (Tier* tier : {static_cast<Tier*>(disk_tier_.get()), static_cast<Tier*>(stream_.get())}) {
      auto touched = tier->touch(key, now, expires);
      if (!touched) return touched;
      was_there |= *touched;
    }
  }
  return memory_->touch(key, now, expires).value() || was_there;
}

void Cache::Impl::for_each(const std::function<bool(const Object&)>& visit) const {
  bool more = true;
  const auto watched = [&](const Object& object) { return more = visit(object); };
  memory_->for_each(clock_.wall(), watched);
  if (more && stream_) disk_tier_->for_each(clock_.wall(), watched);
  if (more && stream_) stream_->for_each(clock_.wall(), watched);
}

CacheStats Cache::Impl::stats() const {
  CacheStats stats;
  stats.memory = memory_->stats();
  if (stream_) stats.disk = disk_tier_->stats();
  if (stream_) stats.stream = stream_->stats();
  auto& total = stats.total;
  total.entries = stats.memory.entries + stats.disk.entries + stats.stream.entries;
  total.size = stats.memory.size + stats.disk.size + stats.stream.size;
  const auto limit = options_.memory_limit.count + (stream_ ? options_.disk_limit.count + stream_->limit().count : 0);
  if (limit != 0) total.utilization = static_cast<double>(total.size.count) / static_cast<double>(limit);
  total_.read(total);
  return stats;
}

void Cache::Impl::register_knobs(Knobs& knobs) {
  constexpr double tebibyte = 1ULL << 40;
  const auto limit_knob = [&](std::string name, std::string description, Bytes now, Tier& tier) {
    const auto value = static_cast<double>(now.count);
    knobs.add({.name = std::move(name),
               .description = std::move(description),
               .unit = "bytes",
               .min = 0,
               .max = std::max(1024 * tebibyte, value),
               .value = value},
              [this, &tier](double bytes) -> Result<void> {
                Removals removed;
                if (&tier == stream_.get()) stream_limit_given_ = true;
                if (&tier == memory_.get()) memory_limit_ = static_cast<std::uint64_t>(bytes);
                tier.set_limit({static_cast<std::uint64_t>(bytes)}, removed);
                tell(removed);
                return {};
              });
  };
  limit_knob("cache.memory_limit", "What the memory tier may take", options_.memory_limit, *memory_);
  if (stream_) {
    limit_knob("cache.disk_limit", "What the disk tier may take", options_.disk_limit, *disk_tier_);
    limit_knob("cache.stream_limit", "What large objects on disk may take", stream_->limit(), *stream_);
  }
  const double promote_after = options_.promote_after;
  knobs.add({.name = "cache.promote_after",
             .description = "More hits than this on disk bring an object into memory",
             .min = 0,
             .max = std::max(1e6, promote_after),
             .value = promote_after},
            [this](double hits) -> Result<void> {
              promote_after_ = static_cast<unsigned>(hits);
              return {};
            });
  const double max_age = std::chrono::duration<double>(options_.max_age).count();
  knobs.add({.name = "cache.max_age",
             .description = "How long entries live that name no time of their own",
             .unit = "seconds",
             .min = std::min(1.0, max_age),
             .max = std::max(86400.0 * 3650, max_age),
             .value = max_age},
            [this](double seconds) -> Result<void> {
              max_age_ = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)).count();
              return {};
            });
}

void Cache::Impl::sweep() {
  Removals removed;
  memory_->sweep(clock_.wall(), removed);
  if (stream_) {
    disk_tier_->sweep(clock_.wall(), removed);
    stream_->sweep(clock_.wall(), removed);
    fit_stream_limit(removed);
  }
  tell(removed);
}

Result<void> Cache::Impl::sync() {
  if (!stream_) return {};
  if (auto done = disk_tier_->sync(); !done) return done;
  return stream_->sync();
}

Recovery Cache::Impl::recovery() const { return stream_ ? disk_tier_->recovery() + stream_->recovery() : Recovery{}; }

Details Cache::Impl::describe(std::string_view key, SetOptions options) {
  const auto now = clock_.wall();
  const auto ttl = options.ttl.value_or(Duration{max_age_.load(std::memory_order_relaxed)});
  return {.key = std::string(key),
          .generation = next_generation(),
          .content_type = std::move(options.content_type),
          .type = std::move(options.type),
          .metadata = std::move(options.metadata),
          .created = now,
          .expires = after(now, ttl)};
}

std::uint64_t Cache::Impl::next_generation() {
  // Above all that were found on disk, and above those of earlier runs that were deleted since: so it follows the time.
  const auto now = static_cast<std::uint64_t>(clock_.wall().time_since_epoch().count());
  auto last = last_generation_.load();
  std::uint64_t next = 0;
  do next = std::max(last + 1, now);
  while (!last_generation_.compare_exchange_weak(last, next));
  return next;
}

bool Cache::Impl::fits_memory(std::uint64_t size) const {
  return !stream_ || size <= stream_over_.load(std::memory_order_relaxed);
}

bool Cache::Impl::fits_disk(const Details& details, std::uint64_t size) const {
  return disk_tier_ && size <= stream_over_.load(std::memory_order_relaxed) && disk_tier_->holds(details, size);
}

Result<Object> Cache::Impl::put_small(Details details, const Buffer& bytes, Removals& removed) {
  auto object = disk_tier_->put(details, bytes, removed);
  if (!object) return object;
  if (auto gone = remove_older(*stream_, details, removed); !gone) return std::unexpected(gone.error());
  if (auto kept = keep_in_memory(details, bytes, removed)) return *kept;
  return object;
}

Result<void> Cache::Impl::remove_older(Tier& tier, const Details& details, Removals& removed) {
  auto gone = tier.erase(details.key, details.created, removed);
  if (gone) return {};
  doubles_.store(true, std::memory_order_release);
  (void)memory_->erase(details.key, details.created, removed);
  return std::unexpected(gone.error());
}

bool Cache::Impl::newer_in_stream(std::string_view key, std::uint64_t generation, WallTime now) const {
  return doubles_.load(std::memory_order_acquire) && stream_->generation(key, now).value_or(0) > generation;
}

std::optional<Cache::Impl::Below> Cache::Impl::below(std::string_view key, WallTime now) const {
  if (!stream_) return std::nullopt;
  if (const auto generation = disk_tier_->generation(key, now); generation && !newer_in_stream(key, *generation, now))
    return Below{Level::disk, *generation};
  if (const auto generation = stream_->generation(key, now)) return Below{Level::stream, *generation};
  return std::nullopt;
}

std::mutex& Cache::Impl::stripe(std::string_view key) { return stripes_.at(base::xxh3_64(key) % stripes_.size()); }

void Cache::Impl::tell(const Removals& removed) {
  for (const auto& one : removed) {
    switch (one.cause) {
      case Cause::replaced:
      case Cause::erased: break;  // told by whoever did it
      case Cause::expired:
        if (events_.any<CacheExpiry>()) events_.publish(CacheExpiry{one.key, one.level, {one.size}});
        break;
      case Cause::capacity:
        if (one.level == Level::memory && (events_.any<CacheDemotion>() || events_.any<CacheEviction>())) {
          if (const auto there = below(one.key, clock_.wall()); there && there->generation == one.generation) {
            events_.publish(CacheDemotion{one.key, Level::memory, there->level, {one.size}});
            break;
          }
        }
        [[fallthrough]];
      case Cause::damaged:
        if (events_.any<CacheEviction>())
          events_.publish(CacheEviction{one.key, one.level, {one.size}, std::string(to_string(one.cause))});
        break;
    }
  }
}

void Cache::Impl::tell_set(const Object& object) {
  if (!object.key.empty() && events_.any<CacheSet>())
    events_.publish(CacheSet{std::string(object.key), object.level, {*object.size()}});
}

void Cache::Impl::sweep_every(Duration period) {
  boost::asio::post(background_, [this, period] {
    if (closing_) return;
    next_sweep_.expires_after(period);
    next_sweep_.async_wait([this, period](boost::system::error_code stopped) {
      if (stopped) return;
      sweep();
      tend_warmth();
      sweep_every(period);
    });
  });
}

}  // namespace hotwell

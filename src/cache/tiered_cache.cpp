#include "cache/tiered_cache.hpp"

#include <unordered_set>

#include "base/assert.hpp"
#include "base/digest.hpp"
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

}  // namespace

Result<void> Cache::Impl::set(std::string_view key, ByteView bytes, SetOptions options) {
  auto stored = store(key, bytes, std::move(options));
  if (!stored) return std::unexpected(stored.error());
  return {};
}

Result<Object> Cache::Impl::store(std::string_view key, ByteView bytes, SetOptions options,
                                  const Precondition& precondition) {
  if (auto good = check_user_key(key); !good) return std::unexpected(good.error());
  return store_at(key, bytes, std::move(options), precondition);
}

Result<Object> Cache::Impl::store_result(std::string_view key, ByteView bytes, SetOptions options) {
  HOTWELL_ASSERT(key.starts_with(result_key_prefix));
  return store_at(key, bytes, std::move(options), {});
}

Result<Object> Cache::Impl::hold(ByteView bytes, SetOptions options) {
  if (fits_memory(bytes.size())) {
    Removals removed;
    auto object = memory_->hold(describe({}, options), Buffer::wrap(nullptr, bytes), removed);
    tell(removed);
    if (object || !stream_) return object;
  }
  auto writer = begin_private(std::move(options));
  if (!writer) return std::unexpected(writer.error());
  if (auto written = (*writer)->write(bytes); !written) return std::unexpected(written.error());
  if (auto sealed = (*writer)->seal(bytes.size()); !sealed) return std::unexpected(sealed.error());
  return (*writer)->object();
}

Result<Object> Cache::Impl::store_at(std::string_view key, ByteView bytes, SetOptions options,
                                     const Precondition& precondition) {
  auto details = describe(key, std::move(options));
  const bool small = fits_disk(details, bytes.size());
  std::optional<Buffer> copy;
  if (!stream_)
    copy = Buffer::wrap(nullptr, bytes);  // memory copies what nobody owns
  else if (small || fits_memory(bytes.size()))
    copy = Buffer::copy_of(bytes);

  Removals removed;
  const auto put = [&]() -> Result<Object> {
    if (!stream_ || small) {
      const std::lock_guard lock(stripe(key));
      if (auto good = check(key, precondition); !good) return std::unexpected(good.error());
      return stream_ ? put_small(std::move(details), *copy, removed) : memory_->put(std::move(details), *copy, removed);
    }
    auto draft = stream_->draft(key, details.generation, removed);
    if (!draft) return std::unexpected(draft.error());
    if (auto written = (*draft)->write(0, bytes, removed); !written) return std::unexpected(written.error());
    if (auto finished = (*draft)->finish(bytes.size(), removed); !finished) return std::unexpected(finished.error());
    const std::lock_guard lock(stripe(key));
    if (auto good = check(key, precondition); !good) return std::unexpected(good.error());
    auto object = stream_->commit(**draft, details, removed);
    if (!object) return object;
    if (auto gone = remove_older(*disk_tier_, details, removed); !gone) return std::unexpected(gone.error());
    if (auto kept = keep_in_memory(details, copy, removed)) return *kept;
    return object;
  };
  auto object = put();
  tell(removed, key);
  if (object) tell_set(*object);
  return object;
}

std::optional<Object> Cache::Impl::try_get(std::string_view key) {
  auto object = memory_->try_find(key, clock_.coarse_wall(), Count::no);
  if (!object) return std::nullopt;
  tell_hit(*object);
  return object;
}

std::optional<Object> Cache::Impl::try_lookup(std::string_view key) {
  if (auto object = try_get(key)) return object;
  // Where a key may be in both tiers below, or may have to be promoted, it takes a whole look-up.
  if (!stream_ || doubles_.load(std::memory_order_acquire) != 0) return std::nullopt;
  const auto now = clock_.wall();
  auto found = disk_tier_->try_find(key, now, promote_after_.load(std::memory_order_relaxed));
  if (!found) {
    found = stream_->try_find(key, now);
    if (!found) return std::nullopt;
    disk_tier_->count_miss();
  }
  memory_->count_miss();
  tell_hit(found->object);
  return std::move(found->object);
}

Result<std::optional<Object>> Cache::Impl::get(std::string_view key) { return find(key, Check::whole, Asker::first); }

Result<std::optional<Object>> Cache::Impl::lookup(std::string_view key, std::string_view type) {
  return find(key, Check::later, Asker::first, type);
}

Result<std::optional<Object>> Cache::Impl::look_again(std::string_view key) {
  return find(key, Check::later, Asker::again);
}

Result<std::optional<Object>> Cache::Impl::find(std::string_view key, Check check, Asker asker, std::string_view type) {
  const auto now = clock_.wall();
  const FindOptions options{check, asker == Asker::first ? Count::yes : Count::no};
  Removals removed;
  auto found = memory_->find(key, now, options, removed);
  if (found && !*found && stream_) {
    found = find_below(key, now, options, removed);
    if (found && *found && (*found)->hits > promote_after_.load(std::memory_order_relaxed))
      promote((*found)->object, removed);
  }
  tell(removed, key);
  if (!found) return std::unexpected(found.error());
  if (!*found) {
    if (asker == Asker::first) tell_miss(key, type);
    return std::nullopt;
  }
  if (asker == Asker::first) tell_hit((*found)->object);
  return std::move((*found)->object);
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
  if (!bring_up(object, removed)) return;
  Chronicle::Page(chronicle_, clock_.wall()).note(object.key, CacheExplanation::Step::What::promoted, object.level);
  if (events_.any<CachePromotion>())
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
  if (object.level == Level::memory) return {};
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

Result<bool> Cache::Impl::erase(std::string_view key, const Precondition& precondition) {
  if (auto good = check_key(key); !good) return std::unexpected(good.error());
  const auto now = clock_.wall();
  Removals removed;
  bool was_there = false;
  {
    const std::lock_guard lock(stripe(key));
    if (auto good = check(key, precondition); !good) return std::unexpected(good.error());
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
  failures_.forget(key);
  if (was_there) Chronicle::Page(chronicle_, now).note(key, CacheExplanation::Step::What::erased, Level::memory);
  if (was_there && events_.any<CacheDelete>()) events_.publish(CacheDelete{std::string(key)});
  return was_there;
}

Result<void> Cache::Impl::check(std::string_view key, const Precondition& precondition) const {
  if (!precondition) return {};
  const auto now = clock_.wall();
  auto generation = memory_->generation(key, now);
  if (stream_) {
    const auto there = below(key, now);
    generation = there ? std::optional(there->generation) : std::nullopt;
  }
  if (precondition(generation)) return {};
  return fail(Code::cancelled, "the object is no longer the one that its writer expected");
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
  failures_.clear();
  Chronicle::Page page(chronicle_, clock_.wall());
  std::unordered_set<std::string_view> told;
  for (const auto& one : removed) {
    if (!told.insert(one.key).second) continue;
    page.note(one.key, CacheExplanation::Step::What::erased, one.level);
    if (events_.any<CacheDelete>()) events_.publish(CacheDelete{one.key});
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

Details Cache::Impl::describe(std::string_view key, SetOptions options) {
  const auto now = clock_.wall();
  const auto generation = next_generation();
  auto ttl = options.ttl.value_or(Duration{max_age_.load(std::memory_order_relaxed)});
  if (const double jitter = ttl_jitter_.load(std::memory_order_relaxed); jitter > 0) {
    const auto chance = static_cast<double>(base::xxh3_64(key, generation)) * 0x1p-64;
    ttl -= std::chrono::duration_cast<Duration>(ttl * (jitter * chance));
  }
  return {.key = std::string(key),
          .generation = generation,
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
  doubles_.fetch_add(1, std::memory_order_release);
  (void)memory_->erase(details.key, details.created, removed);
  return std::unexpected(gone.error());
}

bool Cache::Impl::newer_in_stream(std::string_view key, std::uint64_t generation, WallTime now) const {
  return doubles_.load(std::memory_order_acquire) != 0 && stream_->generation(key, now).value_or(0) > generation;
}

std::optional<Cache::Impl::Below> Cache::Impl::below(std::string_view key, WallTime now) const {
  if (!stream_) return std::nullopt;
  if (const auto generation = disk_tier_->generation(key, now); generation && !newer_in_stream(key, *generation, now))
    return Below{Level::disk, *generation};
  if (const auto generation = stream_->generation(key, now)) return Below{Level::stream, *generation};
  return std::nullopt;
}

std::mutex& Cache::Impl::stripe(std::string_view key) { return stripes_.at(base::xxh3_64(key) % stripes_.size()); }

}  // namespace hotwell

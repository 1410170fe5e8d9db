/// What the tiered cache tells of itself: figures, events, and what became of a key.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cache/keys.hpp"
#include "cache/tiered_cache.hpp"

namespace hotwell {

using namespace cache;

namespace {

using What = CacheExplanation::Step::What;

What step_of(Cause cause) {
  switch (cause) {
    case Cause::capacity: return What::evicted;
    case Cause::expired: return What::expired;
    case Cause::damaged: return What::damaged;
    case Cause::replaced:
    case Cause::erased: break;
  }
  return What::erased;
}

std::string origin(const Object& object) {
  const auto of = [&](std::string_view name) {
    const auto found = object.metadata.find(name);
    return found == object.metadata.end() ? std::string_view{} : std::string_view(found->second);
  };
  const auto what = fmt::format("{} of {}", to_string(Bytes{object.size().value_or(0)}), object.content_type);
  if (object.key.starts_with(result_key_prefix))
    return fmt::format("It is the result of {} of \"{}\", made at {}: {}.", of("operation"), of("input"),
                       to_rfc3339(object.created), what);
  return fmt::format("It was stored at {}: {}{}.", to_rfc3339(object.created), what,
                     object.type.empty() ? "" : fmt::format(", tagged \"{}\"", object.type));
}

std::string sentence(const CacheExplanation::Step& step) {
  const auto reason = step.because_of.empty() ? "" : fmt::format(", while \"{}\" came in", step.because_of);
  const auto level = to_string(step.level);
  const auto told = [&]() -> std::string {
    switch (step.what) {
      case What::promoted: return fmt::format("it was asked for so often in the {} tier that memory took it up", level);
      case What::warmed: return fmt::format("memory took it up from the {} tier ahead of its use", level);
      case What::evicted: return fmt::format("the {} tier let it go to make room{}", level, reason);
      case What::expired: return fmt::format("its time was over in the {} tier", level);
      case What::erased: return "it was deleted";
      case What::damaged: return fmt::format("the {} tier dropped it, since its bytes were damaged", level);
    }
    return {};
  }();
  return fmt::format("At {} {}.", to_rfc3339(step.when), told);
}

void tell_story(CacheExplanation& explained, const std::optional<Error>& failure) {
  auto& story = explained.story;
  if (explained.object) {
    story.push_back(origin(*explained.object));
    std::vector<std::string_view> levels;
    for (const auto& copy : explained.copies) levels.push_back(to_string(copy.level));
    story.push_back(fmt::format("It is in the {} tier{}.", fmt::join(levels, " tier and the "),
                                explained.object->expires == WallTime::max()
                                    ? ", and never expires"
                                    : fmt::format(", until {}", to_rfc3339(explained.object->expires))));
    for (const auto& copy : explained.copies)
      if (copy.hits != 0)
        story.push_back(
            fmt::format("In the {} tier it was asked for {} time{} since it came there or was last promoted.",
                        to_string(copy.level), copy.hits, copy.hits == 1 ? "" : "s"));
  } else {
    story.emplace_back("No tier has it.");
  }
  for (const auto& step : explained.steps) story.push_back(sentence(step));
  if (failure) story.push_back(fmt::format("Its last computation failed, which is remembered: {}", failure->message));
}

}  // namespace

std::string_view to_string(What what) noexcept {
  switch (what) {
    case What::promoted: return "promoted";
    case What::warmed: return "warmed";
    case What::evicted: return "evicted";
    case What::expired: return "expired";
    case What::erased: return "erased";
    case What::damaged: return "damaged";
  }
  return "evicted";
}

Result<CacheExplanation> Cache::Impl::explain(std::string_view key) {
  if (auto good = check_key(key); !good) return std::unexpected(good.error());
  CacheExplanation explained{.key = std::string(key)};
  const auto now = clock_.wall();
  Removals removed;
  for (Tier* tier :
       {static_cast<Tier*>(memory_.get()), static_cast<Tier*>(disk_tier_.get()), static_cast<Tier*>(stream_.get())}) {
    if (tier == nullptr) continue;
    auto found = tier->find(key, now, {Check::later, Count::no}, removed);
    if (!found) return std::unexpected(found.error());
    if (!*found) continue;
    auto& object = (*found)->object;
    explained.copies.push_back({tier->level(), {*object.size()}, (*found)->hits});
    if (!explained.object) explained.object = std::move(object);
  }
  tell(removed);
  explained.steps = chronicle_.of(key);
  const auto failure = failures_.find(key, now);
  if (!explained.object && explained.steps.empty() && !failure)
    return fail(Code::not_found, fmt::format("there is no object \"{}\", and nothing is remembered of one", key));
  tell_story(explained, failure);
  return explained;
}

CacheStats Cache::Impl::stats() const {
  CacheStats stats;
  stats.memory = memory_->stats();
  if (stream_) stats.disk = disk_tier_->stats();
  if (stream_) stats.stream = stream_->stats();
  tally_.read(stats);
  auto& total = stats.total;
  total.entries = stats.memory.entries + stats.disk.entries + stats.stream.entries;
  total.size = stats.memory.size + stats.disk.size + stats.stream.size;
  const auto limit = options_.memory_limit.count + (stream_ ? options_.disk_limit.count + stream_->limit().count : 0);
  if (limit != 0) total.utilization = static_cast<double>(total.size.count) / static_cast<double>(limit);
  const std::lock_guard lock(first_minute_lock_);
  stats.first_minute = first_minute_;
  return stats;
}

void Cache::Impl::tell(const Removals& removed, std::string_view because_of) {
  if (removed.empty()) return;
  Chronicle::Page page(chronicle_, clock_.wall(), because_of);
  for (const auto& one : removed) {
    // What was replaced or erased is told by whoever did it.
    if (one.cause == Cause::replaced || one.cause == Cause::erased) continue;
    if (one.key.empty()) {
      page.note(one.digest, step_of(one.cause), one.level);
      continue;
    }
    page.note(one.key, step_of(one.cause), one.level);
    switch (one.cause) {
      case Cause::replaced:
      case Cause::erased: break;
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

void Cache::Impl::tell_hit(const Object& object) {
  const auto size = *object.size();
  tally_.hit(object, size);
  if (!events_.any<CacheHit>()) return;
  // Hits are many: the event and its key's room are kept. Not for a listener that looks something up itself.
  thread_local CacheHit kept;
  thread_local bool in_use = false;
  if (in_use) return events_.publish(CacheHit{std::string(object.key), object.level, {size}});
  in_use = true;
  kept.key.assign(object.key);
  kept.level = object.level;
  kept.size = {size};
  events_.publish(kept);
  in_use = false;
}

void Cache::Impl::tell_miss(std::string_view key, std::string_view type) {
  tally_.miss(type);
  if (events_.any<CacheMiss>()) events_.publish(CacheMiss{std::string(key)});
}

void Cache::Impl::tell_set(const Object& object) {
  if (object.key.empty()) return;
  const auto size = *object.size();
  tally_.set(object, size);
  failures_.forget(object.key);
  if (events_.any<CacheSet>()) events_.publish(CacheSet{std::string(object.key), object.level, {size}});
}

}  // namespace hotwell

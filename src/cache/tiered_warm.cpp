/// The tiered cache's warmth: keys brought up into memory ahead of their use, by list or as the last run left them.
#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "cache/hot_list.hpp"
#include "cache/tiered_cache.hpp"

namespace hotwell {

using namespace cache;

namespace {

/// Brought up between two turns of the background thread, on which look-ups wait too.
constexpr std::size_t keys_a_turn = 16;
constexpr auto save_period = std::chrono::minutes{1};
constexpr auto first_minute = std::chrono::minutes{1};

}  // namespace

Warmed Cache::Impl::warm(std::span<const std::string> keys) {
  Warmed warmed;
  Removals removed;
  for (const auto& key : keys) {
    const auto now = clock_.wall();
    if (memory_->generation(key, now)) {
      ++warmed.already;
      continue;
    }
    if (!stream_) {
      ++warmed.absent;
      continue;
    }
    const auto found = find_below(key, now, {Check::whole, Count::no}, removed);
    if (!found || !*found) {
      ++warmed.absent;
      continue;
    }
    const auto& object = (*found)->object;
    // Nothing has to leave for what may never be asked for.
    const auto stats = memory_->stats();
    const bool room = stats.size.count + *object.size() + object.key.size() <= memory_limit_;
    if (room && bring_up(object, removed)) {
      ++warmed.warmed;
      Chronicle::Page(chronicle_, now).note(key, CacheExplanation::Step::What::warmed, object.level);
    } else {
      ++warmed.no_room;
    }
  }
  tell(removed);
  return warmed;
}

void Cache::Impl::save_hot_keys() {
  if (!stream_) return;
  std::vector<std::string> keys;
  memory_->for_each(clock_.wall(), [&](const Object& object) {
    keys.emplace_back(object.key);
    return keys.size() < most_hot_keys;
  });
  if (auto saved = save_hot_list(disk_, options_.directory, keys); !saved)
    base::log().warn("the cache cannot save its list of hot keys: {}", to_string(saved.error()));
}

void Cache::Impl::warm_from_last_run() {
  if (!stream_) return;
  auto keys = std::make_shared<const std::vector<std::string>>(load_hot_list(disk_, options_.directory));
  warm_next(std::move(keys), 0);
}

void Cache::Impl::warm_next(std::shared_ptr<const std::vector<std::string>> keys, std::size_t from) {
  if (from >= keys->size()) return;
  // Posted anew for each few keys: whoever asks meanwhile comes in between.
  boost::asio::post(background_, [this, keys = std::move(keys), from]() mutable {
    if (closing_) return;
    const auto rest = std::span(*keys).subspan(from);
    const auto part = rest.first(std::min(rest.size(), keys_a_turn));
    warmed_at_start_ += warm(part).warmed;
    warm_next(std::move(keys), from + part.size());
  });
}

void Cache::Impl::tend_warmth() {
  if (!stream_) return;
  const auto now = clock_.now();
  if (!first_minute_ && now - opened_ >= first_minute) {
    CacheStats stats;
    tally_.read(stats);
    const auto& total = stats.total;
    base::log().info(
        "in its first minute the cache had the answer to {} of {} look-ups ({:.1f} %); {} objects were brought up",
        total.hits, total.hits + total.misses, 100 * total.hit_rate, warmed_at_start_);
    const std::lock_guard lock(first_minute_lock_);
    first_minute_ = {total.hits, total.misses, warmed_at_start_};
  }
  if (now - hot_saved_ < save_period) return;
  hot_saved_ = now;
  save_hot_keys();
}

}  // namespace hotwell

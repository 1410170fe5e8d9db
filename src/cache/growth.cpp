#include "cache/growth.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace hotwell::cache {

Error Growth::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

std::string Growth::content_type() const {
  const std::lock_guard lock(mutex_);
  return content_type_;
}

void Growth::set_content_type(std::string content_type) {
  const std::lock_guard lock(mutex_);
  content_type_ = std::move(content_type);
}

void Growth::on_change(std::uint64_t seen, std::function<void()> wake) {
  {
    // The writer moves the watermark before it takes the lock: either it is seen here or the follower is seen there.
    const std::lock_guard lock(mutex_);
    if (watermark() <= seen && state() == State::growing) {
      followers_.push_back({seen, std::move(wake)});
      return;
    }
  }
  wake();
}

void Growth::advance(std::uint64_t to) {
  HOTWELL_ASSERT(to >= watermark() && "a watermark never falls");
  if (to == watermark()) return;
  watermark_.store(to, std::memory_order_release);
  wake_followers();
}

void Growth::seal(std::uint64_t size) {
  HOTWELL_ASSERT(size >= watermark() && "bytes that were final cannot be taken back");
  watermark_.store(size, std::memory_order_release);
  state_.store(State::sealed, std::memory_order_release);
  wake_followers();
}

void Growth::abandon(Error error) {
  {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }
  state_.store(State::abandoned, std::memory_order_release);
  wake_followers();
}

void Growth::wake_followers() {
  std::vector<Follower> due;
  {
    const std::lock_guard lock(mutex_);
    const bool ended = state() != State::growing;
    const auto reached = watermark();
    const auto first = std::partition(followers_.begin(), followers_.end(),
                                      [&](const Follower& f) { return !ended && f.seen >= reached; });
    due.assign(std::make_move_iterator(first), std::make_move_iterator(followers_.end()));
    followers_.erase(first, followers_.end());
  }
  for (auto& follower : due) follower.wake();
}

}  // namespace hotwell::cache

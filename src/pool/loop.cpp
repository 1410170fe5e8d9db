#include "pool/loop.hpp"

#include <sched.h>

#include "host/clock.hpp"

namespace hotwell::pool {

void Loop::run(const std::function<bool()>& at_rest) {
  at_rest_ = &at_rest;
  leader_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  while (step() > 0)
    if (std::exchange(expected_, false) && at_rest()) step_aside();
  leader_.store({}, std::memory_order_relaxed);
}

void Loop::stop() {
  work_.reset();
  io_.stop();
}

std::size_t Loop::step() {
  if (!spin_.enabled() || (*at_rest_)()) return io_.run_one();
  const host::Clock& clock = host::system_clock();
  const auto began = clock.now();
  if (spin_.pays()) {
    do {
      if (const auto ran = io_.poll_one(); ran > 0) {
        spin_.waited(Duration{});
        return ran;
      }
      ::sched_yield();
    } while (clock.now() - began < spin_.limit());
  }
  const auto ran = io_.run_one();
  spin_.waited(clock.now() - began);
  return ran;
}

/// The loop's own thread. Whoever leads meanwhile starts its patience anew.
void Loop::step_aside() {
  std::unique_lock lock(mutex_);
  if (own_only_) return;
  leader_.store({}, std::memory_order_relaxed);
  aside_ = true;
  const auto is_free = [this] { return leader_.load(std::memory_order_relaxed) == std::thread::id{}; };
  for (;;) {
    const auto led = led_;
    const bool called = changed_.wait_for(lock, patience, [&] { return wanted_ && is_free(); });
    if (called || (is_free() && led == led_)) break;
  }
  aside_ = wanted_ = false;
  leader_.store(std::this_thread::get_id(), std::memory_order_relaxed);
}

void Loop::attend() {
  const std::lock_guard lock(mutex_);
  if (!aside_) return;
  wanted_ = true;
  changed_.notify_one();
}

void Loop::keep_own_thread() {
  const std::lock_guard lock(mutex_);
  own_only_ = true;
  if (!aside_) return;
  wanted_ = true;
  changed_.notify_one();
}

bool Loop::take_lead() {
  const std::lock_guard lock(mutex_);
  if (!aside_ || wanted_ || leader_.load(std::memory_order_relaxed) != std::thread::id{}) return false;
  leader_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  ++led_;
  return true;
}

void Loop::leave_lead() {
  const bool more = !(*at_rest_)();
  const std::lock_guard lock(mutex_);
  leader_.store({}, std::memory_order_relaxed);
  expected_ = false;
  wanted_ = wanted_ || more;
  if (wanted_) changed_.notify_one();
}

}  // namespace hotwell::pool

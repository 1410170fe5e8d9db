#include "cache/failures.hpp"

namespace hotwell::cache {

void Failures::remember(std::string_view key, Error error, WallTime until) {
  const std::lock_guard lock(mutex_);
  if (const auto old = failures_.find(std::string(key)); old != failures_.end()) remove(old);
  if (failures_.size() == most) remove(failures_.find(ends_.begin()->second));
  const auto end = ends_.emplace(until, key);
  failures_.emplace(key, Failure{std::move(error), end});
  count_.store(failures_.size(), std::memory_order_release);
}

std::optional<Error> Failures::find(std::string_view key, WallTime now) {
  if (count_.load(std::memory_order_acquire) == 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  while (!ends_.empty() && ends_.begin()->first <= now) remove(failures_.find(ends_.begin()->second));
  const auto found = failures_.find(std::string(key));
  return found == failures_.end() ? std::nullopt : std::optional(found->second.error);
}

void Failures::forget(std::string_view key) {
  if (count_.load(std::memory_order_acquire) == 0) return;
  const std::lock_guard lock(mutex_);
  if (const auto found = failures_.find(std::string(key)); found != failures_.end()) remove(found);
}

void Failures::clear() {
  const std::lock_guard lock(mutex_);
  failures_.clear();
  ends_.clear();
  count_.store(0, std::memory_order_release);
}

void Failures::remove(std::unordered_map<std::string, Failure>::iterator at) {
  ends_.erase(at->second.end);
  failures_.erase(at);
  count_.store(failures_.size(), std::memory_order_release);
}

}  // namespace hotwell::cache

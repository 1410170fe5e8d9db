#include "cache/thread_place.hpp"

#include <array>
#include <atomic>

namespace hotwell::cache {
namespace {

constinit std::array<std::atomic<bool>, ThreadPlace::most> taken{};
constinit std::atomic<unsigned> ever_used{0};

unsigned take_free_place() noexcept {
  for (unsigned i = 0; i < taken.size(); ++i) {
    auto& place = taken[i];
    if (place.load(std::memory_order_relaxed) || place.exchange(true, std::memory_order_acquire)) continue;
    auto used = ever_used.load();
    while (used <= i && !ever_used.compare_exchange_weak(used, i + 1)) {
    }
    return i;
  }
  return ThreadPlace::none;
}

}  // namespace

struct ThreadPlaceLease {
  ThreadPlaceLease() noexcept { ThreadPlace::own_ = take_free_place(); }
  ~ThreadPlaceLease() {
    if (ThreadPlace::own_ != ThreadPlace::none) taken.at(ThreadPlace::own_).store(false, std::memory_order_release);
    ThreadPlace::own_ = ThreadPlace::none;
  }
};

unsigned ThreadPlace::take() noexcept {
  static thread_local const ThreadPlaceLease lease;
  (void)lease;
  return own_;
}

unsigned ThreadPlace::used() noexcept { return ever_used.load(); }

}  // namespace hotwell::cache

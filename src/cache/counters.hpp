/// Counters that every look-up adds to.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cache/thread_place.hpp"

namespace hotwell::cache {

/// Each thread counts at a place of its own, so that none waits for another's line and none needs a locked instruction;
/// exact in sum. Threads: any.
template <std::size_t Count>
class PlacedCounters {
 public:
  using Sums = std::array<std::uint64_t, Count>;

  void add(std::size_t counter, std::uint64_t amount) noexcept {
    const auto place = ThreadPlace::mine();
    auto& own = lines_[place].counters[counter];
    // Nobody else writes at our place; at the last one all do that have none.
    if (place != ThreadPlace::none)
      own.store(own.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    else
      own.fetch_add(amount, std::memory_order_relaxed);
  }
  [[nodiscard]] Sums sums() const noexcept {
    Sums sums{};
    for (const auto& line : lines_)
      for (std::size_t i = 0; i < Count; ++i) sums[i] += line.counters[i].load(std::memory_order_relaxed);
    return sums;
  }

 private:
  struct alignas(64) Line {
    std::array<std::atomic<std::uint64_t>, Count> counters{};
  };
  std::array<Line, ThreadPlace::most + 1> lines_;
};

}  // namespace hotwell::cache

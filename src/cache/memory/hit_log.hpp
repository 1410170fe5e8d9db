/// Hits that readers had and that the order of eviction does not know yet: a short log for each thread, without locks.
/// Where a log is full further hits are left out: writers read the logs, so they are full where nothing is evicted.
/// Source: Ding, Jiang, Zhang, "BP-Wrapper: A System Framework Making Any Replacement Algorithms (Almost) Lock
/// Contention Free", ICDE 2009.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "cache/thread_place.hpp"

namespace hotwell::cache {

template <class Entry>
class HitLogs {
 public:
  /// Within a section of the thread that has this place.
  void note(unsigned place, Entry& entry) noexcept {
    auto& log = logs_[place];
    const auto end = log.end.load(std::memory_order_relaxed);
    if (end - log.begin.load(std::memory_order_acquire) == log.entries.size()) return;
    log.entries[end % log.entries.size()].store(&entry, std::memory_order_relaxed);
    log.end.store(end + 1, std::memory_order_release);
  }
  /// Threads: one at a time.
  template <class Take>
  void drain(Take take) {
    for (unsigned i = 0; i < ThreadPlace::used(); ++i) {
      auto& log = logs_[i];
      auto begin = log.begin.load(std::memory_order_relaxed);
      const auto end = log.end.load(std::memory_order_acquire);
      if (begin == end) continue;
      for (; begin != end; ++begin) take(*log.entries[begin % log.entries.size()].load(std::memory_order_relaxed));
      log.begin.store(end, std::memory_order_release);
    }
  }

 private:
  struct alignas(64) Log {
    std::atomic<std::uint32_t> end{0};
    alignas(64) std::atomic<std::uint32_t> begin{0};
    std::array<std::atomic<Entry*>, 64> entries{};
  };
  std::unique_ptr<Log[]> logs_ = std::make_unique<Log[]>(ThreadPlace::most);
};

}  // namespace hotwell::cache

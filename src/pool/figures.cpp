#include "pool/figures.hpp"

#include <bit>

namespace hotwell::pool {

void PublishedFigures::publish(const Figures& figures) {
  const auto words = std::bit_cast<Words>(figures);
  const auto version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  // Each word's release makes the odd version visible before it, each word's acquire keeps the second look behind it.
  for (std::size_t i = 0; i < words.size(); ++i) words_[i].store(words[i], std::memory_order_release);
  version_.store(version + 2, std::memory_order_release);
}

Figures PublishedFigures::read() const {
  for (;;) {
    const auto before = version_.load(std::memory_order_acquire);
    Words words{};
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = words_[i].load(std::memory_order_acquire);
    if (before % 2 == 0 && version_.load(std::memory_order_relaxed) == before) return std::bit_cast<Figures>(words);
  }
}

PoolStats PublishedFigures::stats() const {
  const Figures f = read();
  PoolStats stats;
  stats.workers = {.max = static_cast<unsigned>(f.max_workers),
                   .min = static_cast<unsigned>(f.min_workers),
                   .idle = static_cast<unsigned>(f.idle),
                   .busy = static_cast<unsigned>(f.busy),
                   .total = static_cast<unsigned>(f.workers)};
  stats.queue = {.pending = f.pending[0] + f.pending[1] + f.pending[2],
                 .by_priority = {.high = f.pending[0], .normal = f.pending[1], .low = f.pending[2]}};
  stats.jobs = {.total = f.accepted,
                .completed = f.completed,
                .failed = f.failed,
                .cancelled = f.cancelled,
                .retried = f.retried};
  stats.performance.worker_reuses = f.reuses;
  const auto ratio = [](std::uint64_t part, std::uint64_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  if (f.accepted > 0) stats.jobs.success_rate = ratio(f.completed, f.accepted);
  if (f.completed > 0) {
    stats.performance.avg_execution_time = f.executed / static_cast<std::int64_t>(f.completed);
    stats.performance.reuse_rate = ratio(f.reuses, f.completed);
  }
  if (f.max_workers > 0) stats.performance.utilization = ratio(f.busy, f.max_workers);
  return stats;
}

}  // namespace hotwell::pool

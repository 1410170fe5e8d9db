#include "engine/sources.hpp"

namespace hotwell::engine {
namespace {

Metrics::Tier tier(const CacheStats::Tier& stats) {
  return {stats.entries, stats.size, stats.utilization, stats.hits, stats.misses, stats.hit_rate};
}

}  // namespace

void add_sources(Monitor& monitor, const Cache& cache, const WorkerPool& pool) {
  monitor.add_source([&cache](Metrics& metrics) {
    const CacheStats stats = cache.stats();
    metrics.cache = {tier(stats.memory), tier(stats.disk), tier(stats.stream), tier(stats.total)};
  });
  monitor.add_source([&pool](Metrics& metrics) {
    const PoolStats stats = pool.stats();
    metrics.workers = {stats.workers.max,  stats.workers.min,   stats.workers.idle,
                       stats.workers.busy, stats.workers.total, stats.performance.utilization};
    const auto& waiting = stats.queue.by_priority;
    metrics.queue = {stats.queue.pending, {waiting.high, waiting.normal, waiting.low}};
    metrics.jobs = {stats.jobs.total,     stats.jobs.completed, stats.jobs.failed,
                    stats.jobs.cancelled, stats.jobs.retried,   stats.jobs.success_rate};
    metrics.performance = {stats.performance.avg_execution_time, stats.performance.worker_reuses,
                           stats.performance.reuse_rate};
  });
}

}  // namespace hotwell::engine

#include "engine/sources.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace hotwell::engine {
namespace {

Metrics::Tier tier(const CacheStats::Tier& stats) {
  Metrics::Tier to;
  to.entries = stats.entries;
  to.size = stats.size;
  to.utilization = stats.utilization;
  to.hits = stats.hits;
  to.misses = stats.misses;
  to.hit_rate = stats.hit_rate;
  return to;
}

/// What only events tell: how attempts ended, how objects moved.
/// Threads: listeners run where the events happen, counts are read on any thread.
class Tally {
 public:
  Tally(Monitor& monitor, Cache& cache, WorkerPool& pool) : monitor_(monitor) {
    subscriptions_ = {
        pool.on<JobCompleted>([this](const JobCompleted& e) { monitor_.track_job(e.duration, e.operation); }),
        pool.on<JobRetrying>([this](const JobRetrying& e) { attempt_failed(e.error.code); }),
        pool.on<JobFailed>([this](const JobFailed& e) { job_failed(e.error.code, e.operation); }),
        pool.on<JobDead>([this](const JobDead& e) {
          ++dead_;
          job_failed(e.error.code, e.operation);
        }),
        pool.on<WorkerExited>([this](const WorkerExited&) { ++exits_; }),
        cache.on<CachePromotion>([this](const CachePromotion&) { ++promotions_; }),
        cache.on<CacheDemotion>([this](const CacheDemotion&) { ++demotions_; }),
        cache.on<CacheEviction>([this](const CacheEviction& e) { ++evictions_[static_cast<std::size_t>(e.level)]; }),
        cache.on<CacheExpiry>([this](const CacheExpiry& e) { ++expiries_[static_cast<std::size_t>(e.level)]; }),
    };
  }

  void fill(Metrics& metrics) const {
    metrics.jobs.dead = dead_;
    metrics.jobs.crashes = crashes_;
    metrics.jobs.timeouts = timeouts_;
    metrics.jobs.out_of_memory = out_of_memory_;
    metrics.jobs.worker_exits = exits_;
    metrics.cache.promotions = promotions_;
    metrics.cache.demotions = demotions_;
    for (const auto& [level, to] :
         {std::pair{Level::memory, &metrics.cache.memory}, std::pair{Level::disk, &metrics.cache.disk},
          std::pair{Level::stream, &metrics.cache.stream}}) {
      to->evictions = evictions_[static_cast<std::size_t>(level)];
      to->expiries = expiries_[static_cast<std::size_t>(level)];
    }
  }

 private:
  using Count = std::atomic<std::uint64_t>;

  void attempt_failed(Code code) {
    if (code == Code::crashed) ++crashes_;
    if (code == Code::timeout || code == Code::no_progress) ++timeouts_;
    if (code == Code::out_of_memory) ++out_of_memory_;
  }
  void job_failed(Code code, std::string_view operation) {
    attempt_failed(code);
    monitor_.track_job(std::nullopt, operation);
  }

  Monitor& monitor_;
  Count dead_{0}, crashes_{0}, timeouts_{0}, out_of_memory_{0}, exits_{0}, promotions_{0}, demotions_{0};
  std::array<Count, 4> evictions_{}, expiries_{};
  std::vector<Subscription> subscriptions_;
};

/// What the workers use, asked of the pool again and again: what is shown is what it answered last.
/// Threads: ask() and fill() on any, the answer comes on the pool's. Ownership: shared with the answer under way.
class WorkerUse : public std::enable_shared_from_this<WorkerUse> {
 public:
  void ask(WorkerPool& pool) {
    if (asked_.exchange(true)) return;
    pool.workers([self = shared_from_this()](const std::vector<WorkerState>& workers) {
      std::map<std::string, Metrics::Workers::Use> by_type;
      for (const WorkerState& worker : workers) {
        auto& use = by_type[worker.type];
        use.type = worker.type;
        ++use.workers;
        use.cpu += worker.cpu;
        use.memory.count += worker.memory.count;
        use.largest.count = std::max(use.largest.count, worker.memory.count);
      }
      {
        const std::lock_guard lock(self->mutex_);
        self->use_.clear();
        for (auto& [type, use] : by_type) self->use_.push_back(std::move(use));
      }
      self->asked_ = false;
    });
  }
  void fill(Metrics& metrics) const {
    const std::lock_guard lock(mutex_);
    metrics.workers.use = use_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Metrics::Workers::Use> use_;
  std::atomic<bool> asked_{false};
};

}  // namespace

void add_sources(Monitor& monitor, Cache& cache, WorkerPool& pool) {
  monitor.add_source([&cache](Metrics& metrics) {
    const CacheStats stats = cache.stats();
    metrics.cache = {tier(stats.memory), tier(stats.disk), tier(stats.stream), tier(stats.total)};
    metrics.cache.memory.limit = cache.options().memory_limit;
    metrics.cache.disk.limit = cache.options().disk_limit;
  });
  monitor.add_source([&pool](Metrics& metrics) {
    const PoolStats stats = pool.stats();
    metrics.workers = {stats.workers.max,
                       stats.workers.min,
                       stats.workers.idle,
                       stats.workers.busy,
                       stats.workers.total,
                       stats.performance.utilization,
                       {}};
    const auto& waiting = stats.queue.by_priority;
    metrics.queue = {stats.queue.pending, {waiting.high, waiting.normal, waiting.low}};
    auto& jobs = metrics.jobs;
    jobs.total = stats.jobs.total;
    jobs.completed = stats.jobs.completed;
    jobs.failed = stats.jobs.failed;
    jobs.cancelled = stats.jobs.cancelled;
    jobs.retried = stats.jobs.retried;
    jobs.success_rate = stats.jobs.success_rate;
    metrics.performance = {stats.performance.avg_execution_time, stats.performance.worker_reuses,
                           stats.performance.reuse_rate};
  });
  monitor.add_source([&pool, use = std::make_shared<WorkerUse>()](Metrics& metrics) {
    use->fill(metrics);
    use->ask(pool);
  });
  // Its subscriptions live as long as the monitor that it counts for.
  monitor.add_source(
      [tally = std::make_shared<Tally>(monitor, cache, pool)](Metrics& metrics) { tally->fill(metrics); });
}

}  // namespace hotwell::engine

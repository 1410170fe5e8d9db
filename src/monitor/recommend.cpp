#include "monitor/recommend.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace hotwell::monitor {
namespace {

using Recommendation = Metrics::Recommendation;
using Maybe = std::optional<Recommendation>;
using M = const Metrics&;
using O = const MonitorOptions&;

constexpr auto info = Severity::info;
constexpr auto warning = Severity::warning;
constexpr auto critical = Severity::critical;

std::string percent(double ratio) { return fmt::format("{:.1f}%", ratio * 100); }
double threshold(double in_percent) { return in_percent / 100; }
double part(std::uint64_t some, std::uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(some) / static_cast<double>(all);
}
double number(std::uint64_t value) { return static_cast<double>(value); }
std::uint64_t ended(M m) { return m.jobs.completed + m.jobs.failed; }
bool cpu_free(M m) { return m.system.cpu < 0.7; }
bool memory_free(M m, O o) { return m.system.memory < threshold(o.thresholds.memory) * 0.9; }
bool jobs_wait_for_workers(M m) {
  return m.workers.max > 0 && m.queue.pending > m.workers.max && m.workers.busy >= m.workers.max;
}
bool more_workers_help(M m, O o) {
  return jobs_wait_for_workers(m) && cpu_free(m) && memory_free(m, o) && m.system.throttled < 0.1;
}

// The rules, one function each: what must be seen, and then what to say. Fewer than these say nothing of a rate.
constexpr std::uint64_t some_jobs = 20;
constexpr std::uint64_t some_lookups = 1000;

Maybe cpu(M m, O o) {
  if (m.system.cpu <= threshold(o.thresholds.cpu)) return {};
  // Fewer workers help only where it is the workers that use it.
  const bool workers = m.workers.busy > 0;
  return Recommendation{
      "cpu",
      m.system.cpu >= 0.95 ? critical : warning,
      fmt::format("CPU is at {} of {} processors (threshold {}%) with {} of {} workers busy: {}", percent(m.system.cpu),
                  m.system.cpu_count, o.thresholds.cpu, m.workers.busy, m.workers.max,
                  workers ? "lower pool.max_workers or give the service more processors"
                          : "it is not jobs that use it: look at what else runs on this machine"),
      {{"cpu", m.system.cpu}, {"workers_busy", m.workers.busy}},
      workers ? "pool.max_workers" : "",
      workers ? "requests that are answered from the cache get their processor back" : ""};
}

Maybe memory(M m, O o) {
  if (m.system.memory <= threshold(o.thresholds.memory)) return {};
  return Recommendation{
      "memory",
      m.system.memory >= 0.95 ? critical : warning,
      fmt::format("Memory is at {} of its limit (threshold {}%): lower pool.max_workers (now {}) or cache.memory_limit "
                  "(the memory tier holds {})",
                  percent(m.system.memory), o.thresholds.memory, m.workers.max, to_string(m.cache.memory.size)),
      {{"memory", m.system.memory}, {"memory_tier", number(m.cache.memory.size.count)}},
      "pool.max_workers",
      "no worker is ended for lack of memory"};
}

Maybe error_rate(M m, O o) {
  const double limit = threshold(o.thresholds.error_rate);
  if (m.requests.total < o.min_samples || m.requests.error_rate <= limit) return {};
  const auto worst = std::ranges::max_element(m.endpoints, {}, &Metrics::Endpoint::failed);
  std::string where;
  if (worst != m.endpoints.end())
    where = fmt::format("; {} of them on {}: look there first", worst->failed, worst->endpoint);
  return Recommendation{"errorRate",
                        m.requests.error_rate >= 2 * limit ? critical : warning,
                        fmt::format("{} of {} requests failed ({}, threshold {}%){}", m.requests.failed,
                                    m.requests.total, percent(m.requests.error_rate), o.thresholds.error_rate, where),
                        {{"error_rate", m.requests.error_rate}, {"failed", number(m.requests.failed)}},
                        "",
                        "fewer answers that help nobody"};
}

Maybe error_trend(M m, O o) {
  if (m.requests.trend != Trend::rising || m.requests.error_rate > threshold(o.thresholds.error_rate)) return {};
  return Recommendation{"errorTrend",
                        info,
                        fmt::format("Failures are rising within the window ({} of {} so far): see what changed before "
                                    "they reach the threshold of {}%",
                                    m.requests.failed, m.requests.total, o.thresholds.error_rate),
                        {{"error_rate", m.requests.error_rate}},
                        "",
                        "the alert errorRate is not raised"};
}

Maybe too_few_workers(M m, O o) {
  if (!more_workers_help(m, o)) return {};
  // Little's law: how long a job waits is how many wait over how many end in a second.
  const double runs = std::chrono::duration<double>(m.performance.avg_execution_time).count();
  const double waits = m.workers.max == 0 ? 0 : number(m.queue.pending) * runs / m.workers.max;
  return Recommendation{
      "workers",
      warning,
      fmt::format("{} jobs wait while all {} workers are busy and CPU is only at {}: raise pool.max_workers",
                  m.queue.pending, m.workers.max, percent(m.system.cpu)),
      {{"queue", number(m.queue.pending)}, {"cpu", m.system.cpu}, {"wait_seconds", waits}, {"run_seconds", runs}},
      "pool.max_workers",
      fmt::format("one worker more ends about {} more of them in the same time",
                  percent(m.workers.max == 0 ? 0 : 1.0 / m.workers.max))};
}

Maybe queue_depth(M m, O o) {
  if (number(m.queue.pending) <= o.thresholds.queue_depth || more_workers_help(m, o)) return {};
  return Recommendation{
      "queueDepth",
      warning,
      fmt::format("{} jobs wait (threshold {}) and CPU is at {}: more comes in than this machine does; lower "
                  "pool.queue_limit to refuse earlier, or add a machine",
                  m.queue.pending, o.thresholds.queue_depth, percent(m.system.cpu)),
      {{"queue", number(m.queue.pending)}, {"cpu", m.system.cpu}},
      "pool.queue_limit",
      "who asks learns at once that it would wait for long"};
}

Maybe too_many_workers(M m, O) {
  if (m.workers.busy < 2) return {};
  const bool throttled = m.system.throttled > 0.2;
  if (!throttled && m.system.pressure_memory <= 0.1) return {};
  return Recommendation{
      "tooManyWorkers",
      warning,
      throttled ? fmt::format("The processor quota held the service back in {} of its periods with {} workers busy: "
                              "lower pool.max_workers (now {})",
                              percent(m.system.throttled), m.workers.busy, m.workers.max)
                : fmt::format("Something waited for memory in {} of the last ten seconds with {} workers busy: lower "
                              "pool.max_workers (now {})",
                              percent(m.system.pressure_memory), m.workers.busy, m.workers.max),
      {{"throttled", m.system.throttled}, {"pressure_memory", m.system.pressure_memory}},
      "pool.max_workers",
      "the same jobs end as soon, and others are not held up by them"};
}

Maybe idle_workers(M m, O o) {
  if (m.workers.min < 2 || m.workers.idle < m.workers.min || m.workers.busy > 0 || memory_free(m, o)) return {};
  return Recommendation{"idleWorkers",
                        info,
                        fmt::format("{} workers wait for jobs while memory is at {}: lower pool.min_workers (now {})",
                                    m.workers.idle, percent(m.system.memory), m.workers.min),
                        {{"idle", m.workers.idle}, {"memory", m.system.memory}},
                        "pool.min_workers",
                        "the memory of idle workers is free for others"};
}

Maybe memory_tier_small(M m, O o) {
  const auto& memory = m.cache.memory;
  const std::uint64_t lookups = memory.hits + memory.misses;
  if (lookups < some_lookups || memory.utilization < 0.9 || memory.hit_rate >= 0.5 || !memory_free(m, o)) return {};
  return Recommendation{
      "memoryTier",
      info,
      fmt::format("The memory tier is {} full and answered {} of {} look-ups ({}): raise cache.memory_limit",
                  percent(memory.utilization), memory.hits, lookups, percent(memory.hit_rate)),
      {{"hit_ratio", memory.hit_rate},
       {"evictions", number(memory.evictions)},
       {"disk_hits", number(m.cache.disk.hits)}},
      "cache.memory_limit",
      m.cache.disk.hits > 0 ? fmt::format("up to {} look-ups that disk answered come from memory", m.cache.disk.hits)
                            : "objects stay until they are asked for again"};
}

Maybe memory_tier_large(M m, O o) {
  if (memory_free(m, o) || m.cache.memory.limit.count == 0 || m.cache.memory.utilization > 0.3) return {};
  return Recommendation{
      "memoryTierLarge",
      info,
      fmt::format("Memory is at {} and the memory tier uses only {} of the {} that it may take: lower "
                  "cache.memory_limit before it grows",
                  percent(m.system.memory), to_string(m.cache.memory.size), to_string(m.cache.memory.limit)),
      {{"memory", m.system.memory}, {"utilization", m.cache.memory.utilization}},
      "cache.memory_limit",
      "the cache cannot grow into memory that is not there"};
}

Maybe disk_without_hits(M m, O) {
  const auto& disk = m.cache.disk;
  if (disk.hits + disk.misses < some_lookups || disk.entries < 100 || disk.hit_rate >= 0.02) return {};
  return Recommendation{
      "diskWrites",
      info,
      fmt::format("Disk answered {} of {} look-ups ({}) for {} objects written: what is stored there is seldom asked "
                  "for again; shorten cache.max_age or set cache = false on operations whose inputs never come again",
                  disk.hits, disk.hits + disk.misses, percent(disk.hit_rate), disk.entries),
      {{"hit_ratio", disk.hit_rate}, {"entries", number(disk.entries)}},
      "",
      "fewer writes, for nothing lost"};
}

Maybe disk_tier_small(M m, O) {
  const auto& disk = m.cache.disk;
  if (disk.utilization < 0.95 || disk.hit_rate < 0.2 || disk.evictions < 100 || m.system.disk > 0.8) return {};
  return Recommendation{
      "diskTier",
      info,
      fmt::format("The disk tier is full, gave up {} objects and still answers {} of its look-ups: raise "
                  "cache.disk_limit (now {}, the file system has {} free)",
                  disk.evictions, percent(disk.hit_rate), to_string(disk.limit), to_string(m.system.disk_free)),
      {{"hit_ratio", disk.hit_rate}, {"evictions", number(disk.evictions)}},
      "cache.disk_limit",
      "results that are asked for again need no job"};
}

Maybe promotion_churn(M m, O) {
  if (m.cache.promotions < some_lookups || m.cache.demotions < m.cache.promotions / 2 ||
      m.cache.memory.utilization < 0.9)
    return {};
  return Recommendation{
      "promotions",
      info,
      fmt::format("{} objects moved up to memory and {} back to disk: memory holds too little for what is hot; raise "
                  "cache.promote_after or cache.memory_limit",
                  m.cache.promotions, m.cache.demotions),
      {{"promotions", number(m.cache.promotions)}, {"demotions", number(m.cache.demotions)}},
      "cache.promote_after",
      "what is in memory stays there"};
}

Maybe failing_jobs(M m, O) {
  if (ended(m) < some_jobs || part(m.jobs.failed, ended(m)) <= 0.1) return {};
  return Recommendation{
      "jobs",
      warning,
      fmt::format("{} of {} jobs failed ({}): their errors say whether inputs or operations are at fault",
                  m.jobs.failed, ended(m), percent(part(m.jobs.failed, ended(m)))),
      {{"failed", number(m.jobs.failed)}, {"ended", number(ended(m))}},
      "",
      "work that is done once and not in vain"};
}

Maybe failing_operation(M m, O) {
  std::uint64_t all = 0;
  for (const auto& operation : m.operations) all += operation.failed;
  const auto worst = std::ranges::max_element(m.operations, {}, &Metrics::Endpoint::failed);
  if (m.operations.size() < 2 || all < 5 || part(worst->failed, all) < 0.8) return {};
  return Recommendation{
      "operation",
      warning,
      fmt::format("{} of the window's {} failed jobs are of the operation {} ({} of its jobs): look at its program and "
                  "inputs, the others work",
                  worst->failed, all, worst->endpoint, percent(part(worst->failed, worst->total))),
      {{"failed", number(worst->failed)}, {"all_failed", number(all)}},
      "",
      "nearly all failures end with this one"};
}

Maybe retries(M m, O) {
  if (ended(m) < some_jobs || m.jobs.retried <= ended(m) / 2) return {};
  return Recommendation{
      "retries",
      warning,
      fmt::format("{} retries for {} jobs: attempts fail and are made again; look for timeouts that are too short and "
                  "for workers that crash",
                  m.jobs.retried, ended(m)),
      {{"retried", number(m.jobs.retried)}, {"ended", number(ended(m))}},
      "",
      "workers do each job once"};
}

Maybe vain_retries(M m, O) {
  if (m.jobs.dead < 5 || m.jobs.dead * 2 < m.jobs.retried / 2) return {};
  return Recommendation{
      "vainRetries",
      warning,
      fmt::format("{} jobs used up all their attempts, of {} retries in all: trying again does not help them; lower "
                  "pool.retries, or let their program end with an exit code in permanent_exit_codes",
                  m.jobs.dead, m.jobs.retried),
      {{"dead", number(m.jobs.dead)}, {"retried", number(m.jobs.retried)}},
      "pool.retries",
      "what cannot succeed fails at once and leaves its worker to others"};
}

Maybe timeouts(M m, O) {
  const std::uint64_t attempts = ended(m) + m.jobs.retried;
  if (ended(m) < some_jobs || part(m.jobs.timeouts, attempts) < 0.02) return {};
  Duration slowest{};
  for (const auto& operation : m.operations) slowest = std::max(slowest, operation.p99);
  return Recommendation{
      "timeouts",
      warning,
      fmt::format("{} of {} attempts ran out of time; 99 % of those that complete take up to {}: raise pool.timeout if "
                  "that is close to it",
                  m.jobs.timeouts, attempts, to_string(slowest)),
      {{"timeouts", number(m.jobs.timeouts)}, {"p99_seconds", std::chrono::duration<double>(slowest).count()}},
      "pool.timeout",
      "attempts that were nearly done are not thrown away"};
}

Maybe crashes(M m, O) {
  if (m.jobs.crashes < 5 || part(m.jobs.crashes, ended(m) + m.jobs.retried) < 0.02) return {};
  return Recommendation{
      "crashes",
      critical,
      fmt::format("{} attempts ended with a crash of their worker: the jobs' stderr says where; one crash costs one "
                  "attempt, but a program that crashes on some input does so again",
                  m.jobs.crashes),
      {{"crashes", number(m.jobs.crashes)}},
      "pool.max_crashes",
      "inputs that crash a program are given up sooner"};
}

Maybe out_of_memory(M m, O) {
  if (m.jobs.out_of_memory == 0) return {};
  return Recommendation{
      "outOfMemory",
      m.jobs.out_of_memory >= 5 ? critical : warning,
      fmt::format("{} attempts were ended for lack of memory: lower pool.max_workers (now {}), so that each has more",
                  m.jobs.out_of_memory, m.workers.max),
      {{"out_of_memory", number(m.jobs.out_of_memory)}},
      "pool.max_workers",
      "jobs that need much memory complete"};
}

Maybe fresh_processes(M m, O) {
  if (m.jobs.completed < 100 || m.performance.reuse_rate > 0.5) return {};
  const bool short_jobs = m.performance.avg_execution_time < std::chrono::milliseconds{500};
  if (!short_jobs) return {};
  return Recommendation{
      "workerReuse",
      info,
      fmt::format("Only {} of jobs began on a worker that was there already, and they run for {} on average: set "
                  "pool.reuse_workers, or give command operations a kind that is kept warm",
                  percent(m.performance.reuse_rate), to_string(m.performance.avg_execution_time)),
      {{"reuse_rate", m.performance.reuse_rate}},
      "",
      "no job waits for a process to start"};
}

Maybe disk_full(M m, O o) {
  const double limit = o.thresholds.disk > 0 ? threshold(o.thresholds.disk) : 0.9;
  if (m.system.disk_size.count == 0 || m.system.disk <= limit) return {};
  return Recommendation{
      "disk",
      m.system.disk >= 0.97 ? critical : warning,
      fmt::format("The data directory's file system is {} full ({} free): lower cache.disk_limit (the disk tier holds "
                  "{}) or make room",
                  percent(m.system.disk), to_string(m.system.disk_free), to_string(m.cache.disk.size)),
      {{"disk", m.system.disk}, {"free", number(m.system.disk_free.count)}},
      "cache.disk_limit",
      "jobs do not fail for want of room"};
}

Maybe slow_disk(M m, O) {
  if (m.system.pressure_io < 0.2) return {};
  return Recommendation{
      "ioPressure",
      warning,
      fmt::format("Something waited for the disk in {} of the last ten seconds: fewer workers or a larger memory tier "
                  "spare it",
                  percent(m.system.pressure_io)),
      {{"pressure_io", m.system.pressure_io}},
      "cache.memory_limit",
      "less waits for the disk"};
}

Maybe descriptors(M m, O) {
  if (m.system.max_files == 0 || part(m.system.open_files, m.system.max_files) < 0.8) return {};
  return Recommendation{"descriptors",
                        warning,
                        fmt::format("{} of {} descriptors are open: raise the service's LimitNOFILE",
                                    m.system.open_files, m.system.max_files),
                        {{"open", number(m.system.open_files)}, {"max", number(m.system.max_files)}},
                        "",
                        "new connections are accepted"};
}

Maybe latency_target(M m, O o) {
  const double target = o.thresholds.latency_p99;
  const double p99 = std::chrono::duration<double>(m.latency.p99).count();
  if (target <= 0 || m.requests.total < o.min_samples || p99 <= target || m.endpoints.empty()) return {};
  const auto most = std::ranges::max_element(m.endpoints, {}, &Metrics::Endpoint::time_share);
  return Recommendation{
      "latency",
      warning,
      fmt::format("99 % of requests take up to {} (target {} s); {} of the time goes to {}: look there first",
                  to_string(m.latency.p99), target, percent(most->time_share), most->endpoint),
      {{"p99_seconds", p99}, {"time_share", most->time_share}},
      "",
      "the slowest requests come within the target"};
}

Maybe slower_endpoint(M m, O) {
  for (const auto& endpoint : m.endpoints)
    if (endpoint.latency_trend == Trend::rising && endpoint.time_share > 0.3)
      return Recommendation{
          "slowerEndpoint",
          info,
          fmt::format(
              "{} becomes slower within the window and takes {} of all requests' time (p95 {}): see whether its "
              "jobs wait or its inputs changed",
              endpoint.endpoint, percent(endpoint.time_share), to_string(endpoint.p95)),
          {{"time_share", endpoint.time_share}, {"p95_seconds", std::chrono::duration<double>(endpoint.p95).count()}},
          "",
          "it is found before the alert"};
  return {};
}

Maybe client_errors(M m, O) {
  if (m.requests.total < 50 || part(m.requests.client_errors, m.requests.total) < 0.5) return {};
  return Recommendation{
      "clientErrors",
      info,
      fmt::format("{} of {} requests were wrong themselves (4xx): some client asks for what is not there or is not "
                  "allowed; /v1/endpoints says where",
                  m.requests.client_errors, m.requests.total),
      {{"client_errors", number(m.requests.client_errors)}},
      "",
      "less load that serves nobody"};
}

Maybe low_priority_waits(M m, O) {
  const auto& waiting = m.queue.by_priority;
  if (m.queue.pending < 20 || waiting.low < m.queue.pending * 9 / 10 || m.workers.busy < m.workers.max) return {};
  return Recommendation{
      "lowPriority",
      info,
      fmt::format("{} of {} waiting jobs are of low priority: raise pool.weights.low if they should not wait so long",
                  waiting.low, m.queue.pending),
      {{"low", static_cast<double>(waiting.low)}},
      "pool.weights.low",
      "they get a larger share of the workers"};
}

using Rule = Maybe (*)(M, O);
constexpr std::array rules{cpu,
                           memory,
                           error_rate,
                           error_trend,
                           too_few_workers,
                           queue_depth,
                           too_many_workers,
                           idle_workers,
                           memory_tier_small,
                           memory_tier_large,
                           disk_without_hits,
                           disk_tier_small,
                           promotion_churn,
                           failing_jobs,
                           failing_operation,
                           retries,
                           vain_retries,
                           timeouts,
                           crashes,
                           out_of_memory,
                           fresh_processes,
                           disk_full,
                           slow_disk,
                           descriptors,
                           latency_target,
                           slower_endpoint,
                           client_errors,
                           low_priority_waits};

}  // namespace

std::vector<Metrics::Recommendation> recommend(const Metrics& metrics, const MonitorOptions& options) {
  std::vector<Recommendation> found;
  for (const Rule rule : rules)
    if (auto one = rule(metrics, options)) found.push_back(std::move(*one));
  std::ranges::stable_sort(found, std::greater{}, &Recommendation::severity);
  if (found.empty()) found.push_back({"health", info, "System operating within normal parameters"});
  return found;
}

}  // namespace hotwell::monitor

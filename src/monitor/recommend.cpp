#include "monitor/recommend.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace hotwell::monitor {
namespace {

using Recommendation = Metrics::Recommendation;
using Recommendations = std::vector<Recommendation>;

std::string percent(double ratio) { return fmt::format("{:.1f}%", ratio * 100); }
double threshold(double in_percent) { return in_percent / 100; }

void cpu(const Metrics& m, const MonitorOptions& options, Recommendations& to) {
  if (m.system.cpu <= threshold(options.thresholds.cpu)) return;
  // Fewer workers help only where it is the workers that use it.
  const std::string_view remedy = m.workers.busy > 0
                                      ? "lower pool.max_workers or give the service more processors"
                                      : "it is not jobs that use it: look at what else runs on this machine";
  to.push_back({"cpu", m.system.cpu >= 0.95 ? Severity::critical : Severity::warning,
                fmt::format("CPU is at {} of {} processors (threshold {}%) with {} of {} workers busy: {}",
                            percent(m.system.cpu), m.system.cpu_count, options.thresholds.cpu, m.workers.busy,
                            m.workers.max, remedy)});
}

void memory(const Metrics& m, const MonitorOptions& options, Recommendations& to) {
  if (m.system.memory <= threshold(options.thresholds.memory)) return;
  to.push_back({"memory", m.system.memory >= 0.95 ? Severity::critical : Severity::warning,
                fmt::format("Memory is at {} of its limit (threshold {}%): lower pool.max_workers (now {}) or "
                            "cache.memory_limit (the memory tier holds {})",
                            percent(m.system.memory), options.thresholds.memory, m.workers.max,
                            to_string(m.cache.memory.size))});
}

void errors(const Metrics& m, const MonitorOptions& options, Recommendations& to) {
  const double limit = threshold(options.thresholds.error_rate);
  if (m.requests.total < options.min_samples || m.requests.error_rate <= limit) return;
  const auto worst = std::max_element(m.endpoints.begin(), m.endpoints.end(),
                                      [](const auto& a, const auto& b) { return a.failed < b.failed; });
  std::string where;
  if (worst != m.endpoints.end())
    where = fmt::format("; {} of them on {}: look there first", worst->failed, worst->endpoint);
  to.push_back({"errorRate", m.requests.error_rate >= 2 * limit ? Severity::critical : Severity::warning,
                fmt::format("{} of {} requests failed ({}, threshold {}%){}", m.requests.failed, m.requests.total,
                            percent(m.requests.error_rate), options.thresholds.error_rate, where)});
}

void rising_errors(const Metrics& m, const MonitorOptions& options, Recommendations& to) {
  if (m.requests.trend != Trend::rising || m.requests.error_rate > threshold(options.thresholds.error_rate)) return;
  to.push_back({"errorTrend", Severity::info,
                fmt::format("Failures are rising within the window ({} of {} so far): see what changed before they "
                            "reach the threshold of {}%",
                            m.requests.failed, m.requests.total, options.thresholds.error_rate)});
}

void queue(const Metrics& m, const MonitorOptions& options, Recommendations& to) {
  const auto pending = static_cast<double>(m.queue.pending);
  const bool too_long = pending > options.thresholds.queue_depth;
  const bool waits = m.queue.pending > m.workers.max && m.workers.max > 0 && m.workers.busy >= m.workers.max;
  if (!too_long && !waits) return;
  const bool cpu_free = m.system.cpu < 0.7;
  const bool memory_free = m.system.memory < threshold(options.thresholds.memory) * 0.9;
  if (waits && cpu_free && memory_free) {
    to.push_back({"workers", Severity::warning,
                  fmt::format("{} jobs wait while all {} workers are busy and CPU is only at {}: raise "
                              "pool.max_workers",
                              m.queue.pending, m.workers.max, percent(m.system.cpu))});
  } else if (too_long) {
    to.push_back({"queueDepth", Severity::warning,
                  fmt::format("{} jobs wait (threshold {}) and CPU is at {}: more comes in than this machine does; "
                              "lower pool.queue_limit to refuse earlier, or add a machine",
                              m.queue.pending, options.thresholds.queue_depth, percent(m.system.cpu))});
  }
}

void cache(const Metrics& m, Recommendations& to) {
  constexpr std::uint64_t enough = 1000;
  const auto& memory = m.cache.memory;
  const std::uint64_t lookups = memory.hits + memory.misses;
  if (lookups < enough || memory.utilization < 0.9 || memory.hit_rate >= 0.5) return;
  to.push_back({"memoryTier", Severity::info,
                fmt::format("The memory tier is {} full and answered {} of {} look-ups ({}): raise "
                            "cache.memory_limit",
                            percent(memory.utilization), memory.hits, lookups, percent(memory.hit_rate))});
}

void jobs(const Metrics& m, Recommendations& to) {
  constexpr std::uint64_t enough = 20;
  const std::uint64_t ended = m.jobs.completed + m.jobs.failed;
  if (ended < enough) return;
  const double failed = static_cast<double>(m.jobs.failed) / static_cast<double>(ended);
  if (failed > 0.1)
    to.push_back({"jobs", Severity::warning,
                  fmt::format("{} of {} jobs failed ({}): their errors say whether inputs or operations are at fault",
                              m.jobs.failed, ended, percent(failed))});
  if (m.jobs.retried > ended / 2)
    to.push_back({"retries", Severity::warning,
                  fmt::format("{} retries for {} jobs: attempts fail and are made again; look for timeouts that are "
                              "too short and for workers that crash",
                              m.jobs.retried, ended)});
}

}  // namespace

std::vector<Recommendation> recommend(const Metrics& metrics, const MonitorOptions& options) {
  Recommendations found;
  cpu(metrics, options, found);
  memory(metrics, options, found);
  errors(metrics, options, found);
  rising_errors(metrics, options, found);
  queue(metrics, options, found);
  cache(metrics, found);
  jobs(metrics, found);
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.severity > b.severity; });
  if (found.empty()) found.push_back({"health", Severity::info, "System operating within normal parameters"});
  return found;
}

}  // namespace hotwell::monitor

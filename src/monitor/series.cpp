#include "monitor/series.hpp"

#include <array>
#include <limits>

namespace hotwell::monitor {
namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

using MaybeSample = std::optional<Sample>;
using M = const Metrics&;

MaybeSample level(double value) { return Sample{value, 1}; }
template <class N>
MaybeSample level(N value) {
  return level(static_cast<double>(value));
}
/// A counter that grows, a second. One that fell was begun anew.
MaybeSample rate(std::uint64_t now, std::uint64_t before, double seconds) {
  if (now < before || seconds <= 0) return std::nullopt;
  return Sample{static_cast<double>(now - before) / seconds, 1};
}
MaybeSample hit_ratio(const Metrics::Tier& now, const Metrics::Tier& before) {
  if (now.hits < before.hits || now.misses < before.misses) return std::nullopt;
  const std::uint64_t hits = now.hits - before.hits;
  const std::uint64_t asked = hits + now.misses - before.misses;
  if (asked == 0) return std::nullopt;
  return Sample{static_cast<double>(hits), static_cast<double>(asked)};
}

/// Of the workers of all types.
template <class F>
double used(const Metrics& metrics, F of) {
  double sum = 0;
  for (const auto& use : metrics.workers.use) sum += of(use);
  return sum;
}

using G = GaugeSeries;
constexpr std::array gauge_table{
    G{"cpu", "ratio", "Busy part of the processors that this process may use.",
      [](M m, M, double) { return level(m.system.cpu); }},
    G{"memory", "ratio", "Used part of the memory that this process may use.",
      [](M m, M, double) { return level(m.system.memory); }},
    G{"cpu.throttled", "ratio", "Part of the scheduler's periods in which the quota held the group back.",
      [](M m, M, double) { return level(m.system.throttled); }},
    G{"pressure.cpu", "ratio", "Part of the time in which something waited for a processor.",
      [](M m, M, double) { return level(m.system.pressure_cpu); }},
    G{"pressure.memory", "ratio", "Part of the time in which something waited for memory.",
      [](M m, M, double) { return level(m.system.pressure_memory); }},
    G{"pressure.io", "ratio", "Part of the time in which something waited for a disk.",
      [](M m, M, double) { return level(m.system.pressure_io); }},
    G{"disk", "ratio", "Used part of the file system with the data directory.",
      [](M m, M, double) { return m.system.disk_size.count == 0 ? std::nullopt : level(m.system.disk); }},
    G{"disk.free", "bytes", "What can still be written to that file system.",
      [](M m, M, double) { return m.system.disk_size.count == 0 ? std::nullopt : level(m.system.disk_free.count); }},
    G{"files.open", "", "Open descriptors of the engine's process.",
      [](M m, M, double) { return level(m.system.open_files); }},
    G{"process.cpu", "processors", "Processors that the engine's process uses.",
      [](M m, M, double) { return level(m.system.process_cpu); }},
    G{"process.memory", "bytes", "Resident memory of the engine's process.",
      [](M m, M, double) { return level(m.system.process_memory.count); }},

    G{"queue", "", "Jobs that wait.", [](M m, M, double) { return level(m.queue.pending); }},
    G{"queue.high", "", "Jobs of high priority that wait.",
      [](M m, M, double) { return level(m.queue.by_priority.high); }},
    G{"queue.normal", "", "Jobs of normal priority that wait.",
      [](M m, M, double) { return level(m.queue.by_priority.normal); }},
    G{"queue.low", "", "Jobs of low priority that wait.",
      [](M m, M, double) { return level(m.queue.by_priority.low); }},
    G{"workers.busy", "", "Workers that have a job.", [](M m, M, double) { return level(m.workers.busy); }},
    G{"workers.idle", "", "Workers that wait for a job.", [](M m, M, double) { return level(m.workers.idle); }},
    G{"workers.max", "", "Most workers at one time.", [](M m, M, double) { return level(m.workers.max); }},
    G{"workers.cpu", "processors", "Processors that the workers use.",
      [](M m, M, double) { return level(used(m, [](const auto& use) { return use.cpu; })); }},
    G{"workers.memory", "bytes", "Memory that the workers have for themselves.",
      [](M m, M, double) {
        return level(used(m, [](const auto& use) { return static_cast<double>(use.memory.count); }));
      }},
    G{"workers.utilization", "ratio", "Busy workers as a part of the most.",
      [](M m, M, double) { return level(m.workers.utilization); }},
    G{"jobs.crashes", "1/s", "Attempts whose worker crashed.",
      [](M m, M b, double s) { return rate(m.jobs.crashes, b.jobs.crashes, s); }},
    G{"jobs.accepted", "1/s", "Jobs that the pool accepted.",
      [](M m, M b, double s) { return rate(m.jobs.total, b.jobs.total, s); }},
    G{"jobs.completed", "1/s", "Jobs that completed.",
      [](M m, M b, double s) { return rate(m.jobs.completed, b.jobs.completed, s); }},
    G{"jobs.failed", "1/s", "Jobs that failed.",
      [](M m, M b, double s) { return rate(m.jobs.failed, b.jobs.failed, s); }},
    G{"jobs.retried", "1/s", "Attempts beyond a job's first.",
      [](M m, M b, double s) { return rate(m.jobs.retried, b.jobs.retried, s); }},
    G{"jobs.dead", "1/s", "Jobs that used up their attempts.",
      [](M m, M b, double s) { return rate(m.jobs.dead, b.jobs.dead, s); }},
    G{"jobs.timeouts", "1/s", "Attempts that ran out of time.",
      [](M m, M b, double s) { return rate(m.jobs.timeouts, b.jobs.timeouts, s); }},

    G{"cache.hit_ratio", "ratio", "Look-ups that some tier answered.",
      [](M m, M b, double) { return hit_ratio(m.cache.total, b.cache.total); }},
    G{"cache.memory.hit_ratio", "ratio", "Look-ups of the memory tier that it answered.",
      [](M m, M b, double) { return hit_ratio(m.cache.memory, b.cache.memory); }},
    G{"cache.disk.hit_ratio", "ratio", "Look-ups of the disk tier that it answered.",
      [](M m, M b, double) { return hit_ratio(m.cache.disk, b.cache.disk); }},
    G{"cache.stream.hit_ratio", "ratio", "Look-ups of the stream tier that it answered.",
      [](M m, M b, double) { return hit_ratio(m.cache.stream, b.cache.stream); }},
    G{"cache.lookups", "1/s", "Look-ups of the cache.",
      [](M m, M b, double s) {
        return rate(m.cache.total.hits + m.cache.total.misses, b.cache.total.hits + b.cache.total.misses, s);
      }},
    G{"cache.memory.size", "bytes", "What the memory tier holds.",
      [](M m, M, double) { return level(m.cache.memory.size.count); }},
    G{"cache.disk.size", "bytes", "What the disk tier holds.",
      [](M m, M, double) { return level(m.cache.disk.size.count); }},
    G{"cache.stream.size", "bytes", "What the stream tier holds.",
      [](M m, M, double) { return level(m.cache.stream.size.count); }},
    G{"cache.promotions", "1/s", "Objects that moved up to memory.",
      [](M m, M b, double s) { return rate(m.cache.promotions, b.cache.promotions, s); }},
    G{"cache.demotions", "1/s", "Objects that left memory and stayed on disk.",
      [](M m, M b, double s) { return rate(m.cache.demotions, b.cache.demotions, s); }},
    G{"cache.memory.evictions", "1/s", "Objects that the memory tier gave up for room.",
      [](M m, M b, double s) { return rate(m.cache.memory.evictions, b.cache.memory.evictions, s); }},
    G{"cache.disk.evictions", "1/s", "Objects that the disk tier gave up for room.",
      [](M m, M b, double s) { return rate(m.cache.disk.evictions, b.cache.disk.evictions, s); }},
};

double of_some(const Point& point, float value) { return point.count > 0 ? static_cast<double>(value) : unknown; }

using R = RequestSeries;
constexpr std::array request_table{
    R{"requests.rate", "1/s", "Requests.", [](const Point& p, double step) { return p.count / step; }, true},
    R{"requests.failed", "1/s", "Requests that failed.", [](const Point& p, double step) { return p.failed / step; },
      true},
    R{"requests.error_rate", "ratio", "Failed part of the requests.",
      [](const Point& p, double) { return of_some(p, p.failed / p.count); }, false},
    R{"latency.avg", "seconds", "Mean latency.", [](const Point& p, double) { return of_some(p, p.sum / p.count); },
      false},
    R{"latency.min", "seconds", "Shortest latency.", [](const Point& p, double) { return of_some(p, p.min); }, false},
    R{"latency.max", "seconds", "Longest latency.", [](const Point& p, double) { return of_some(p, p.max); }, false},
    R{"latency.p50", "seconds", "Median latency.", [](const Point& p, double) { return of_some(p, p.p50); }, false},
    R{"latency.p95", "seconds", "95th percentile of latency.", [](const Point& p, double) { return of_some(p, p.p95); },
      false},
    R{"latency.p99", "seconds", "99th percentile of latency.", [](const Point& p, double) { return of_some(p, p.p99); },
      false},
    R{"latency.p999", "seconds", "99.9th percentile of latency.",
      [](const Point& p, double) { return of_some(p, p.p999); }, false},
};

}  // namespace

std::span<const GaugeSeries> gauge_series() { return gauge_table; }
std::span<const RequestSeries> request_series() { return request_table; }

}  // namespace hotwell::monitor

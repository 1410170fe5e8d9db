#include "monitor/prometheus.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "wire/exposition.hpp"

namespace hotwell::monitor {
namespace {

using wire::Exposition;
using Type = Exposition::Type;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

constexpr std::array<std::pair<RequestOutcome, std::string_view>, outcome_count> outcomes{{
    {RequestOutcome::ok, "ok"},
    {RequestOutcome::client_error, "client_error"},
    {RequestOutcome::failed, "failed"},
}};

/// By edge, the first of our buckets that does not surely lie below it.
const std::array<std::size_t, duration_edges.size()>& buckets_below() {
  static const auto table = [] {
    std::array<std::size_t, duration_edges.size()> made{};
    for (std::size_t i = 0; i < made.size(); ++i) {
      made[i] = Buckets::index(duration_edges[i]);
      if (Buckets::high(made[i]) <= duration_edges[i]) ++made[i];
    }
    return made;
  }();
  return table;
}

void durations(Exposition& to, std::string_view name, std::string_view help, std::string_view label,
               const std::vector<SinceStart>& all) {
  to.family(name, Type::histogram, help);
  std::array<Exposition::Bucket, duration_edges.size()> buckets{};
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i].up_to = seconds(duration_edges[i]);
  for (const auto& series : all) {
    if (series.tally.total() == 0) continue;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i].count = below += series.counts[i];
    to.histogram(buckets, seconds(series.tally.sum), below + series.counts.back(), {{label, series.name}});
  }
}

void requests(const ExpositionInput& input, Exposition& to) {
  to.family("hotwell_requests_total", Type::counter, "Finished requests by endpoint and outcome.");
  for (const auto& series : input.requests) {
    if (series.tally.total() == 0) continue;
    for (const auto& [outcome, name] : outcomes)
      to.sample(series.tally.of(outcome), {{"endpoint", series.name}, {"outcome", name}});
  }

  durations(to, "hotwell_request_duration_seconds", "How long requests took, by endpoint.", "endpoint", input.requests);
  to.family("hotwell_jobs_by_operation_total", Type::counter, "Jobs that ended, by operation and how.");
  for (const auto& series : input.operations) {
    if (series.tally.total() == 0) continue;
    to.sample(series.tally.of(RequestOutcome::ok), {{"operation", series.name}, {"end", "completed"}});
    to.sample(series.tally.failed(), {{"operation", series.name}, {"end", "failed"}});
  }
  durations(to, "hotwell_job_duration_seconds", "How long completed attempts ran, by operation.", "operation",
            input.operations);

  std::uint64_t clamped = 0;
  for (const auto& series : input.requests) clamped += series.tally.clamped;
  to.single("hotwell_request_durations_clamped_total", Type::counter,
            "Durations below zero or of 4.9 hours and more, which the histograms count in their outermost buckets.",
            clamped);

  const auto& window = input.metrics.requests;
  to.single("hotwell_window_seconds", Type::gauge, "Length of the rolling window.", seconds(input.metrics.window));
  to.single("hotwell_window_requests", Type::gauge, "Requests in the rolling window.", window.total);
  to.single("hotwell_window_error_ratio", Type::gauge, "Failed part of the window's requests.", window.error_rate);
  to.single("hotwell_window_requests_per_second", Type::gauge, "Requests a second in the window.", window.throughput);
  to.family("hotwell_window_latency_seconds", Type::gauge,
            "Latency in the rolling window: minimum, quantiles, maximum.");
  const auto& latency = input.metrics.latency;
  for (const auto& [point, value] :
       {std::pair{"min", latency.min}, std::pair{"p50", latency.p50}, std::pair{"p95", latency.p95},
        std::pair{"p99", latency.p99}, std::pair{"max", latency.max}})
    to.sample(seconds(value), {{"point", point}});
}

void system(const ExpositionInput& input, Exposition& to) {
  to.single("hotwell_cpu_utilization_ratio", Type::gauge, "Busy part of the processors that Hotwell may use.",
            input.metrics.system.cpu);
  to.single("hotwell_cpu_processors", Type::gauge, "Processors that Hotwell may use, by quota or affinity.",
            input.system.processors);
  to.single("hotwell_memory_utilization_ratio", Type::gauge, "Used part of the memory that Hotwell may use.",
            input.metrics.system.memory);
  to.single("hotwell_memory_used_bytes", Type::gauge, "Memory in use in the control group or the machine.",
            input.system.memory_used);
  to.single("hotwell_memory_limit_bytes", Type::gauge, "Memory of the control group or the machine.",
            input.system.memory_limit);
  const auto& system = input.metrics.system;
  to.single("hotwell_cpu_throttled_ratio", Type::gauge,
            "Part of the last second's periods in which the processor quota ran out.", system.throttled);
  to.family("hotwell_pressure_ratio", Type::gauge,
            "Part of the last ten seconds in which something waited for a resource (PSI).");
  to.sample(system.pressure_cpu, {{"resource", "cpu"}});
  to.sample(system.pressure_memory, {{"resource", "memory"}});
  to.sample(system.pressure_io, {{"resource", "io"}});
  to.single("hotwell_disk_size_bytes", Type::gauge, "Size of the file system with the data directory.",
            system.disk_size.count);
  to.single("hotwell_disk_free_bytes", Type::gauge, "What can still be written to that file system.",
            system.disk_free.count);
  to.single("hotwell_uptime_seconds", Type::gauge, "Time since the monitor was made.",
            seconds(input.metrics.system.uptime));
}

void process(const ProcessReading& process, Exposition& to) {
  to.single("hotwell_process_cpu_seconds_total", Type::counter, "Processor time that the engine's process has used.",
            process.cpu_seconds);
  to.single("hotwell_process_resident_memory_bytes", Type::gauge, "Resident memory of the engine's process.",
            process.resident);
  to.single("hotwell_process_virtual_memory_bytes", Type::gauge, "Address space of the engine's process.",
            process.virtual_size);
  to.single("hotwell_process_open_fds", Type::gauge, "Open descriptors of the engine's process.",
            process.open_descriptors);
  to.single("hotwell_process_max_fds", Type::gauge, "Most descriptors that the engine's process may open.",
            process.max_descriptors);
  to.single("hotwell_process_threads", Type::gauge, "Threads of the engine's process.", process.threads);
  to.single("hotwell_process_start_time_seconds", Type::gauge, "When the engine's process began, since 1970.",
            process.start_time);
}

void cache(const Metrics::Cache& cache, Exposition& to) {
  const std::array<std::pair<std::string_view, const Metrics::Tier*>, 3> tiers{
      {{"memory", &cache.memory}, {"disk", &cache.disk}, {"stream", &cache.stream}}};
  const auto per_tier = [&](std::string_view name, Type type, std::string_view help, auto value) {
    to.family(name, type, help);
    for (const auto& [tier, numbers] : tiers) to.sample(value(*numbers), {{"tier", tier}});
  };
  per_tier("hotwell_cache_entries", Type::gauge, "Objects in a tier.", [](const auto& t) { return t.entries; });
  per_tier("hotwell_cache_size_bytes", Type::gauge, "Bytes that a tier holds.",
           [](const auto& t) { return t.size.count; });
  per_tier("hotwell_cache_utilization_ratio", Type::gauge, "Part of a tier's limit that is in use.",
           [](const auto& t) { return t.utilization; });
  per_tier("hotwell_cache_hits_total", Type::counter, "Look-ups that a tier answered.",
           [](const auto& t) { return t.hits; });
  per_tier("hotwell_cache_misses_total", Type::counter, "Look-ups that a tier could not answer.",
           [](const auto& t) { return t.misses; });
  per_tier("hotwell_cache_evictions_total", Type::counter, "Objects that a tier gave up for room.",
           [](const auto& t) { return t.evictions; });
  per_tier("hotwell_cache_expiries_total", Type::counter, "Objects whose time to live ended.",
           [](const auto& t) { return t.expiries; });
  to.single("hotwell_cache_promotions_total", Type::counter, "Objects that moved up to memory.", cache.promotions);
  to.single("hotwell_cache_demotions_total", Type::counter, "Objects that left memory and stayed on disk.",
            cache.demotions);
  to.single("hotwell_cache_lookup_hits_total", Type::counter, "Look-ups that some tier answered.", cache.total.hits);
  to.single("hotwell_cache_lookup_misses_total", Type::counter, "Look-ups that no tier could answer.",
            cache.total.misses);
}

void pool(const Metrics& m, Exposition& to) {
  to.family("hotwell_workers", Type::gauge, "Workers by state.");
  to.sample(m.workers.idle, {{"state", "idle"}});
  to.sample(m.workers.busy, {{"state", "busy"}});
  to.single("hotwell_workers_max", Type::gauge, "Most workers at one time.", m.workers.max);
  to.single("hotwell_workers_min", Type::gauge, "Workers that are kept warm.", m.workers.min);
  to.single("hotwell_workers_utilization_ratio", Type::gauge, "Busy workers as a part of the most.",
            m.workers.utilization);
  // By type: the names of processes come and go, a label of them would never end.
  const auto by_type = [&](std::string_view name, std::string_view help, auto value) {
    to.family(name, Type::gauge, help);
    for (const auto& use : m.workers.use) to.sample(value(use), {{"type", use.type}});
  };
  by_type("hotwell_worker_processes", "Workers by type.", [](const auto& use) { return use.workers; });
  by_type("hotwell_worker_cpu_processors", "Processors that the workers of a type use, with all that they started.",
          [](const auto& use) { return use.cpu; });
  by_type("hotwell_worker_memory_bytes", "Memory that the workers of a type have for themselves.",
          [](const auto& use) { return use.memory.count; });
  by_type("hotwell_worker_memory_largest_bytes", "The same of the worker of a type that has most.",
          [](const auto& use) { return use.largest.count; });
  to.family("hotwell_queue_jobs", Type::gauge, "Jobs that wait, by priority.");
  to.sample(m.queue.by_priority.high, {{"priority", "high"}});
  to.sample(m.queue.by_priority.normal, {{"priority", "normal"}});
  to.sample(m.queue.by_priority.low, {{"priority", "low"}});
  to.single("hotwell_jobs_accepted_total", Type::counter, "Jobs that the pool accepted.", m.jobs.total);
  to.family("hotwell_jobs_ended_total", Type::counter, "Jobs that ended, by how.");
  to.sample(m.jobs.completed, {{"end", "completed"}});
  to.sample(m.jobs.failed, {{"end", "failed"}});
  to.sample(m.jobs.cancelled, {{"end", "cancelled"}});
  to.single("hotwell_jobs_dead_total", Type::counter, "Jobs that used up their attempts.", m.jobs.dead);
  to.family("hotwell_attempts_failed_total", Type::counter, "Attempts that ended badly, by why.");
  to.sample(m.jobs.crashes, {{"why", "crashed"}});
  to.sample(m.jobs.timeouts, {{"why", "timeout"}});
  to.sample(m.jobs.out_of_memory, {{"why", "out_of_memory"}});
  to.single("hotwell_worker_exits_total", Type::counter, "Worker processes that ended, for any reason.",
            m.jobs.worker_exits);
  to.single("hotwell_job_retries_total", Type::counter, "Attempts beyond a job's first.", m.jobs.retried);
  to.single("hotwell_job_execution_average_seconds", Type::gauge, "Mean run time of completed jobs since the start.",
            seconds(m.performance.avg_execution_time));
  to.single("hotwell_worker_reuses_total", Type::counter, "Jobs that began on a worker that had done one before.",
            m.performance.worker_reuses);
}

}  // namespace

Window::Total Exported::update(host::MonoTime now) {
  return window_.total(now, seen_, [this](std::size_t series, const Reading& reading) {
    if (series >= series_.size()) series_.resize(series + 1);
    SinceStart& one = series_[series];
    one.name = window_.name(series);
    one.tally = reading.tally;
    std::size_t from = 0;
    const auto& below = buckets_below();
    for (std::size_t i = 0; i < below.size(); ++i) {
      one.counts[i] = reading.histogram.count_between(from, below[i]);
      from = below[i];
    }
    one.counts.back() = reading.histogram.count_between(from, Buckets::count);
  });
}

std::string to_prometheus(const ExpositionInput& input) {
  Exposition to(input.expected);
  to.family("hotwell_build_info", Type::gauge, "The program's version; always 1.");
  to.sample(1, {{"version", HOTWELL_VERSION}});
  requests(input, to);
  system(input, to);
  cache(input.metrics.cache, to);
  pool(input.metrics, to);
  to.family("hotwell_alert_active", Type::gauge, "1 while an alert of a type is active.");
  const auto& active = input.metrics.alerts.active;
  for (const std::string& type : input.alert_types)
    to.sample(std::find(active.begin(), active.end(), type) == active.end() ? 0 : 1, {{"type", type}});
  to.family("hotwell_alert_deliveries_total", Type::counter, "Notifications by channel and what became of them.");
  for (const ChannelStatus& channel : input.channels) {
    to.sample(channel.delivered, {{"channel", channel.name}, {"outcome", "delivered"}});
    to.sample(channel.retried, {{"channel", channel.name}, {"outcome", "retried"}});
    to.sample(channel.dropped, {{"channel", channel.name}, {"outcome", "dropped"}});
  }
  to.family("hotwell_alert_deliveries_pending", Type::gauge, "Notifications that wait for a receiver's answer.");
  for (const ChannelStatus& channel : input.channels) to.sample(channel.pending, {{"channel", channel.name}});
  process(input.process, to);
  return std::move(to).take();
}

}  // namespace hotwell::monitor

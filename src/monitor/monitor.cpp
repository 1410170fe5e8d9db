#include <hotwell/monitor.hpp>

#include <chrono>
#include <condition_variable>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "monitor/impl.hpp"
#include "monitor/prometheus.hpp"
#include "monitor/recommend.hpp"

namespace hotwell {
namespace {

using monitor::AlertMachine;
using monitor::Reading;
using monitor::Window;

/// The alerts that the thresholds name. Values and levels are in the units people speak, as in MonitorOptions.
std::vector<AlertMachine> machines(const MonitorOptions& options) {
  std::vector<AlertMachine> all;
  const auto add = [&](std::string type, double threshold, std::uint64_t min_samples) {
    all.emplace_back(monitor::AlertRule{std::move(type), threshold, threshold * options.clear_at, options.raise_for,
                                        options.clear_for, min_samples});
  };
  add("cpu", options.thresholds.cpu, 0);
  add("memory", options.thresholds.memory, 0);
  add("errorRate", options.thresholds.error_rate, options.min_samples);
  add("queueDepth", options.thresholds.queue_depth, 0);
  return all;
}

/// Beyond a half of the way from the threshold to full (or beyond its double) an alert is critical.
Severity severity_of(std::string_view type, double value, double threshold) {
  const double grave = type == "cpu" || type == "memory" ? (threshold + 100) / 2 : 2 * threshold;
  return value >= grave ? Severity::critical : Severity::warning;
}

template <class To>
void fill_latency(const Reading& reading, To& to) {
  to.avg = reading.average();
  to.p50 = reading.quantile(0.5);
  to.p95 = reading.quantile(0.95);
  to.p99 = reading.quantile(0.99);
  to.min = reading.min();
  to.max = reading.max();
}

void fill_requests(const Window::Summary& summary, Metrics& metrics) {
  const monitor::Tally& all = summary.all.tally;
  metrics.requests.total = all.total();
  metrics.requests.failed = all.failed();
  metrics.requests.successful = all.total() - all.failed();
  metrics.requests.client_errors = all.of(RequestOutcome::client_error);
  if (all.total() != 0)
    metrics.requests.error_rate = static_cast<double>(all.failed()) / static_cast<double>(all.total());
  metrics.requests.throughput = summary.rate(all.total());
  metrics.requests.trend = summary.trend;
  fill_latency(summary.all, metrics.latency);
  for (const auto& [name, reading] : summary.series) {
    auto& endpoint = metrics.endpoints.emplace_back();
    endpoint.endpoint = name;
    endpoint.total = reading.tally.total();
    endpoint.failed = reading.tally.failed();
    endpoint.client_errors = reading.tally.of(RequestOutcome::client_error);
    endpoint.throughput = summary.rate(endpoint.total);
    fill_latency(reading, endpoint);
  }
}

}  // namespace

Result<void> Monitor::Impl::check(const MonitorOptions& options) {
  if (options.window < Window::shortest || options.window > Window::longest)
    return fail(Code::invalid_argument,
                fmt::format("the monitor's window must lie between {} and {}, got {}", to_string(Window::shortest),
                            to_string(Window::longest), to_string(options.window)));
  if (!(options.clear_at > 0 && options.clear_at <= 1))
    return fail(Code::invalid_argument,
                fmt::format("the monitor's clear_at must lie above 0 and up to 1, got {}", options.clear_at));
  return {};
}

Monitor::Impl::Impl(MonitorOptions options, Seams seams)
    : options_(std::move(options)),
      clock_(seams.clock),
      root_(std::move(seams.root)),
      began_(clock_.now()),
      window_(recorder_, began_),
      system_(root_),
      sampled_(began_),
      alerts_(machines(options_)) {
  system_reading_ = system_.sample(began_);
  if (!options_.enabled) system_reading_.memory.reset();  // never sampled again: show nothing rather than the past
}

void Monitor::Impl::add_source(std::function<void(Metrics&)> source) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Sources>(*sources_);
  next->push_back(std::move(source));
  sources_ = std::move(next);
}

void Monitor::Impl::roll(host::MonoTime now) {
  window_.roll(now);
  if (!options_.enabled || now - sampled_ < std::chrono::milliseconds{500}) return;
  system_reading_ = system_.sample(now);
  sampled_ = now;
}

Metrics Monitor::Impl::collect() {
  Metrics metrics;
  metrics.window = options_.window;
  std::shared_ptr<const Sources> sources;
  {
    const std::lock_guard lock(mutex_);
    const host::MonoTime now = clock_.now();
    roll(now);
    fill_requests(window_.over(options_.window, now), metrics);
    metrics.system.cpu = system_reading_.cpu.value_or(0);
    metrics.system.memory = system_reading_.memory.value_or(0);
    metrics.system.uptime = now - began_;
    metrics.system.cpu_count = system_reading_.cpu_count;
    for (const AlertMachine& alert : alerts_)
      if (alert.active()) metrics.alerts.active.push_back(alert.rule().type);
    sources = sources_;
  }
  for (const auto& source : *sources) source(metrics);
  return metrics;
}

Metrics Monitor::Impl::metrics() {
  Metrics metrics = collect();
  if (options_.enabled) metrics.recommendations = monitor::recommend(metrics, options_);
  return metrics;
}

void Monitor::Impl::tick() {
  const Metrics metrics = collect();
  if (!options_.enabled) return;
  struct Change {
    const AlertMachine* alert;
    AlertMachine::Action action;
  };
  std::vector<Change> changes;
  {
    const std::lock_guard lock(mutex_);
    const std::map<std::string_view, AlertMachine::Observation> seen{
        {"cpu", {system_reading_.cpu ? std::optional(*system_reading_.cpu * 100) : std::nullopt, 1}},
        {"memory", {system_reading_.memory ? std::optional(*system_reading_.memory * 100) : std::nullopt, 1}},
        {"errorRate", {metrics.requests.error_rate * 100, metrics.requests.total}},
        {"queueDepth", {static_cast<double>(metrics.queue.pending), 1}},
    };
    const host::MonoTime now = clock_.now();
    for (AlertMachine& alert : alerts_)
      if (const auto action = alert.step(seen.at(alert.rule().type), now)) changes.push_back({&alert, *action});
  }
  for (const auto& [alert, action] : changes) {
    const auto& [type, threshold] = std::pair{alert->rule().type, alert->rule().raise};
    if (action.kind == AlertMachine::Action::Kind::fire)
      events_.publish(Alert{type, action.value, threshold, severity_of(type, action.value, threshold)});
    else
      events_.publish(AlertResolved{type, action.value, threshold, Severity::info});
  }
}

void Monitor::Impl::start() {
  if (!options_.enabled) return;
  const std::lock_guard lock(thread_mutex_);
  if (thread_.joinable()) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Monitor::Impl::stop() {
  const std::lock_guard lock(thread_mutex_);
  thread_ = {};
}

void Monitor::Impl::run(const std::stop_token& stop) {
  constexpr auto second = std::chrono::seconds{1};
  std::mutex asleep;
  std::condition_variable_any wake;
  std::unique_lock lock(asleep);
  for (;;) {
    // To the next full second of the monitor's life: a late tick does not make the ones after it late.
    const host::MonoTime now = clock_.now();
    const auto next = began_ + std::chrono::floor<std::chrono::seconds>(now - began_) + second;
    wake.wait_for(lock, stop, next - now, [] { return false; });
    if (stop.stop_requested()) return;
    tick();
  }
}

std::string Monitor::Impl::prometheus() {
  const Metrics metrics = collect();
  const monitor::ProcessReading process = monitor::read_process(root_);
  std::vector<Window::Summary::Series> since_start;
  std::vector<std::string> alert_types;
  monitor::SystemReading system;
  {
    const std::lock_guard lock(mutex_);
    since_start = window_.since_start();
    for (const AlertMachine& alert : alerts_) alert_types.push_back(alert.rule().type);
    system = system_reading_;
  }
  return monitor::to_prometheus({metrics, since_start, system, process, alert_types});
}

Monitor::Monitor(MonitorOptions options) {
  if (auto checked = Impl::check(options); !checked) throw Failure(checked.error());
  impl_ = std::make_unique<Impl>(std::move(options));
}
Monitor::~Monitor() = default;

void Monitor::start() { impl_->start(); }
void Monitor::stop() { impl_->stop(); }
void Monitor::track_request(Duration duration, RequestOutcome outcome, std::string_view endpoint) {
  impl_->recorder().record(duration, outcome, endpoint);
}
void Monitor::add_source(std::function<void(Metrics&)> source) { impl_->add_source(std::move(source)); }
Metrics Monitor::metrics() const { return impl_->metrics(); }
std::string Monitor::prometheus() const { return impl_->prometheus(); }
MonitorEvents& Monitor::events() { return impl_->events(); }

Monitor::ScopeTimer::ScopeTimer(Monitor& monitor, std::string endpoint)
    : monitor_(monitor), endpoint_(std::move(endpoint)), began_(std::chrono::steady_clock::now()) {}
Monitor::ScopeTimer::~ScopeTimer() {
  monitor_.track_request(std::chrono::steady_clock::now() - began_, outcome_, endpoint_);
}

}  // namespace hotwell

#include <hotwell/monitor.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "monitor/impl.hpp"
#include "monitor/recommend.hpp"
#include "monitor/rule_file.hpp"
#include "monitor/rules.hpp"

namespace hotwell {
namespace {

using monitor::Window;

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

Result<std::vector<monitor::AlertDesk::Channel>> make_channels(const std::vector<ChannelOptions>& channels,
                                                               const host::Clock& clock) {
  std::vector<monitor::AlertDesk::Channel> all;
  for (const ChannelOptions& channel : channels) {
    auto made = monitor::make_channel(channel, clock);
    if (!made) return std::unexpected(made.error());
    all.push_back({channel, std::move(*made)});
  }
  return all;
}

std::vector<monitor::AlertDesk::Channel> channels_of(const MonitorOptions& options, const host::Clock& clock) {
  auto all = make_channels(options.channels, clock);
  if (!all) throw Failure(all.error());
  return std::move(*all);
}

/// What was added before the last start. Where the configuration has a rule of the same name now, that one counts.
std::vector<AlertRuleOptions> kept_rules(const std::filesystem::path& directory,
                                         const std::vector<AlertRuleOptions>& configured) {
  std::vector<AlertRuleOptions> kept, all = configured;
  if (directory.empty()) return kept;
  auto loaded = monitor::load_rules(directory);
  if (!loaded) {
    base::log().warn("alert rules that were added are not in force: {}", to_string(loaded.error()));
    return kept;
  }
  for (AlertRuleOptions& rule : *loaded) {
    all.push_back(rule);
    if (const auto checked = monitor::check_rules(all); checked) {
      kept.push_back(std::move(rule));
    } else {
      base::log().warn("an alert rule that was added is not in force: {}", checked.error().message);
      all.pop_back();
    }
  }
  return kept;
}

template <class To>
void fill_latency(const monitor::Latencies& from, To& to) {
  to.avg = from.avg;
  to.p50 = from.p50;
  to.p95 = from.p95;
  to.p99 = from.p99;
  to.p999 = from.p999;
  to.min = from.min;
  to.max = from.max;
}

std::vector<Metrics::Endpoint> endpoints_of(const Window::Summary& summary) {
  std::vector<Metrics::Endpoint> all;
  all.reserve(summary.series.size());
  for (const auto& series : summary.series) {
    auto& endpoint = all.emplace_back();
    const monitor::Tally& tally = series.tally;
    endpoint.endpoint = series.name;
    endpoint.total = tally.total();
    endpoint.failed = tally.failed();
    endpoint.client_errors = tally.of(RequestOutcome::client_error);
    endpoint.throughput = summary.rate(endpoint.total);
    endpoint.errors = series.errors;
    endpoint.latency_trend = series.latency;
    if (summary.all.tally.sum != 0)
      endpoint.time_share = static_cast<double>(tally.sum) / static_cast<double>(summary.all.tally.sum);
    fill_latency(series.latencies, endpoint);
  }
  return all;
}

void fill_requests(const Window::Total& window, Metrics& metrics) {
  const monitor::Tally& all = window.all.tally;
  metrics.requests.total = all.total();
  metrics.requests.failed = all.failed();
  metrics.requests.successful = all.total() - all.failed();
  metrics.requests.client_errors = all.of(RequestOutcome::client_error);
  if (all.total() != 0)
    metrics.requests.error_rate = static_cast<double>(all.failed()) / static_cast<double>(all.total());
  metrics.requests.throughput = window.rate(all.total());
  metrics.requests.trend = window.trend;
  fill_latency(window.all.latencies(), metrics.latency);
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
  return monitor::check_rules(options.rules);
}

Monitor::Impl::Impl(MonitorOptions options, Seams seams)
    : enabled_(options.enabled),
      directory_(options.directory),
      clock_(seams.clock),
      root_(std::move(seams.root)),
      began_(clock_.now()),
      added_(kept_rules(enabled_ ? directory_ : std::filesystem::path{}, options.rules)),
      desk_(monitor::alert_rules(options, added_), options.instance.empty() ? host_name() : options.instance,
            channels_of(options, clock_), enabled_ ? directory_ : std::filesystem::path{}, clock_),
      options_(std::move(options)),
      window_(recorder_, began_, options_.window),
      operations_window_(operations_, began_, options_.window),
      exported_(window_),
      exported_operations_(operations_window_),
      past_(enabled_ ? directory_ : std::filesystem::path{}, window_, operations_window_, began_, clock_.wall()),
      system_(root_),
      sampled_(began_) {
  system_reading_ = system_.sample(began_);
  process_ = monitor::read_process(root_);
  disk_ = monitor::read_disk(directory_);
  if (!enabled_) system_reading_.memory.reset();  // never sampled again: show nothing rather than the past
}

void Monitor::Impl::add_source(std::function<void(Metrics&)> source) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Sources>(*sources_);
  next->push_back(std::move(source));
  sources_ = std::move(next);
}

void Monitor::Impl::roll(host::MonoTime now) {
  const bool ended = window_.roll(now);
  (void)operations_window_.roll(now);
  second_ended_ = second_ended_ || ended;
  if (enabled_ && now - sampled_ >= std::chrono::milliseconds{500}) sample(now);
}

void Monitor::Impl::sample(host::MonoTime now) {
  system_reading_ = system_.sample(now);
  const auto process = monitor::read_process(root_);
  const double passed = std::chrono::duration<double>(now - sampled_).count();
  if (process_.start_time != 0 && process.cpu_seconds >= process_.cpu_seconds)
    process_cpu_ = (process.cpu_seconds - process_.cpu_seconds) / passed;
  process_ = process;
  disk_ = monitor::read_disk(directory_);
  sampled_ = now;
}

void Monitor::Impl::fill_system(Metrics& metrics, host::MonoTime now) const {
  auto& to = metrics.system;
  to.cpu = system_reading_.cpu.value_or(0);
  to.memory = system_reading_.memory.value_or(0);
  to.uptime = now - began_;
  to.cpu_count = system_reading_.cpu_count;
  to.throttled = system_reading_.throttled;
  to.pressure_cpu = system_reading_.pressure_cpu;
  to.pressure_memory = system_reading_.pressure_memory;
  to.pressure_io = system_reading_.pressure_io;
  to.disk_size = {disk_.size};
  to.disk_free = {disk_.free};
  if (disk_.size != 0) to.disk = 1 - static_cast<double>(disk_.free) / static_cast<double>(disk_.size);
  to.open_files = process_.open_descriptors;
  to.max_files = process_.max_descriptors;
  to.process_cpu = process_cpu_;
  to.process_memory = {process_.resident};
}

Metrics Monitor::Impl::collect() {
  Metrics metrics;
  std::shared_ptr<const Sources> sources;
  {
    const std::lock_guard lock(mutex_);
    const host::MonoTime now = clock_.now();
    roll(now);
    metrics.window = window_.length();
    const auto requests = window_.over(window_.length(), now);
    fill_requests(requests, metrics);
    metrics.endpoints = endpoints_of(requests);
    metrics.operations = endpoints_of(operations_window_.over(window_.length(), now));
    fill_system(metrics, now);
    sources = sources_;
  }
  complete(metrics, *sources);
  return metrics;
}

void Monitor::Impl::complete(Metrics& metrics, const Sources& sources) {
  metrics.alerts.active = desk_.active();
  for (const auto& source : sources) source(metrics);
}

MonitorOptions Monitor::Impl::options() {
  const std::lock_guard lock(mutex_);
  return options_;
}

void Monitor::Impl::compare(Metrics& metrics) {
  const std::lock_guard lock(mutex_);
  for (auto& endpoint : metrics.endpoints) endpoint.before = past_.before(endpoint.endpoint, std::chrono::hours{1});
}

Result<SeriesData> Monitor::Impl::series(const SeriesQuery& query) {
  const std::lock_guard lock(mutex_);
  return past_.read(query);
}

Metrics Monitor::Impl::metrics() {
  Metrics metrics = collect();
  if (enabled_) metrics.recommendations = monitor::recommend(metrics, options());
  return metrics;
}

void Monitor::Impl::tick() {
  const Metrics metrics = collect();
  if (!enabled_) return;
  monitor::AlertBook::Observations seen;
  std::vector<monitor::History::Write> writes;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(second_ended_, false)) past_.second(metrics, clock_.now(), clock_.wall());
    seen = monitor::observe(metrics, system_reading_, past_, options_.rules, added_);
    writes = past_.take_writes();
  }
  past_.carry_out(writes);
  const auto outcome = desk_.step(seen);
  for (const AlertStatus& alert : outcome.fired)
    events_.publish(Alert{alert.type, alert.value.value_or(0), alert.raise, alert.severity});
  for (const AlertStatus& alert : outcome.resolved)
    events_.publish(AlertResolved{alert.type, alert.value.value_or(0), alert.raise, alert.severity});
}

void Monitor::Impl::register_knobs(Knobs& knobs) {
  // Each is named as its configuration key, so that a reload turns it. `member` finds what it sets.
  const auto add = [&](std::string name, std::string description, std::string unit, double min, double max,
                       double value, std::function<void(MonitorOptions&, double)> set) {
    knobs.add({.name = std::move(name),
               .description = std::move(description),
               .unit = std::move(unit),
               .min = min,
               .max = max,
               .value = std::clamp(value, min, max)},
              [this, set = std::move(set)](double to) -> Result<void> {
                const std::lock_guard lock(mutex_);
                set(options_, to);
                if (options_.window != window_.length()) {
                  window_.set_length(options_.window, clock_.now());
                  operations_window_.set_length(options_.window, clock_.now());
                }
                desk_.set_rules(monitor::alert_rules(options_, added_));
                return {};
              });
  };
  const MonitorOptions now = options();
  const auto threshold = [&](const char* name, const char* description, const char* unit, double max,
                             double Thresholds::* member) {
    add(fmt::format("monitor.thresholds.{}", name), description, unit, 0, max, now.thresholds.*member,
        [member](MonitorOptions& options, double to) { options.thresholds.*member = to; });
  };
  threshold("cpu", "The alert cpu is raised above it.", "percent", 100, &Thresholds::cpu);
  threshold("memory", "The alert memory is raised above it.", "percent", 100, &Thresholds::memory);
  threshold("error_rate", "The alert errorRate is raised above it.", "percent", 100, &Thresholds::error_rate);
  threshold("queue_depth", "The alert queueDepth is raised above it.", "", 1e9, &Thresholds::queue_depth);
  threshold("latency_p99", "The alert latencyP99 is raised above it; 0: never.", "seconds", 86'400,
            &Thresholds::latency_p99);
  threshold("disk", "The alert disk is raised above it; 0: never.", "percent", 100, &Thresholds::disk);
  threshold("dead_letters", "The alert deadLetters is raised above it; 0: never.", "", 1e9, &Thresholds::dead_letters);
  threshold("crash_loop", "The alert crashLoop is raised above it; 0: never.", "", 1e9, &Thresholds::crash_loop);
  threshold("hit_ratio", "The alert hitRatio is raised above it; 0: never.", "percent", 100, &Thresholds::hit_ratio);
  threshold("burn_rate", "The alert errorBurn is raised above it; 0: never.", "", 100, &Thresholds::burn_rate);
  const auto duration = [&](const char* name, const char* description, double min, double max,
                            Duration MonitorOptions::* member) {
    add(fmt::format("monitor.{}", name), description, "seconds", min, max,
        std::chrono::duration<double>(now.*member).count(), [member](MonitorOptions& options, double to) {
          options.*member = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(to));
        });
  };
  duration("window", "What the figures of requests and latency look back on.", 1, 300, &MonitorOptions::window);
  duration("for", "An alert is raised once its level was exceeded for this long.", 0, 86'400,
           &MonitorOptions::raise_for);
  duration("clear_for", "An alert is resolved once its value was below the clear level for this long.", 0, 86'400,
           &MonitorOptions::clear_for);
  add("monitor.clear_at", "The clear level, as a part of the threshold.", "", 0.01, 1, now.clear_at,
      [](MonitorOptions& options, double to) { options.clear_at = to; });
  add("monitor.min_samples", "With fewer requests in the window no rate and no latency raises an alert.", "", 0, 1e6,
      static_cast<double>(now.min_samples),
      [](MonitorOptions& options, double to) { options.min_samples = static_cast<std::uint64_t>(to); });
}

Result<void> Monitor::Impl::change_rules(std::vector<AlertRuleOptions> rules, std::vector<AlertRuleOptions> added) {
  std::vector<AlertRuleOptions> all = rules;
  all.insert(all.end(), added.begin(), added.end());
  if (auto checked = monitor::check_rules(all); !checked) return checked;
  // What is in force changes under both locks: either may read it.
  if (added != added_ && enabled_ && !directory_.empty())
    if (auto saved = monitor::save_rules(directory_, added); !saved) return saved;
  const std::lock_guard lock(mutex_);
  options_.rules = std::move(rules);
  added_ = std::move(added);
  desk_.set_rules(monitor::alert_rules(options_, added_));
  return {};
}

Result<void> Monitor::Impl::set_rules(std::vector<AlertRuleOptions> rules) {
  const std::lock_guard turn(rules_mutex_);
  return change_rules(std::move(rules), added_);
}

Result<void> Monitor::Impl::add_rule(AlertRuleOptions rule) {
  const std::lock_guard turn(rules_mutex_);
  auto added = added_;
  if (const auto same = std::ranges::find(added, rule.name, &AlertRuleOptions::name); same != added.end())
    *same = std::move(rule);
  else
    added.push_back(std::move(rule));
  return change_rules(options_.rules, std::move(added));
}

Result<void> Monitor::Impl::remove_rule(std::string_view name) {
  const std::lock_guard turn(rules_mutex_);
  auto added = added_;
  if (std::erase_if(added, [&](const auto& rule) { return rule.name == name; }) == 0) {
    const auto types = desk_.types();
    return fail(Code::not_found,
                std::ranges::find(types, name) == types.end()
                    ? fmt::format("there is no alert rule \"{}\"", name)
                    : fmt::format("the rule \"{}\" was not added: it comes with the monitor or with the "
                                  "configuration, and is changed there",
                                  name));
  }
  return change_rules(options_.rules, std::move(added));
}

std::vector<AlertRuleOptions> Monitor::Impl::added_rules() {
  const std::lock_guard lock(mutex_);
  return added_;
}

Result<void> Monitor::Impl::set_channels(const std::vector<ChannelOptions>& channels) {
  auto made = make_channels(channels, clock_);
  if (!made) return std::unexpected(made.error());
  const std::lock_guard lock(thread_mutex_);
  desk_.set_channels(std::move(*made));
  return {};
}

void Monitor::Impl::start() {
  if (!enabled_) return;
  const std::lock_guard lock(thread_mutex_);
  if (thread_.joinable()) return;
  desk_.start();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Monitor::Impl::stop() {
  const std::lock_guard lock(thread_mutex_);
  thread_ = {};
  desk_.stop();
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
  Metrics metrics;  // but for endpoints and operations: receivers compute their quantiles themselves
  std::vector<monitor::SinceStart> requests, operations;
  monitor::SystemReading system;
  std::shared_ptr<const Sources> sources;
  {
    const std::lock_guard lock(mutex_);
    const host::MonoTime now = clock_.now();
    roll(now);
    metrics.window = window_.length();
    fill_requests(exported_.update(now), metrics);
    exported_operations_.update(now);
    requests = exported_.series();
    operations = exported_operations_.series();
    fill_system(metrics, now);
    system = system_reading_;
    sources = sources_;
  }
  complete(metrics, *sources);
  const monitor::ProcessReading process = monitor::read_process(root_);
  std::string text = monitor::to_prometheus({.metrics = metrics,
                                             .requests = requests,
                                             .operations = operations,
                                             .system = system,
                                             .process = process,
                                             .alert_types = desk_.types(),
                                             .channels = desk_.channels(),
                                             .expected = scraped_.load(std::memory_order_relaxed)});
  // A little more than last time: memory that is asked for at once is not copied while it grows.
  scraped_.store(text.size() + text.size() / 8, std::memory_order_relaxed);
  return text;
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
Monitor::Endpoint Monitor::endpoint(std::string_view name) { return Endpoint{impl_->recorder().series(name).number}; }
void Monitor::track_request(Duration duration, RequestOutcome outcome, Endpoint endpoint) {
  impl_->recorder().record(duration, outcome, monitor::Recorder::Series{endpoint.number_});
}
void Monitor::track_job(std::optional<Duration> duration, std::string_view operation) {
  if (duration)
    impl_->operations().record(*duration, RequestOutcome::ok, operation);
  else
    impl_->operations().count(RequestOutcome::failed, operation);
}
std::vector<AlertStatus> Monitor::alerts() const { return impl_->desk().statuses(); }
std::vector<Silence> Monitor::silences() const { return impl_->desk().silences(); }
Result<Silence> Monitor::silence(Silence silence) { return impl_->desk().silence(std::move(silence)); }
Result<void> Monitor::end_silence(std::string_view id) { return impl_->desk().end_silence(id); }
std::vector<ChannelStatus> Monitor::channels() const { return impl_->desk().channels(); }
void Monitor::test_channel(std::string_view name, std::function<void(Result<void>)> done) {
  impl_->desk().test(name, std::move(done));
}
void Monitor::register_knobs(Knobs& knobs) { impl_->register_knobs(knobs); }
Result<void> Monitor::set_rules(std::vector<AlertRuleOptions> rules) { return impl_->set_rules(std::move(rules)); }
Result<void> Monitor::add_rule(AlertRuleOptions rule) { return impl_->add_rule(std::move(rule)); }
Result<void> Monitor::remove_rule(std::string_view name) { return impl_->remove_rule(name); }
std::vector<AlertRuleOptions> Monitor::added_rules() const { return impl_->added_rules(); }
Result<void> Monitor::set_channels(const std::vector<ChannelOptions>& channels) {
  return impl_->set_channels(channels);
}
void Monitor::compare(Metrics& metrics) const { impl_->compare(metrics); }
Result<SeriesData> Monitor::series(const SeriesQuery& query) const { return impl_->series(query); }
std::vector<SeriesName> Monitor::series_names() { return monitor::Past::names(); }
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

#include "monitor/rules.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

namespace hotwell::monitor {

namespace {

std::optional<SeriesName> find_series(std::string_view name) {
  for (const SeriesName& each : Past::names())
    if (each.name == name) return each;
  return std::nullopt;
}

double clear_of(const AlertRuleOptions& own) {
  return own.clear.value_or(own.below ? own.level * 1.1 : own.level * 0.9);
}

AlertRule rule_for(const AlertRuleOptions& own, const MonitorOptions& options) {
  AlertRule rule;
  rule.type = own.name;
  rule.raise = own.level;
  rule.clear = clear_of(own);
  rule.below = own.below;
  rule.raise_for = own.raise_for.value_or(options.raise_for);
  rule.clear_for = own.clear_for.value_or(options.clear_for);
  rule.min_samples = own.min_samples;
  rule.severity = own.severity;
  if (const auto series = find_series(own.series)) rule.unit = series->unit;
  rule.says = own.message;
  if (rule.says.empty()) {
    const auto& label = own.endpoint.empty() ? own.operation : own.endpoint;
    rule.says = label.empty() ? own.series + " is" : fmt::format("{} of {} is", own.series, label);
  }
  rule.own = true;
  return rule;
}

}  // namespace

std::vector<AlertRule> alert_rules(const MonitorOptions& options, const std::vector<AlertRuleOptions>& added) {
  using namespace std::chrono_literals;
  const Thresholds& at = options.thresholds;
  std::vector<AlertRule> all;
  const auto add = [&](std::string type, double threshold, double grave, std::string says, std::string unit,
                       std::uint64_t min_samples = 0) -> AlertRule& {
    AlertRule rule;
    rule.type = std::move(type);
    rule.raise = threshold;
    rule.clear = threshold * options.clear_at;
    rule.raise_for = options.raise_for;
    rule.clear_for = options.clear_for;
    rule.min_samples = min_samples;
    rule.grave = grave;
    rule.says = std::move(says);
    rule.unit = std::move(unit);
    return all.emplace_back(std::move(rule));
  };
  // Beyond a half of the way from the threshold to full (or beyond its double) an alert is critical.
  const auto half_way = [](double threshold) { return (threshold + 100) / 2; };
  const auto optional = [](AlertRule& rule) { rule.enabled = rule.raise > 0; };
  add("cpu", at.cpu, half_way(at.cpu), "CPU is at", "%");
  add("memory", at.memory, half_way(at.memory), "Memory is at", "%");
  add("errorRate", at.error_rate, 2 * at.error_rate, "Failed requests in the window:", "%", options.min_samples);
  add("queueDepth", at.queue_depth, 2 * at.queue_depth, "Jobs that wait:", "");
  optional(add("latencyP99", at.latency_p99, 2 * at.latency_p99, "99 % of requests take up to", "seconds",
               options.min_samples));
  optional(add("disk", at.disk, half_way(at.disk), "The data directory's file system is full to", "%"));
  // Something happened or it did not: there is nothing to tremble, so these do not wait.
  AlertRule& dead = add("deadLetters", at.dead_letters, 20, "Jobs that used up their attempts in five minutes:", "");
  dead.raise_for = 0s;
  dead.inhibited_by = {"crashLoop"};
  optional(dead);
  AlertRule& crashes = add("crashLoop", at.crash_loop, 4 * at.crash_loop, "Attempts that crashed in five minutes:", "");
  crashes.raise_for = 0s;
  optional(crashes);
  optional(add("hitRatio", at.hit_ratio, 2 * at.hit_ratio, "The cache's hit ratio fell below its last hour's by",
               "points", 100));
  optional(add("errorBurn", at.burn_rate, at.burn_rate, "Errors use up the budget of 1 % at a rate of", "x",
               options.min_samples));
  for (const AlertRuleOptions& own : options.rules) all.push_back(rule_for(own, options));
  for (const AlertRuleOptions& own : added) {
    all.push_back(rule_for(own, options));
    all.back().added = true;
  }
  return all;
}

Result<void> check_rules(const std::vector<AlertRuleOptions>& own) {
  using namespace std::chrono_literals;
  std::set<std::string> names;
  for (const AlertRule& rule : alert_rules({})) names.insert(rule.type);
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  constexpr std::size_t most = 100;
  if (own.size() > most)
    return fail(Code::invalid_argument, fmt::format("alerts.rule: expected at most {} rules", most));
  for (const AlertRuleOptions& rule : own) {
    const auto wrong = [&](const std::string& what) {
      return fail(Code::invalid_argument, fmt::format("alerts.rule \"{}\": {}", rule.name, what));
    };
    if (rule.name.empty() || rule.name.size() > 64 || rule.name.find_first_not_of(letters) != std::string::npos)
      return wrong("expected a name of letters, digits, \"_\", \"-\" and \".\", at most 64");
    if (!names.insert(rule.name).second) return wrong("there already is an alert of this name");
    const auto series = find_series(rule.series);
    if (!series)
      return wrong(fmt::format("there is no series \"{}\"; GET /v1/series without a name lists them", rule.series));
    if (!rule.endpoint.empty() && !rule.operation.empty())
      return wrong("expected an endpoint or an operation, not both");
    if (!series->labelled && !(rule.endpoint.empty() && rule.operation.empty()))
      return wrong(fmt::format("the series \"{}\" is not kept by endpoint or operation", rule.series));
    if (!std::isfinite(rule.level)) return wrong("expected a level that is a number");
    if (const double clear = clear_of(rule); !(rule.below ? clear >= rule.level : clear <= rule.level))
      return wrong(fmt::format("clear ({}) lies beyond the level ({}), where the alert is raised", clear, rule.level));
    if (rule.window < 1s || rule.window > 24h)
      return wrong(fmt::format("window: expected 1s to 24h, got {}", to_string(rule.window)));
  }
  return {};
}

AlertBook::Observations observe(const Metrics& metrics, const SystemReading& system, const Past& past,
                                const std::vector<AlertRuleOptions>& own, const std::vector<AlertRuleOptions>& added) {
  using namespace std::chrono_literals;
  using Observation = AlertMachine::Observation;
  AlertBook::Observations seen;
  const auto percent = [](std::optional<double> ratio) {
    return Observation{ratio ? std::optional(*ratio * 100) : std::nullopt, 1};
  };
  seen["cpu"] = percent(system.cpu);
  seen["memory"] = percent(system.memory);
  seen["errorRate"] = {metrics.requests.error_rate * 100, metrics.requests.total};
  seen["queueDepth"] = {static_cast<double>(metrics.queue.pending), 1};
  seen["latencyP99"] = {std::chrono::duration<double>(metrics.latency.p99).count(), metrics.requests.total};
  seen["disk"] = percent(metrics.system.disk_size.count == 0 ? std::nullopt : std::optional(metrics.system.disk));
  // A rate's mean by its seconds is how many there were.
  const auto happened = [&](std::string_view name) -> Observation {
    const auto rate = past.value(name, 5min);
    return {rate ? std::optional(rate->value * rate->samples) : std::nullopt, 1};
  };
  seen["deadLetters"] = happened("jobs.dead");
  seen["crashLoop"] = happened("jobs.crashes");
  const auto recent = past.value("cache.hit_ratio", 5min);
  const auto usual = past.value("cache.hit_ratio", 1h);
  // An hour of which little is remembered is no measure.
  if (recent && usual && usual->covered >= 0.25)
    seen["hitRatio"] = {std::max(usual->value - recent->value, 0.0) * 100,
                        static_cast<std::uint64_t>(happened("cache.lookups").value.value_or(0))};
  // Source: Site Reliability Workbook, "Alerting on SLOs", multiwindow burn rate.
  constexpr double budget = 0.01;
  const auto fast = past.value("requests.error_rate", 5min);
  const auto slow = past.value("requests.error_rate", 1h);
  if (fast && slow && slow->covered >= 0.5)
    seen["errorBurn"] = {std::min(fast->value, slow->value) / budget, static_cast<std::uint64_t>(fast->samples)};
  const auto judge = [&](const AlertRuleOptions& rule) {
    const auto value = past.value(rule.series, rule.window, {rule.endpoint, rule.operation});
    seen[rule.name] = {value ? std::optional(value->value) : std::nullopt,
                       static_cast<std::uint64_t>(value ? value->samples : 0)};
  };
  std::ranges::for_each(own, judge);
  std::ranges::for_each(added, judge);
  return seen;
}

}  // namespace hotwell::monitor

#include "monitor/rules.hpp"

#include <algorithm>

namespace hotwell::monitor {

std::vector<AlertRule> alert_rules(const MonitorOptions& options) {
  using namespace std::chrono_literals;
  const Thresholds& at = options.thresholds;
  std::vector<AlertRule> all;
  const auto add = [&](std::string type, double threshold, double grave, std::string_view says, std::string_view unit,
                       std::uint64_t min_samples = 0) -> AlertRule& {
    AlertRule rule;
    rule.type = std::move(type);
    rule.raise = threshold;
    rule.clear = threshold * options.clear_at;
    rule.raise_for = options.raise_for;
    rule.clear_for = options.clear_for;
    rule.min_samples = min_samples;
    rule.grave = grave;
    rule.says = says;
    rule.unit = unit;
    return all.emplace_back(std::move(rule));
  };
  // Beyond a half of the way from the threshold to full (or beyond its double) an alert is critical.
  const auto half_way = [](double threshold) { return (threshold + 100) / 2; };
  const auto optional = [](AlertRule& rule) { rule.enabled = rule.raise > 0; };
  add("cpu", at.cpu, half_way(at.cpu), "CPU is at", "%");
  add("memory", at.memory, half_way(at.memory), "Memory is at", "%");
  add("errorRate", at.error_rate, 2 * at.error_rate, "Failed requests in the window:", "%", options.min_samples);
  add("queueDepth", at.queue_depth, 2 * at.queue_depth, "Jobs that wait:", "");
  optional(
      add("latencyP99", at.latency_p99, 2 * at.latency_p99, "99 % of requests take up to", " s", options.min_samples));
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
               " points", 100));
  optional(add("errorBurn", at.burn_rate, at.burn_rate, "Errors use up the budget of 1 % at a rate of", "x",
               options.min_samples));
  return all;
}

AlertBook::Observations observe(const Metrics& metrics, const SystemReading& system, const Past& past) {
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
  return seen;
}

}  // namespace hotwell::monitor

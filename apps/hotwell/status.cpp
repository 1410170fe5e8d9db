/// hotwell status: the daemon's figures of the moment.
#include <cstdio>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/table.hpp"

namespace hotwell::cli {
namespace {

std::string percent(double ratio) { return fmt::format("{:.1f} %", ratio * 100); }
std::string time(double seconds) {
  return to_string(std::chrono::round<Duration>(std::chrono::duration<double>(seconds)));
}
std::string bytes(double count) { return to_string(Bytes{static_cast<std::uint64_t>(count)}); }

std::string summary(const boost::json::value& metrics, const std::string& url) {
  const auto number = [&](std::string_view pointer) { return number_at(metrics, pointer); };
  Table lines({{}, {}});
  lines.add({"server", fmt::format("{}, up {}", url, time(number("/system/uptime")))});
  lines.add({"machine", fmt::format("CPU {} of {:.0f}, memory {}", percent(number("/system/cpu")),
                                    number("/system/cpuCount"), percent(number("/system/memory")))});
  lines.add({"requests",
             fmt::format("{:.0f} in the last {}, {:.2f} a second, {:.0f} failed ({}), {}", number("/requests/total"),
                         time(number("/window")), number("/requests/throughput"), number("/requests/failed"),
                         percent(number("/requests/errorRate")), text_at(metrics, "/requests/trend"))});
  lines.add({"latency",
             fmt::format("average {}, p95 {}, p99 {}, most {}", time(number("/latency/avg")),
                         time(number("/latency/p95")), time(number("/latency/p99")), time(number("/latency/max")))});
  lines.add({"workers", fmt::format("{:.0f} busy, {:.0f} idle, {:.0f} at most", number("/workers/busy"),
                                    number("/workers/idle"), number("/workers/max"))});
  lines.add({"queue", fmt::format("{:.0f} waiting (high {:.0f}, normal {:.0f}, low {:.0f})", number("/queue/pending"),
                                  number("/queue/byPriority/high"), number("/queue/byPriority/normal"),
                                  number("/queue/byPriority/low"))});
  lines.add(
      {"jobs", fmt::format("{:.0f} in all, {:.0f} completed, {:.0f} failed, {:.0f} retries", number("/jobs/total"),
                           number("/jobs/completed"), number("/jobs/failed"), number("/jobs/retried"))});
  Table tiers({{"cache"},
               {"entries", Table::Align::right},
               {"size", Table::Align::right},
               {"full", Table::Align::right},
               {"hit rate", Table::Align::right}});
  for (const auto* tier : {"memory", "disk", "stream"}) {
    const std::string at = fmt::format("/cache/{}/", tier);
    tiers.add({tier, fmt::format("{:.0f}", number(at + "entries")), bytes(number(at + "size")),
               percent(number(at + "utilization")), percent(number(at + "hitRate"))});
  }
  std::string text = lines.text() + "\n" + tiers.text();
  const auto* recommendations = metrics.as_object().if_contains("recommendations");
  if (recommendations && recommendations->is_array())
    for (const auto& each : recommendations->as_array())
      text += fmt::format("\n{}: {}", text_at(each, "/severity"), text_at(each, "/message"));
  return text + (text.ends_with('\n') ? "" : "\n");
}

struct StatusOptions {
  DaemonOptions daemon;
  bool json = false;
};

Outcome<void> show_status(const StatusOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto metrics = get_json(*daemon, "/performance/metrics?format=raw");
  if (!metrics) return std::unexpected(metrics.error());
  if (!metrics->is_object()) return end(status::failed, "the server's answer is not a reading of metrics");
  std::fputs((options.json ? pretty(*metrics) : summary(*metrics, daemon->server().url())).c_str(), stdout);
  return {};
}

}  // namespace

void add_status(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = root.add_subcommand("status", "Show a running daemon's figures.");
  command->add_flag("--json", options->json, "plain numbers in base units, as JSON");
  add_daemon_options(*command, options->daemon);
  commands.on(command, [options] { return show_status(*options); });
}

}  // namespace hotwell::cli

/// GET /performance/metrics: one shape in two styles, formatted for people and plain numbers in base units.
#include <cmath>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include <hotwell/monitor.hpp>

namespace hotwell {
namespace {

enum class Style : std::uint8_t { people, raw };

/// Writes members in the order in which they are told, as the shape wants them.
class Writer {
 public:
  explicit Writer(Style style) : style_(style) {}

  void begin(std::string_view key = {}) { open(key, '{'); }
  void begin_list(std::string_view key) { open(key, '['); }
  void end() { close('}'); }
  void end_list() { close(']'); }

  void text(std::string_view key, std::string_view value) {
    name(key);
    json_ += boost::json::serialize(boost::json::string_view(value.data(), value.size()));
  }
  template <std::integral N>
  void number(std::string_view key, N value) {
    name(key);
    json_ += fmt::format_int(value).c_str();
  }
  void number(std::string_view key, double value) {
    name(key);
    json_ += fmt::format("{}", std::isfinite(value) ? value : 0.0);
  }

  void ratio(std::string_view key, double value) { styled(key, value, "{:.2f}%", value * 100); }
  void rate(std::string_view key, double per_second) { styled(key, per_second, "{:.2f} req/s", per_second); }
  void latency(std::string_view key, Duration value) { styled(key, seconds(value), "{:.2f}ms", seconds(value) * 1000); }
  void window(std::string_view key, Duration value) { styled(key, seconds(value), "{}s", seconds(value)); }
  void milliseconds(std::string_view key, Duration value) {
    number(key, style_ == Style::raw ? seconds(value) : std::round(seconds(value) * 1e5) / 100);
  }
  void size(std::string_view key, Bytes value) {
    if (style_ == Style::raw) return number(key, value.count);
    constexpr std::array units{"KB", "MB", "GB", "TB"};
    if (value.count < 1024) return text(key, fmt::format("{} B", value.count));
    auto amount = static_cast<double>(value.count) / 1024;
    std::size_t unit = 0;
    // What would print as 1024.00 belongs to the next unit.
    for (; amount >= 1023.995 && unit + 1 < units.size(); ++unit) amount /= 1024;
    text(key, fmt::format("{:.2f} {}", amount, units[unit]));
  }
  void uptime(std::string_view key, Duration value) {
    if (style_ == Style::raw) return number(key, seconds(value));
    const auto total = std::chrono::duration_cast<std::chrono::seconds>(value).count();
    const auto days = total / 86'400, hours = total / 3'600 % 24, minutes = total / 60 % 60, rest = total % 60;
    if (days > 0) return text(key, fmt::format("{}d {}h {}m", days, hours, minutes));
    if (hours > 0) return text(key, fmt::format("{}h {}m", hours, minutes));
    if (minutes > 0) return text(key, fmt::format("{}m {}s", minutes, rest));
    text(key, fmt::format("{}s", rest));
  }

  [[nodiscard]] std::string take() && { return std::move(json_); }

 private:
  static double seconds(Duration value) { return std::chrono::duration<double>(value).count(); }
  void styled(std::string_view key, double raw, fmt::format_string<double> format, double shown) {
    if (style_ == Style::raw) return number(key, raw);
    text(key, fmt::format(format, std::isfinite(shown) ? shown : 0.0));
  }
  /// Keys are this file's own literals: nothing in them needs escaping.
  void name(std::string_view key) {
    if (!first_) json_ += ',';
    first_ = false;
    if (key.empty()) return;
    json_ += '"';
    json_ += key;
    json_ += "\":";
  }
  void open(std::string_view key, char bracket) {
    name(key);
    json_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    json_ += bracket;
    first_ = false;
  }

  const Style style_;
  std::string json_;
  bool first_ = true;
};

std::string_view name_of(Trend trend) {
  switch (trend) {
    case Trend::rising: return "rising";
    case Trend::steady: return "steady";
    case Trend::falling: return "falling";
  }
  return "steady";
}

void write_tier(Writer& to, std::string_view key, const Metrics::Tier& tier) {
  to.begin(key);
  to.number("entries", tier.entries);
  to.size("size", tier.size);
  to.ratio("utilization", tier.utilization);
  to.ratio("hitRate", tier.hit_rate);
  to.number("hits", tier.hits);
  to.number("misses", tier.misses);
  to.end();
}

void write_by_priority(Writer& to, const Metrics::ByPriority& jobs) {
  to.begin("byPriority");
  to.number("high", jobs.high);
  to.number("normal", jobs.normal);
  to.number("low", jobs.low);
  to.end();
}

void write_endpoint(Writer& to, const Metrics::Endpoint& endpoint) {
  to.begin();
  to.text("endpoint", endpoint.endpoint);
  to.number("total", endpoint.total);
  to.number("failed", endpoint.failed);
  to.number("clientErrors", endpoint.client_errors);
  to.rate("throughput", endpoint.throughput);
  to.latency("avg", endpoint.avg);
  to.latency("p50", endpoint.p50);
  to.latency("p95", endpoint.p95);
  to.latency("p99", endpoint.p99);
  to.latency("min", endpoint.min);
  to.latency("max", endpoint.max);
  to.text("errorTrend", name_of(endpoint.errors));
  to.text("latencyTrend", name_of(endpoint.latency_trend));
  to.end();
}

std::string write(const Metrics& m, Style style) {
  Writer to(style);
  to.begin();
  to.window("window", m.window);

  to.begin("requests");
  to.number("total", m.requests.total);
  to.number("successful", m.requests.successful);
  to.number("failed", m.requests.failed);
  to.ratio("errorRate", m.requests.error_rate);
  to.rate("throughput", m.requests.throughput);
  to.text("trend", name_of(m.requests.trend));
  to.number("clientErrors", m.requests.client_errors);
  to.end();

  to.begin("latency");
  to.latency("avg", m.latency.avg);
  to.latency("p50", m.latency.p50);
  to.latency("p95", m.latency.p95);
  to.latency("p99", m.latency.p99);
  to.latency("min", m.latency.min);
  to.latency("max", m.latency.max);
  to.end();

  to.begin("system");
  to.ratio("cpu", m.system.cpu);
  to.ratio("memory", m.system.memory);
  to.uptime("uptime", m.system.uptime);
  to.number("cpuCount", m.system.cpu_count);
  to.end();

  to.begin("cache");
  write_tier(to, "memory", m.cache.memory);
  write_tier(to, "disk", m.cache.disk);
  write_tier(to, "stream", m.cache.stream);
  write_tier(to, "total", m.cache.total);
  to.end();

  to.begin("workers");
  to.number("max", m.workers.max);
  to.number("min", m.workers.min);
  to.number("idle", m.workers.idle);
  to.number("busy", m.workers.busy);
  to.number("total", m.workers.total);
  to.number("queuePending", m.queue.pending);
  write_by_priority(to, m.queue.by_priority);
  to.ratio("utilization", m.workers.utilization);
  double cpu = 0;
  Bytes memory;
  for (const auto& use : m.workers.use) {
    cpu += use.cpu;
    memory.count += use.memory.count;
  }
  to.number("cpu", cpu);
  to.size("memory", memory);
  to.end();

  to.begin("queue");
  to.number("pending", m.queue.pending);
  write_by_priority(to, m.queue.by_priority);
  to.end();

  to.begin("jobs");
  to.number("total", m.jobs.total);
  to.number("completed", m.jobs.completed);
  to.number("failed", m.jobs.failed);
  to.number("retried", m.jobs.retried);
  to.ratio("successRate", m.jobs.success_rate);
  to.number("cancelled", m.jobs.cancelled);
  to.end();

  to.begin("performance");
  to.milliseconds("avgExecutionTime", m.performance.avg_execution_time);
  to.number("workerReuses", m.performance.worker_reuses);
  to.ratio("reuseRate", m.performance.reuse_rate);
  to.end();

  to.begin("alerts");
  to.number("active", m.alerts.active.size());
  to.begin_list("types");
  for (const std::string& type : m.alerts.active) to.text("", type);
  to.end_list();
  to.end();

  to.begin_list("recommendations");
  for (const Metrics::Recommendation& one : m.recommendations) {
    to.begin();
    to.text("type", one.type);
    to.text("severity", to_string(one.severity));
    to.text("message", one.message);
    if (!one.knob.empty()) to.text("knob", one.knob);
    if (!one.effect.empty()) to.text("effect", one.effect);
    if (!one.evidence.empty()) {
      to.begin("evidence");
      for (const auto& [name, value] : one.evidence) to.number(name, value);
      to.end();
    }
    to.end();
  }
  to.end_list();

  to.begin_list("endpoints");
  for (const Metrics::Endpoint& endpoint : m.endpoints) write_endpoint(to, endpoint);
  to.end_list();
  to.end();
  return std::move(to).take();
}

}  // namespace

std::string to_json(const Metrics& metrics) { return write(metrics, Style::people); }
std::string to_raw_json(const Metrics& metrics) { return write(metrics, Style::raw); }

}  // namespace hotwell

/// The performance monitor: what happens now, in a rolling window, exactly counted and with real percentiles.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/event.hpp>
#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell {

/// Levels at which alerts are raised, in the units people speak: percent, percent, percent, jobs.
struct Thresholds {
  double cpu = 80;
  double memory = 85;
  double error_rate = 5;
  double queue_depth = 100;
};

struct MonitorOptions {
  Duration window = std::chrono::seconds{60};  ///< 1 s to 300 s
  Thresholds thresholds;
  bool enabled = true;                           ///< false: counters stay; sampling, alerts and recommendations are off
  Duration raise_for = std::chrono::seconds{5};  ///< an alert fires once its level was exceeded this long
  Duration clear_for = std::chrono::seconds{10};  ///< and resolves once it was below the clear level this long
  double clear_at = 0.9;                          ///< the clear level, as a part of the threshold
  std::uint64_t min_samples = 10;                 ///< fewer requests in the window raise no errorRate alert
};

/// How one request ended. A client error (a 4xx but 422 of a failed job) is the asker's own: it is counted beside
/// and stays among the successful ones.
enum class RequestOutcome : std::uint8_t { ok, client_error, failed };

enum class Trend : std::uint8_t { rising, steady, falling };

/// One reading of everything. Ratios are 0..1, times are Durations, sizes are Bytes; to_json() formats for people.
struct Metrics {
  Duration window{};
  struct Requests {
    std::uint64_t total = 0, successful = 0, failed = 0;
    std::uint64_t client_errors = 0;  ///< among the successful
    double error_rate = 0;            ///< failed / total
    double throughput = 0;            ///< requests a second: total / the time that the window really covers
    Trend trend = Trend::steady;
  } requests;
  struct Latency {
    Duration avg{}, p50{}, p95{}, p99{}, min{}, max{};
  } latency;
  struct System {
    double cpu = 0;     ///< of the processors this process may use
    double memory = 0;  ///< of the memory this process may use
    Duration uptime{};
    unsigned cpu_count = 0;  ///< honours affinity and a container's quota
  } system;
  /// The window by endpoint, busiest first.
  struct Endpoint {
    std::string endpoint;
    std::uint64_t total = 0, failed = 0, client_errors = 0;
    double throughput = 0;
    Duration avg{}, p50{}, p95{}, p99{}, min{}, max{};
  };
  std::vector<Endpoint> endpoints;
  struct Tier {
    std::uint64_t entries = 0;
    Bytes size;
    double utilization = 0;
    std::uint64_t hits = 0, misses = 0;
    double hit_rate = 0;
  };
  struct Cache {
    Tier memory, disk, stream, total;
  } cache;
  struct ByPriority {
    std::size_t high = 0, normal = 0, low = 0;
  };
  struct Workers {
    unsigned max = 0, min = 0, idle = 0, busy = 0, total = 0;
    double utilization = 0;
  } workers;
  struct Queue {
    std::size_t pending = 0;
    ByPriority by_priority;
  } queue;
  struct Jobs {
    std::uint64_t total = 0, completed = 0, failed = 0, cancelled = 0, retried = 0;
    double success_rate = 1;
  } jobs;
  struct Performance {
    Duration avg_execution_time{};
    std::uint64_t worker_reuses = 0;
    double reuse_rate = 0;
  } performance;
  struct Alerts {
    std::vector<std::string> active;  ///< types: "cpu", "memory", "errorRate", "queueDepth"
  } alerts;
  struct Recommendation {
    std::string type;
    Severity severity = Severity::info;
    std::string message;
  };
  std::vector<Recommendation> recommendations;  ///< the gravest first; never empty while monitoring is on
};

/// The body of GET /performance/metrics, formatted for people.
[[nodiscard]] std::string to_json(const Metrics& metrics);
/// The same names with plain numbers in base units (?format=raw).
[[nodiscard]] std::string to_raw_json(const Metrics& metrics);

/// Ownership: one background thread between start() and stop(). Threads: any; recording takes no lock and does not
/// allocate once an endpoint is known to the calling thread.
class Monitor {
 public:
  /// Errors: a window out of range is thrown as Failure.
  explicit Monitor(MonitorOptions options = {});
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// Begins the seconds: sampling the system, rolling the window, judging alerts. Counting works without it, but then
  /// the window reaches back to the last metrics() call before it. A second start() without stop() does nothing.
  void start();
  /// Joins the background thread; called by the destructor. Not from an alert's listener.
  void stop();

  /// Counts one finished request. `endpoint` is a route, not an address: keep their number small (256 are kept, the
  /// rest are counted together as "__other__").
  void track_request(Duration duration, RequestOutcome outcome, std::string_view endpoint);
  void track_request(Duration duration, bool ok, std::string_view endpoint) {
    track_request(duration, ok ? RequestOutcome::ok : RequestOutcome::failed, endpoint);
  }

  /// Tracks the scope it lives in as one request; ok unless failed() or client_error() is called.
  class ScopeTimer {
   public:
    ScopeTimer(Monitor& monitor, std::string endpoint);
    ~ScopeTimer();
    ScopeTimer(const ScopeTimer&) = delete;
    ScopeTimer& operator=(const ScopeTimer&) = delete;
    void failed() noexcept { outcome_ = RequestOutcome::failed; }
    void client_error() noexcept { outcome_ = RequestOutcome::client_error; }

   private:
    Monitor& monitor_;
    std::string endpoint_;
    std::chrono::steady_clock::time_point began_;
    RequestOutcome outcome_ = RequestOutcome::ok;
  };
  [[nodiscard]] ScopeTimer time(std::string endpoint) { return ScopeTimer{*this, std::move(endpoint)}; }

  /// Fills in what other parts count (cache, workers, queue, jobs). Threads: called by every metrics() on its thread
  /// and once a second on the monitor's, so that whatever it reads must outlive stop().
  void add_source(std::function<void(Metrics&)> source);

  /// Includes all that was recorded before the call, the running second too.
  [[nodiscard]] Metrics metrics() const;
  /// Prometheus text exposition, base units, names beginning with hotwell_.
  [[nodiscard]] std::string prometheus() const;

  template <class E>
  [[nodiscard]] Subscription on(std::function<void(const E&)> listener) {
    return events().template on<E>(std::move(listener));
  }
  [[nodiscard]] MonitorEvents& events();

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace hotwell

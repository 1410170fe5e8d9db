/// The performance monitor: what happens now, in a rolling window, exactly counted and with real percentiles.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/event.hpp>
#include <hotwell/knob.hpp>
#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell {

/// Levels at which alerts are raised, in the units people speak: percent, percent, percent, jobs; then seconds,
/// percent, jobs, crashes, percentage points, and times the failures that one percent allows. 0 turns one of the latter
/// off.
struct Thresholds {
  double cpu = 80;
  double memory = 85;
  double error_rate = 5;
  double queue_depth = 100;
  double latency_p99 = 0;     ///< the target for the window's p99, in seconds
  double disk = 90;           ///< used part of the file system with the data directory
  double dead_letters = 0.5;  ///< jobs that used up their attempts within five minutes
  double crash_loop = 5;      ///< attempts that crashed within five minutes
  double hit_ratio = 20;      ///< how far the last five minutes' hit ratio lies below the last hour's
  double burn_rate = 14.4;    ///< of the error budget (1 % of requests), over an hour and five minutes at once
};

/// Where notifications go. Secrets are read from a file or from the environment (HOTWELL_ALERTS_<NAME>_PASSWORD,
/// HOTWELL_ALERTS_<NAME>_URL) and never shown.
struct ChannelOptions {
  std::string name{};
  std::string kind = "log";       ///< log, webhook, slack, email, alertmanager
  std::string url{};              ///< http(s)://..., of email smtp(s)://HOST:PORT
  std::string from{};             ///< email
  std::vector<std::string> to{};  ///< email
  std::string username{};         ///< email; webhook and alertmanager: basic authentication
  std::filesystem::path password_file{};

  friend bool operator==(const ChannelOptions&, const ChannelOptions&) = default;
};

/// An alert of one's own: over any series of Monitor::series_names(). Levels are in the series' unit (seconds, bytes, a
/// ratio of 0 to 1, per second).
struct AlertRuleOptions {
  std::string name{};       ///< the alert's type
  std::string series{};     ///< "latency.p95", "cache.hit_ratio", ...
  std::string endpoint{};   ///< of this endpoint alone (names that begin with requests. and latency.)
  std::string operation{};  ///< or of this operation's jobs
  bool below = false;       ///< raised below its level instead of above it
  double level = 0;
  std::optional<double> clear{};  ///< absent: a tenth of the level back
  Duration window = std::chrono::minutes{1};
  std::optional<Duration> raise_for{}, clear_for{};  ///< absent: the monitor's
  Severity severity = Severity::warning;
  std::uint64_t min_samples = 0;  ///< with fewer requests (or readings) in the window nothing is raised
  std::string message{};          ///< begins the summary; absent: the series' name

  friend bool operator==(const AlertRuleOptions&, const AlertRuleOptions&) = default;
};
/// With the members of [[alerts.rule]], durations in seconds.
[[nodiscard]] std::string to_json(const AlertRuleOptions& rule);
/// Errors: invalid_argument with the member's name and what was expected; whether the rule makes sense a monitor says.
[[nodiscard]] Result<AlertRuleOptions> alert_rule_from_json(std::string_view json);

struct MonitorOptions {
  Duration window = std::chrono::seconds{60};  ///< 1 s to 300 s
  Thresholds thresholds;
  bool enabled = true;                           ///< false: counters stay; sampling, alerts and recommendations are off
  Duration raise_for = std::chrono::seconds{5};  ///< an alert fires once its level was exceeded this long
  Duration clear_for = std::chrono::seconds{10};  ///< and resolves once it was below the clear level this long
  double clear_at = 0.9;                          ///< the clear level, as a part of the threshold
  std::uint64_t min_samples = 10;                 ///< fewer requests in the window raise no errorRate alert
  std::filesystem::path directory{};              ///< where history and alerts are kept across restarts; empty: nowhere
  std::vector<ChannelOptions> channels{};
  std::vector<AlertRuleOptions> rules{};
  std::string instance{};  ///< the label by which receivers tell daemons apart; empty: the machine's name
};

enum class AlertState : std::uint8_t {
  no_data,  ///< there is nothing to judge
  inactive,
  pending,  ///< above the raise level, not yet for long enough
  firing,
  clearing,  ///< still firing, at or below the clear level, not yet for long enough
  resolved,  ///< ended within the last minutes
};
[[nodiscard]] std::string_view to_string(AlertState state) noexcept;

/// One rule as it stands.
struct AlertStatus {
  std::string type;
  AlertState state = AlertState::inactive;
  Severity severity = Severity::warning;  ///< of this firing; it does not change before its end
  std::optional<double> value;            ///< what was seen last
  double raise = 0, clear = 0;
  std::string unit{};                ///< of value and levels: "%", "seconds", "ratio", "bytes", "1/s", ""
  bool below = false;                ///< raised below its level
  bool own = false;                  ///< a rule of the configuration, or one that was added
  bool added = false;                ///< by Monitor::add_rule()
  std::optional<WallTime> started;   ///< of the firing
  std::optional<WallTime> resolved;  ///< its end
  std::string fingerprint;           ///< of its labels, as Alertmanager computes it
  std::string summary;               ///< what it means, with its numbers
  std::string silenced_by;           ///< a silence's id; empty: none
  std::string inhibited_by;          ///< another alert's type; empty: none
  bool told = false;                 ///< its firing was handed to the channels
  [[nodiscard]] bool active() const { return state == AlertState::firing || state == AlertState::clearing; }
};

/// Alerts whose labels (alertname, severity, instance) match are not told while it lasts.
struct Silence {
  std::string id{};                               ///< given by the monitor
  std::map<std::string, std::string> matchers{};  ///< label to value, exactly; not empty
  WallTime starts{};
  WallTime ends{};
  std::string created_by{};
  std::string comment{};
};

struct ChannelStatus {
  std::string name;
  std::string kind;
  std::size_t pending = 0;                                ///< deliveries that wait for an answer, or for it to be noted
  std::uint64_t delivered = 0, retried = 0, dropped = 0;  ///< since the start
  std::string last_error;                                 ///< of the newest attempt; empty where it went well
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
    Duration avg{}, p50{}, p95{}, p99{}, p999{}, min{}, max{};
  } latency;
  struct System {
    double cpu = 0;     ///< of the processors this process may use
    double memory = 0;  ///< of the memory this process may use
    Duration uptime{};
    unsigned cpu_count = 0;  ///< honours affinity and a container's quota
    double throttled = 0;    ///< part of the last second's periods in which the quota held this process back
    /// Part of the last ten seconds in which somebody waited for it (PSI); of the container where it tells.
    double pressure_cpu = 0, pressure_memory = 0, pressure_io = 0;
    Bytes disk_size, disk_free;                   ///< of the file system with the data directory; 0 without one
    double disk = 0;                              ///< its used part, as an unprivileged writer sees it
    std::uint64_t open_files = 0, max_files = 0;  ///< descriptors of this process
    double process_cpu = 0;                       ///< processors that this process used in the last second
    Bytes process_memory;                         ///< resident
  } system;
  /// The window by endpoint, busiest first.
  struct Endpoint {
    std::string endpoint;
    std::uint64_t total = 0, failed = 0, client_errors = 0;
    double throughput = 0;
    Duration avg{}, p50{}, p95{}, p99{}, p999{}, min{}, max{};
    double time_share = 0;  ///< its part of the time that all endpoints' requests took
    Trend errors = Trend::steady, latency_trend = Trend::steady;  ///< the window's newer half against the older
    /// The same over the hour before, as far as it is remembered.
    struct Before {
      double throughput = 0, error_rate = 0;
      Duration avg{}, p95{};
    };
    std::optional<Before> before;
  };
  std::vector<Endpoint> endpoints;
  /// The window's jobs by operation, busiest first; latencies are run times of completed attempts.
  std::vector<Endpoint> operations;
  struct Tier {
    std::uint64_t entries = 0;
    Bytes size;
    double utilization = 0;
    std::uint64_t hits = 0, misses = 0;
    double hit_rate = 0;
    Bytes limit;  ///< 0: none that is known
    std::uint64_t sets = 0, evictions = 0, expiries = 0;
  };
  struct Cache {
    Tier memory, disk, stream, total;
    std::uint64_t promotions = 0, demotions = 0;
  } cache;
  struct ByPriority {
    std::size_t high = 0, normal = 0, low = 0;
  };
  struct Workers {
    unsigned max = 0, min = 0, idle = 0, busy = 0, total = 0;
    double utilization = 0;
    /// By worker type: what its processes used of processors and memory about a second ago.
    struct Use {
      std::string type;
      unsigned workers = 0;
      double cpu = 0;         ///< processors
      Bytes memory, largest;  ///< of all, and of the one that has most
    };
    std::vector<Use> use{};
  } workers;
  struct Queue {
    std::size_t pending = 0;
    ByPriority by_priority;
  } queue;
  struct Jobs {
    std::uint64_t total = 0, completed = 0, failed = 0, cancelled = 0, retried = 0;
    double success_rate = 1;
    std::uint64_t dead = 0;                                      ///< among the failed: attempts or crashes used up
    std::uint64_t crashes = 0, timeouts = 0, out_of_memory = 0;  ///< attempts that ended so
    std::uint64_t worker_exits = 0;                              ///< processes that ended, for any reason
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
    std::string message;                                     ///< what is seen, and what to do
    std::vector<std::pair<std::string, double>> evidence{};  ///< the numbers that it stands on, by name
    std::string knob{};                                      ///< what to turn; empty: no knob helps
    std::string effect{};                                    ///< what that should gain
  };
  std::vector<Recommendation> recommendations;  ///< the gravest first; never empty while monitoring is on
};

/// The body of GET /performance/metrics, formatted for people.
[[nodiscard]] std::string to_json(const Metrics& metrics);
/// The same names with plain numbers in base units (?format=raw).
[[nodiscard]] std::string to_raw_json(const Metrics& metrics);

/// A question about the past. Names are those of Monitor::series_names().
struct SeriesQuery {
  std::vector<std::string> names{};
  Duration window = std::chrono::minutes{5};  ///< 5 min are kept by the second, 1 h by ten, 24 h by the minute
  std::string endpoint{};   ///< of this endpoint's requests alone (names that begin with requests. and latency.)
  std::string operation{};  ///< or of this operation's jobs
};
/// Its answer: columns of one length, oldest first. Units: base units; seconds since 1970.
struct SeriesData {
  std::int64_t from = 0;  ///< when the first value's time began
  std::int64_t step = 1;  ///< seconds from one value to the next
  std::size_t count = 0;
  struct Column {
    std::string name;
    std::string unit;
    std::vector<double> values;  ///< not a number: nothing is known of that time
  };
  std::vector<Column> series;
};
struct SeriesName {
  std::string_view name;
  std::string_view unit;  ///< "1/s", "ratio", "seconds", "bytes", ""
  std::string_view description;
  bool labelled = false;  ///< may be asked of one endpoint or operation
};

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

  /// An endpoint looked up once: the quickest way to record.
  class Endpoint {
    friend class Monitor;
    explicit Endpoint(std::size_t number) : number_(number) {}
    std::size_t number_;
  };
  [[nodiscard]] Endpoint endpoint(std::string_view name);
  /// Precondition: `endpoint` is this monitor's.
  void track_request(Duration duration, RequestOutcome outcome, Endpoint endpoint);

  /// Counts one finished job of an operation; `duration` is of the attempt that completed it, absent where it failed.
  void track_job(std::optional<Duration> duration, std::string_view operation);

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
  [[nodiscard]] std::vector<AlertStatus> alerts() const;
  [[nodiscard]] std::vector<Silence> silences() const;
  /// Begins a silence, now if it names no start; returns it with its id. Errors: invalid_argument.
  Result<Silence> silence(Silence silence);
  /// Errors: not_found.
  Result<void> end_silence(std::string_view id);
  [[nodiscard]] std::vector<ChannelStatus> channels() const;
  /// Sends a test notification at once; `done` is called once, on the channel's thread, with what came of it, or with
  /// not_found before the call returns.
  void test_channel(std::string_view name, std::function<void(Result<void>)> done);
  /// monitor.thresholds.*, monitor.for, monitor.window, ...
  void register_knobs(Knobs& knobs);
  /// Other rules of one's own from now on. One of an alert that fires and is no more ends after its `clear_for`; a
  /// firing of one that stays goes on. Errors: invalid_argument, and nothing changed.
  Result<void> set_rules(std::vector<AlertRuleOptions> rules);
  /// Adds a rule beside those, or changes one that was added. It is kept in the options' directory, if there is one,
  /// until remove_rule(). Errors: invalid_argument; io, disk_full; and nothing changed.
  Result<void> add_rule(AlertRuleOptions rule);
  /// Errors: not_found where none of this name was added; io, disk_full; and nothing changed.
  Result<void> remove_rule(std::string_view name);
  [[nodiscard]] std::vector<AlertRuleOptions> added_rules() const;

  /// Other channels from now on. One that is as it was goes on; what waits for one that is gone is dropped; one that is
  /// new or changed is told what fires now. Errors: invalid_argument, and nothing changed.
  Result<void> set_channels(const std::vector<ChannelOptions>& channels);

  /// Fills in the endpoints' `before`.
  void compare(Metrics& metrics) const;
  /// The past of some series, at the finest grain that goes back so far. Errors: invalid_argument (an unknown name, a
  /// window out of range).
  [[nodiscard]] Result<SeriesData> series(const SeriesQuery& query) const;
  [[nodiscard]] static std::vector<SeriesName> series_names();
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

/// The monitor behind its public face: recorder, window, system sampler and alerts, and the thread that gives them
/// their seconds. Clock and file system are handed in, so that tests need neither.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <hotwell/monitor.hpp>

#include "host/clock.hpp"
#include "monitor/alert_desk.hpp"
#include "monitor/past.hpp"
#include "monitor/prometheus.hpp"
#include "monitor/recorder.hpp"
#include "monitor/system.hpp"
#include "monitor/window.hpp"

namespace hotwell {

/// Threads: any. Order of locks: `rules_mutex_`, `mutex_`, then the desk's; nothing is written under `mutex_`, and
/// sources and listeners run under none.
class Monitor::Impl {
 public:
  struct Seams {
    const host::Clock& clock = host::system_clock();
    std::filesystem::path root = "/";
  };
  /// Precondition: check(options). Throws Failure where a channel cannot be made.
  explicit Impl(MonitorOptions options) : Impl(std::move(options), Seams{}) {}
  Impl(MonitorOptions options, Seams seams);
  ~Impl() { stop(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] static Result<void> check(const MonitorOptions& options);

  void start();
  void stop();
  monitor::Recorder& recorder() { return recorder_; }
  monitor::Recorder& operations() { return operations_; }
  void add_source(std::function<void(Metrics&)> source);
  [[nodiscard]] Metrics metrics();
  void compare(Metrics& metrics);
  [[nodiscard]] monitor::AlertDesk& desk() { return desk_; }
  void register_knobs(Knobs& knobs);
  Result<void> set_rules(std::vector<AlertRuleOptions> rules);
  Result<void> set_channels(const std::vector<ChannelOptions>& channels);
  Result<void> add_rule(AlertRuleOptions rule);
  Result<void> remove_rule(std::string_view name);
  [[nodiscard]] std::vector<AlertRuleOptions> added_rules();
  [[nodiscard]] Result<SeriesData> series(const SeriesQuery& query);
  [[nodiscard]] std::string prometheus();
  [[nodiscard]] MonitorEvents& events() { return events_; }

  /// What the thread does once a second: rolls the window, samples the system, judges the alerts, tells their changes.
  void tick();

 private:
  using Sources = std::vector<std::function<void(Metrics&)>>;

  /// Rules are checked, saved and then in force, or nothing changed.
  Result<void> change_rules(std::vector<AlertRuleOptions> rules, std::vector<AlertRuleOptions> added);
  [[nodiscard]] Metrics collect();
  /// What the monitor does not measure itself.
  void complete(Metrics& metrics, const Sources& sources);
  void roll(host::MonoTime now);
  void sample(host::MonoTime now);
  [[nodiscard]] MonitorOptions options();
  void fill_system(Metrics& metrics, host::MonoTime now) const;
  void run(const std::stop_token& stop);

  const bool enabled_;
  const std::filesystem::path directory_;
  const host::Clock& clock_;
  const std::filesystem::path root_;
  const host::MonoTime began_;
  monitor::Recorder recorder_;
  monitor::Recorder operations_;
  MonitorEvents events_;
  std::vector<AlertRuleOptions> added_;  ///< rules beside those of the options; guarded by `mutex_`
  monitor::AlertDesk desk_;              ///< has a lock of its own

  std::mutex rules_mutex_;  ///< changes of the rules take turns
  std::mutex mutex_;        ///< guards what follows
  MonitorOptions options_;
  monitor::Window window_;
  monitor::Window operations_window_;
  monitor::Exported exported_, exported_operations_;
  monitor::Past past_;
  bool second_ended_ = false;  ///< since the last tick
  monitor::System system_;
  monitor::SystemReading system_reading_;
  monitor::ProcessReading process_;
  monitor::DiskReading disk_;
  double process_cpu_ = 0;  ///< processors, from the reading before to `process_`
  host::MonoTime sampled_;
  std::shared_ptr<const Sources> sources_ = std::make_shared<Sources>();

  std::atomic<std::size_t> scraped_{0};  ///< how long the next scrape may be

  std::mutex thread_mutex_;  ///< start and stop
  std::jthread thread_;
};

}  // namespace hotwell

/// The monitor behind its public face: recorder, window, system sampler and alerts, and the thread that gives them
/// their seconds. Clock and file system are handed in, so that tests need neither.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <hotwell/monitor.hpp>

#include "host/clock.hpp"
#include "monitor/alerts.hpp"
#include "monitor/recorder.hpp"
#include "monitor/system.hpp"
#include "monitor/window.hpp"

namespace hotwell {

/// Threads: any. Order of locks: `mutex_` alone; sources and listeners run under none.
class Monitor::Impl {
 public:
  struct Seams {
    const host::Clock& clock = host::system_clock();
    std::filesystem::path root = "/";
  };
  /// Precondition: check(options).
  explicit Impl(MonitorOptions options) : Impl(std::move(options), Seams{}) {}
  Impl(MonitorOptions options, Seams seams);
  ~Impl() { stop(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] static Result<void> check(const MonitorOptions& options);

  void start();
  void stop();
  monitor::Recorder& recorder() { return recorder_; }
  void add_source(std::function<void(Metrics&)> source);
  [[nodiscard]] Metrics metrics();
  [[nodiscard]] std::string prometheus();
  [[nodiscard]] MonitorEvents& events() { return events_; }

  /// What the thread does once a second: rolls the window, samples the system, judges the alerts, tells their changes.
  void tick();

 private:
  using Sources = std::vector<std::function<void(Metrics&)>>;

  [[nodiscard]] Metrics collect();
  void roll(host::MonoTime now);
  void run(const std::stop_token& stop);

  const MonitorOptions options_;
  const host::Clock& clock_;
  const std::filesystem::path root_;
  const host::MonoTime began_;
  monitor::Recorder recorder_;
  MonitorEvents events_;

  std::mutex mutex_;  ///< guards what follows
  monitor::Window window_;
  monitor::System system_;
  monitor::SystemReading system_reading_;
  host::MonoTime sampled_;
  std::vector<monitor::AlertMachine> alerts_;
  std::shared_ptr<const Sources> sources_ = std::make_shared<Sources>();

  std::mutex thread_mutex_;  ///< start and stop
  std::jthread thread_;
};

}  // namespace hotwell

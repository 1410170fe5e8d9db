#include <algorithm>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "monitor/impl.hpp"
#include "sim/clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;

/// A monitor whose seconds pass when the test says so, on a machine whose numbers the test writes.
class Machine {
 public:
  explicit Machine(MonitorOptions options = {}) {
    std::filesystem::create_directories(directory_.path() / "proc/self");
    write("proc/self/status", "Cpus_allowed_list:\t0\n");
    stat();
    memory(0.5);
    monitor_ = std::make_unique<Monitor::Impl>(options, Monitor::Impl::Seams{clock_, directory_.path()});
    monitor_->add_source([this](Metrics& metrics) { metrics.queue.pending = pending; });
    fired_ = monitor_->events().on<Alert>([this](const Alert& alert) {
      told += "+" + alert.type;
      last = alert;
    });
    resolved_ = monitor_->events().on<AlertResolved>([this](const AlertResolved& alert) { told += "-" + alert.type; });
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Monitor::Impl& operator*() { return *monitor_; }
  Monitor::Impl* operator->() { return monitor_.get(); }
  void request(int times, RequestOutcome outcome = RequestOutcome::ok, Duration duration = 1ms) {
    for (int i = 0; i < times; ++i) monitor_->recorder().record(duration, outcome, "GET /a");
  }
  /// Lets seconds pass with a processor that is busy for `busy` percent of them.
  void pass(int seconds, int busy = 0) {
    for (int i = 0; i < seconds; ++i) {
      clock_.advance(1s);
      busy_ += busy;
      idle_ += 100 - busy;
      stat();
      monitor_->tick();
    }
  }
  void memory(double used) {
    write("proc/meminfo",
          "MemTotal: 1000 kB\nMemAvailable: " + std::to_string(static_cast<int>(1000 * (1 - used))) + " kB\n");
  }

  std::size_t pending = 0;
  std::string told;  ///< "+cpu-cpu": what was published
  Alert last{};

 private:
  void write(const char* path, const std::string& text) { std::ofstream(directory_.path() / path) << text; }
  void stat() {
    write("proc/stat", "cpu0 " + std::to_string(busy_) + " 0 0 " + std::to_string(idle_) + " 0 0 0 0 0 0\n");
  }

  sim::FakeClock clock_;
  test::TempDir directory_;
  long busy_ = 0, idle_ = 0;
  std::unique_ptr<Monitor::Impl> monitor_;
  Subscription fired_, resolved_;
};

TEST(Monitor, MetricsHoldEverythingRecordedBeforeTheCall) {
  Monitor monitor;
  EXPECT_EQ(monitor.metrics().requests.total, 0U);
  monitor.track_request(42ms, true, "GET /video");
  monitor.track_request(10ms, false, "GET /video");
  monitor.track_request(20ms, RequestOutcome::client_error, "GET /image");
  std::jthread([&] { monitor.track_request(30ms, true, "GET /image"); }).join();
  const Metrics m = monitor.metrics();
  EXPECT_EQ(m.window, 60s);
  EXPECT_EQ(m.requests.total, 4U);
  EXPECT_EQ(m.requests.successful, 3U);
  EXPECT_EQ(m.requests.failed, 1U);
  EXPECT_EQ(m.requests.client_errors, 1U);
  EXPECT_DOUBLE_EQ(m.requests.error_rate, 0.25);
  EXPECT_EQ(m.latency.min, 10ms);
  EXPECT_EQ(m.latency.max, 42ms);
  EXPECT_EQ(m.latency.avg, 25'500us);
  ASSERT_EQ(m.endpoints.size(), 2U);
  EXPECT_EQ(m.endpoints[0].endpoint, "GET /video");
  EXPECT_EQ(m.endpoints[0].failed, 1U);
  EXPECT_GE(m.system.cpu_count, 1U);
}

TEST(Monitor, AScopeTimerTracksItsScope) {
  Monitor monitor;
  {
    auto timing = monitor.time("render");
  }
  {
    auto timing = monitor.time("render");
    timing.failed();
  }
  {
    auto timing = monitor.time("render");
    timing.client_error();
  }
  const Metrics m = monitor.metrics();
  ASSERT_EQ(m.endpoints.size(), 1U);
  EXPECT_EQ(m.endpoints[0].endpoint, "render");
  EXPECT_EQ(m.requests.total, 3U);
  EXPECT_EQ(m.requests.failed, 1U);
  EXPECT_EQ(m.requests.client_errors, 1U);
}

TEST(Monitor, OptionsOutOfRangeAreRefusedInWords) {
  for (const Duration window : {Duration{0}, Duration{999ms}, Duration{301s}, Duration{-1s}}) {
    try {
      const Monitor monitor({.window = window});
      ADD_FAILURE() << "accepted " << to_string(window);
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.error().code, Code::invalid_argument);
      EXPECT_NE(failure.error().message.find("window"), std::string::npos);
    }
  }
  EXPECT_THROW(Monitor({.clear_at = 1.5}), Failure);
  const Monitor shortest({.window = 1s});
  const Monitor longest({.window = 300s});
}

TEST(Monitor, SourcesFillInWhatOthersCount) {
  Monitor monitor;
  monitor.add_source([](Metrics& m) { m.jobs.total = 7; });
  monitor.add_source([](Metrics& m) { m.workers.max = 8; });
  EXPECT_EQ(monitor.metrics().jobs.total, 7U);
  EXPECT_EQ(monitor.metrics().workers.max, 8U);
}

TEST(Monitor, SystemIsMeasuredBetweenTicks) {
  Machine machine;
  machine.pass(1, 40);
  Metrics m = machine->metrics();
  EXPECT_DOUBLE_EQ(m.system.cpu, 0.4);
  EXPECT_DOUBLE_EQ(m.system.memory, 0.5);
  EXPECT_EQ(m.system.cpu_count, 1U);
  EXPECT_EQ(m.system.uptime, 1s);
  machine.pass(3, 70);
  EXPECT_DOUBLE_EQ(machine->metrics().system.cpu, 0.7);
}

TEST(Monitor, AnAlertIsToldOnceAndItsEndOnce) {
  Machine machine;
  machine.pass(20, 95);
  EXPECT_EQ(machine.told, "+cpu");
  EXPECT_DOUBLE_EQ(machine.last.value, 95);
  EXPECT_DOUBLE_EQ(machine.last.threshold, 80);
  EXPECT_EQ(machine.last.severity, Severity::critical);
  EXPECT_EQ(machine->metrics().alerts.active, std::vector<std::string>{"cpu"});
  EXPECT_EQ(machine->metrics().recommendations.front().type, "cpu");
  machine.pass(20, 10);
  EXPECT_EQ(machine.told, "+cpu-cpu");
  EXPECT_TRUE(machine->metrics().alerts.active.empty());
  EXPECT_EQ(machine->metrics().recommendations.front().type, "health");
}

TEST(Monitor, EveryThresholdHasItsAlert) {
  Machine machine;
  machine.memory(0.9);
  machine.pending = 101;
  machine.request(90);
  machine.request(10, RequestOutcome::failed);
  machine.pass(6);
  EXPECT_EQ(machine.told, "+memory+errorRate+queueDepth");
  EXPECT_EQ(machine->metrics().alerts.active, (std::vector<std::string>{"memory", "errorRate", "queueDepth"}));
  machine.memory(0.1);
  machine.pending = 0;
  machine.pass(80);
  EXPECT_EQ(machine.told, "+memory+errorRate+queueDepth-memory-queueDepth-errorRate");
}

TEST(Monitor, AFewFailuresWithoutTrafficRaiseNothing) {
  Machine machine;
  machine.request(9, RequestOutcome::failed);
  machine.pass(30);
  EXPECT_EQ(machine.told, "");
}

TEST(Monitor, ClientErrorsRaiseNothing) {
  Machine machine;
  machine.request(1000, RequestOutcome::client_error);
  machine.pass(30);
  EXPECT_EQ(machine.told, "");
  EXPECT_EQ(machine->metrics().requests.successful, 1000U);
}

TEST(Monitor, TheWindowOfTheOptionsIsTheOneShown) {
  Machine machine({.window = 10s});
  machine.request(500);
  machine.pass(5);
  machine.request(500);
  EXPECT_EQ(machine->metrics().requests.total, 1000U);
  EXPECT_DOUBLE_EQ(machine->metrics().requests.throughput, 200) << "1,000 in the 5 s since the start";
  machine.pass(6);
  EXPECT_EQ(machine->metrics().requests.total, 500U);
  EXPECT_DOUBLE_EQ(machine->metrics().requests.throughput, 50);
  EXPECT_EQ(to_json(machine->metrics()).substr(0, 15), R"({"window":"10s")");
}

TEST(Monitor, WhereDisabledItOnlyCounts) {
  Machine machine({.enabled = false});
  machine.request(10, RequestOutcome::failed);
  machine.pass(30, 99);
  const Metrics m = machine->metrics();
  EXPECT_EQ(m.requests.total, 10U);
  EXPECT_EQ(m.system.cpu, 0);
  EXPECT_EQ(m.system.memory, 0);
  EXPECT_EQ(m.system.cpu_count, 1U);
  EXPECT_TRUE(m.recommendations.empty());
  EXPECT_EQ(machine.told, "");
}

TEST(Monitor, ItsThreadGivesTheSeconds) {
  // The machine that runs this may be busy: only the queue may raise an alert.
  Monitor monitor({.thresholds = {.cpu = 101, .memory = 101, .queue_depth = 1}, .raise_for = 0s});
  monitor.add_source([](Metrics& m) { m.queue.pending = 2; });
  std::promise<Alert> alert;
  const auto subscription = monitor.on<Alert>([&](const Alert& a) {
    if (a.type == "queueDepth") alert.set_value(a);
  });
  monitor.start();
  monitor.start();
  auto told = alert.get_future();
  ASSERT_EQ(told.wait_for(60s), std::future_status::ready);
  EXPECT_DOUBLE_EQ(told.get().value, 2);
  monitor.stop();
  monitor.stop();
  EXPECT_EQ(monitor.metrics().alerts.active, std::vector<std::string>{"queueDepth"});
}

TEST(Monitor, RecordingAndReadingGoOnTogether) {
  Monitor monitor;
  monitor.start();
  constexpr int each = 20'000;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < each; ++i) monitor.track_request(Duration{i}, i % 7 != 0, i % 2 == 0 ? "a" : "b");
    });
  std::uint64_t seen = 0;
  for (int i = 0; i < 50; ++i) {
    const auto total = monitor.metrics().requests.total;
    EXPECT_GE(total, seen);
    seen = total;
    if (i % 10 == 0) {
      EXPECT_FALSE(monitor.prometheus().empty());
    }
  }
  threads.clear();
  EXPECT_EQ(monitor.metrics().requests.total, 3U * each);
}

MonitorOptions at_once(const std::filesystem::path& directory) {
  MonitorOptions options;
  options.raise_for = options.clear_for = 0s;
  options.directory = directory;
  return options;
}

AlertRuleOptions waiting_above(double level) {
  return {.name = "waiting", .series = "queue", .level = level, .window = 1s};
}

TEST(Monitor, ARuleThatIsAddedIsJudgedChangedAndTakenAway) {
  const test::TempDir kept;
  Machine machine(at_once(kept.path()));
  machine.pending = 5;
  ASSERT_TRUE(machine->add_rule(waiting_above(3)));
  machine.pass(2);
  EXPECT_EQ(machine.told, "+waiting");
  EXPECT_EQ(machine.last.threshold, 3);
  const auto statuses = machine->desk().statuses();
  const auto added = std::ranges::find(statuses, "waiting", &AlertStatus::type);
  ASSERT_NE(added, statuses.end());
  EXPECT_TRUE(added->own && added->added);
  ASSERT_TRUE(machine->add_rule(waiting_above(10)));
  machine.pass(2);
  EXPECT_EQ(machine.told, "+waiting-waiting") << "the new level counts, and the firing was the same alert's";
  ASSERT_EQ(machine->added_rules().size(), 1U);
  ASSERT_TRUE(machine->remove_rule("waiting"));
  EXPECT_TRUE(machine->added_rules().empty());
  EXPECT_EQ(machine->remove_rule("waiting").error().code, Code::not_found);
}

TEST(Monitor, AnAddedRuleThatMakesNoSenseChangesNothing) {
  const test::TempDir kept;
  Machine machine(at_once(kept.path()));
  ASSERT_TRUE(machine->add_rule(waiting_above(3)));
  auto wrong = waiting_above(3);
  wrong.series = "no.such";
  EXPECT_NE(machine->add_rule(wrong).error().message.find("no series \"no.such\""), std::string::npos);
  wrong = {.name = "cpu", .series = "queue", .level = 1};
  EXPECT_EQ(machine->add_rule(wrong).error().code, Code::invalid_argument) << "one of the monitor's own";
  EXPECT_FALSE(machine->set_rules({waiting_above(7)})) << "the configuration cannot take its name";
  EXPECT_EQ(machine->added_rules(), std::vector{waiting_above(3)});
  EXPECT_NE(machine->remove_rule("cpu").error().message.find("was not added"), std::string::npos);
}

TEST(Monitor, AddedRulesSurviveARestartAndTheConfigurationComesFirst) {
  const test::TempDir kept;
  {
    Machine machine(at_once(kept.path()));
    machine.pending = 5;
    ASSERT_TRUE(machine->add_rule(waiting_above(3)));
    machine.pass(2);
    EXPECT_EQ(machine.told, "+waiting");
  }
  {
    Machine again(at_once(kept.path()));
    EXPECT_EQ(again->added_rules(), std::vector{waiting_above(3)});
    again.pending = 5;
    again.pass(2);
    EXPECT_EQ(again.told, "") << "it fires still, which was told";
    EXPECT_EQ(again->desk().active(), std::vector<std::string>{"waiting"});
  }
  auto configured = at_once(kept.path());
  configured.rules = {waiting_above(50)};
  Machine third(configured);
  EXPECT_TRUE(third->added_rules().empty());
  third.pass(1);
  EXPECT_EQ(third.told, "-waiting");
}

TEST(Monitor, ARuleThatCannotBeKeptIsNotInForce) {
  const test::TempDir kept;
  std::ofstream(kept.path() / "file") << "in the way";
  Machine machine(at_once(kept.path() / "file"));
  EXPECT_FALSE(machine->add_rule(waiting_above(3)));
  EXPECT_TRUE(machine->added_rules().empty());
  Machine nowhere(at_once({}));
  EXPECT_TRUE(nowhere->add_rule(waiting_above(3))) << "without a directory it lasts until the end";
}

}  // namespace
}  // namespace hotwell

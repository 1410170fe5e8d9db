#include "monitor/past.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "sim/clock.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;

/// Two recorders, their windows and their past, and a time that the test moves.
struct Remembered {
  explicit Remembered(const std::filesystem::path& directory = {}, Duration later = 0s) {
    clock.advance(later);
    past.emplace(directory, window, jobs_window, clock.now(), clock.wall());
  }
  void pass(int seconds, Duration each = 1s) {
    for (int i = 0; i < seconds; ++i) {
      clock.advance(each);
      window.roll(clock.now());
      jobs_window.roll(clock.now());
      past->second(metrics, clock.now(), clock.wall());
    }
  }
  void record(int times, Duration duration = 10ms, RequestOutcome outcome = RequestOutcome::ok,
              std::string_view endpoint = "a") {
    for (int i = 0; i < times; ++i) recorder.record(duration, outcome, endpoint);
  }
  std::vector<double> values(std::string_view name, Duration window_length, std::string endpoint = {}) {
    const auto data =
        past->read({.names = {std::string(name)}, .window = window_length, .endpoint = std::move(endpoint)});
    EXPECT_TRUE(data);
    return data->series.at(0).values;
  }
  static double sum(const std::vector<double>& values) {
    double all = 0;
    for (const double value : values) all += std::isnan(value) ? 0 : value;
    return all;
  }

  sim::FakeClock clock;
  Recorder recorder, jobs;
  Window window{recorder, clock.now()};
  Window jobs_window{jobs, clock.now()};
  Metrics metrics;
  std::optional<Past> past;
};

TEST(Past, SecondsAreShownOldestFirstAndWhatWasNotSeenIsUnknown) {
  Remembered t;
  t.record(3);
  t.pass(1);
  t.record(5);
  t.pass(1);
  t.pass(1);
  const auto rates = t.values("requests.rate", 5s);
  ASSERT_EQ(rates.size(), 5U);
  EXPECT_TRUE(std::isnan(rates[0])) << "before the start";
  EXPECT_EQ(std::vector(rates.begin() + 2, rates.end()), (std::vector<double>{3, 5, 0}));
  const auto p95 = t.values("latency.p95", 3s);
  EXPECT_NEAR(p95[0], 0.01, 0.0001);
  EXPECT_TRUE(std::isnan(p95[2])) << "no request has no latency";
}

TEST(Past, AnEndpointsSecondsComeFromTheirHistograms) {
  Remembered t;
  t.record(3, 10ms, RequestOutcome::ok, "a");
  t.record(4, 20ms, RequestOutcome::failed, "b");
  t.pass(1);
  t.record(1, 30ms, RequestOutcome::ok, "b");
  t.pass(2);
  EXPECT_EQ(t.values("requests.rate", 3s, "b"), (std::vector<double>{4, 1, 0}));
  EXPECT_EQ(t.values("requests.error_rate", 3s, "b")[0], 1);
  EXPECT_NEAR(t.values("latency.p50", 3s, "b")[1], 0.03, 0.0003);
  EXPECT_EQ(t.values("requests.rate", 3s, "never"), (std::vector<double>{0, 0, 0}));
}

TEST(Past, EveryRequestIsInExactlyOnePointOfEachGrain) {
  Remembered t;
  int recorded = 0;
  for (int second = 0; second < 600; ++second) {
    const int count = second % 7;
    t.record(count, 10ms, RequestOutcome::ok, second % 2 == 0 ? "a" : "b");
    recorded += count;
    t.pass(1, second % 5 == 0 ? 1030ms : 1s);  // ticks tremble
  }
  t.pass(70);  // the last minute ends
  EXPECT_NEAR(Remembered::sum(t.values("requests.rate", 1h)) * 10, recorded, 0.5);
  EXPECT_NEAR(Remembered::sum(t.values("requests.rate", 24h)) * 60, recorded, 0.5);
  EXPECT_NEAR(Remembered::sum(t.values("requests.rate", 1h, "a")) * 10 +
                  Remembered::sum(t.values("requests.rate", 1h, "b")) * 10,
              recorded, 0.5);
}

TEST(Past, CoarseQuantilesAreThoseOfAllRequests) {
  Remembered t;
  for (int second = 0; second < 10; ++second) {
    t.record(89, 1ms);
    t.record(11, second < 5 ? 2ms : 100ms);
    t.pass(1);
  }
  t.pass(10);
  const auto p95 = t.values("latency.p95", 10min);
  double seen = 0;
  for (const double value : p95)
    if (!std::isnan(value)) seen = std::max(seen, value);
  EXPECT_NEAR(seen, 0.1, 0.001)
      << "over 5 % of a thousand took 100 ms; the mean of the seconds' p95 would be half of it";
}

TEST(Past, GaugesAreMeansAndRatiosWeighByWhatTheyAreMadeOf) {
  Remembered t;
  t.pass(1);
  for (int second = 0; second < 20; ++second) {
    t.metrics.system.cpu = second % 2 == 0 ? 0.2 : 0.4;
    t.metrics.cache.total.hits += second < 10 ? 90 : 0;
    t.metrics.cache.total.misses += second < 10 ? 10 : 1;
    t.pass(1);
  }
  EXPECT_NEAR(t.past->value("cpu", 20s)->value, 0.3, 1e-6);
  EXPECT_NEAR(t.past->value("cache.hit_ratio", 20s)->value, 900.0 / 1010, 1e-6);
  EXPECT_EQ(t.past->value("cache.memory.hit_ratio", 20s), std::nullopt) << "no look-up, no ratio";
  EXPECT_FALSE(t.past->value("no.such", 20s));
}

TEST(Past, AHourIsRememberedAcrossARestart) {
  const test::TempDir directory;
  {
    Remembered t(directory.path());
    for (int second = 0; second < 120; ++second) {
      t.record(2);
      t.pass(1);
    }
  }
  Remembered again(directory.path(), 150s);
  EXPECT_NEAR(Remembered::sum(again.values("requests.rate", 1h)) * 10, 240, 0.5);
  EXPECT_NEAR(Remembered::sum(again.values("requests.rate", 24h, "a")) * 60, 240, 0.5);
  const auto before = again.past->before("a", 1h);
  ASSERT_TRUE(before);
  EXPECT_NEAR(before->throughput, 2, 0.01);
  EXPECT_NEAR(std::chrono::duration<double>(before->p95).count(), 0.01, 0.0001);
  EXPECT_FALSE(again.past->before("never", 1h));
}

TEST(Past, AClockThatIsSetBackDoesNotOverwriteThePast) {
  Remembered t;
  t.record(1);
  t.pass(1);
  const auto first = t.past->read({.names = {"requests.rate"}, .window = 1s})->from;
  t.clock.advance(1s);
  t.window.roll(t.clock.now());
  t.past->second(t.metrics, t.clock.now(), t.clock.wall() - 1h);
  EXPECT_EQ(t.past->read({.names = {"requests.rate"}, .window = 1s})->from, first + 1);
}

TEST(Past, WrongQuestionsAreToldWhatIsWrong) {
  const Remembered t;
  EXPECT_NE(t.past->read({.names = {"no.such"}}).error().message.find("no series \"no.such\""), std::string::npos);
  EXPECT_FALSE(t.past->read({.names = {"cpu"}, .window = 25h}));
  EXPECT_FALSE(t.past->read({.names = {"cpu"}, .window = 0s}));
  EXPECT_FALSE(t.past->read({.names = {"cpu"}, .endpoint = "a"}));
  EXPECT_FALSE(t.past->read({.names = {"requests.rate"}, .endpoint = "a", .operation = "b"}));
}

}  // namespace
}  // namespace hotwell::monitor

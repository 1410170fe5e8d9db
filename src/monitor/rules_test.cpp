#include "monitor/rules.hpp"

#include <gtest/gtest.h>

#include "sim/clock.hpp"

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;

/// Metrics of which a past is made, second by second.
struct Watched {
  sim::FakeClock clock;
  Recorder recorder, jobs;
  Window window{recorder, clock.now()};
  Window jobs_window{jobs, clock.now()};
  Past past{{}, window, jobs_window, clock.now(), clock.wall()};
  Metrics metrics;

  void pass(int seconds, int failing_percent = 0) {
    for (int i = 0; i < seconds; ++i) {
      for (int n = 0; n < 20; ++n)
        recorder.record(1ms, n * 5 < failing_percent ? RequestOutcome::failed : RequestOutcome::ok, "a");
      clock.advance(1s);
      (void)window.roll(clock.now());
      (void)jobs_window.roll(clock.now());
      past.second(metrics, clock.now(), clock.wall());
    }
  }
  std::optional<double> value(std::string_view type) {
    const auto seen = observe(metrics, {}, past);
    const auto found = seen.find(type);
    return found == seen.end() ? std::nullopt : found->second.value;
  }
};

TEST(Rules, HaveTheirLevelsFromTheOptions) {
  MonitorOptions chosen;
  chosen.thresholds.crash_loop = 0;
  chosen.clear_at = 0.5;
  const auto rules = alert_rules(chosen);
  ASSERT_EQ(rules.size(), 10U);
  EXPECT_EQ(rules[0].type, "cpu");
  EXPECT_EQ(rules[0].raise, 80);
  EXPECT_EQ(rules[0].clear, 40);
  EXPECT_EQ(rules[2].min_samples, 10U);
  for (const auto& rule : rules)
    EXPECT_EQ(rule.enabled, rule.type != "crashLoop" && rule.type != "latencyP99") << rule.type;
}

TEST(Rules, DeadLettersAndCrashesAreCountedOverFiveMinutes) {
  Watched w;
  w.pass(2);
  EXPECT_NEAR(w.value("deadLetters").value(), 0, 1e-6);
  w.metrics.jobs.dead = 3;
  w.metrics.jobs.crashes = 7;
  w.pass(10);
  EXPECT_NEAR(w.value("deadLetters").value(), 3, 0.01);
  EXPECT_NEAR(w.value("crashLoop").value(), 7, 0.01);
  w.pass(301);
  EXPECT_NEAR(w.value("deadLetters").value(), 0, 1e-6);
}

TEST(Rules, ABudgetBurnsOnlyIfBothWindowsSaySo) {
  Watched w;
  w.pass(60, 50);
  EXPECT_FALSE(w.value("errorBurn")) << "an hour of which a minute is remembered is no measure";
  w.pass(1800);
  w.pass(300, 50);
  const double burn = w.value("errorBurn").value();
  EXPECT_LT(burn, 50) << "the hour has less";
  EXPECT_GT(burn, 5);
  w.pass(301);
  EXPECT_NEAR(w.value("errorBurn").value(), 0, 1e-6) << "it is over";
}

TEST(Rules, AHitRatioThatFallsIsSeenAgainstItsOwnHour) {
  Watched w;
  const auto look_up = [&](int seconds, std::uint64_t hits, std::uint64_t misses) {
    for (int i = 0; i < seconds; ++i) {
      w.metrics.cache.total.hits += hits;
      w.metrics.cache.total.misses += misses;
      w.pass(1);
    }
  };
  w.pass(1);
  look_up(1500, 9, 1);
  EXPECT_NEAR(w.value("hitRatio").value(), 0, 1);
  look_up(300, 2, 8);
  EXPECT_GT(w.value("hitRatio").value(), 40);
}

TEST(Rules, WhatCannotBeMeasuredHasNoData) {
  Watched w;
  w.pass(1);
  for (const auto* type : {"cpu", "memory", "disk", "hitRatio"}) EXPECT_FALSE(w.value(type)) << type;
  EXPECT_TRUE(w.value("queueDepth"));
}

}  // namespace
}  // namespace hotwell::monitor

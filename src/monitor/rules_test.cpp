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
  std::vector<AlertRuleOptions> own;

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
    const auto seen = observe(metrics, {}, past, own);
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

TEST(Rules, OnesOwnLookAtAnySeriesOfAnyEndpoint) {
  Watched w;
  w.own = {{.name = "gauge", .series = "queue", .window = 10s},
           {.name = "all", .series = "requests.rate", .window = 10s},
           {.name = "one", .series = "latency.p99", .endpoint = "slow", .window = 10s},
           {.name = "silent", .series = "requests.rate", .endpoint = "never", .window = 10s},
           {.name = "unheard", .series = "latency.p99", .endpoint = "never", .window = 10s},
           {.name = "hour", .series = "requests.rate", .endpoint = "slow", .window = 1h},
           {.name = "job", .series = "latency.max", .operation = "thumbnail", .window = 10s}};
  w.metrics.queue.pending = 7;
  for (int second = 0; second < 30; ++second) {
    for (int n = 1; n <= 100; ++n) w.recorder.record(n * 1ms, RequestOutcome::ok, "slow");
    w.jobs.record(3s, RequestOutcome::ok, "thumbnail");
    w.pass(1);
  }
  EXPECT_NEAR(w.value("gauge").value(), 7, 1e-6);
  EXPECT_NEAR(w.value("all").value(), 120, 1e-3);
  EXPECT_NEAR(w.value("one").value(), 0.099, 0.001) << "the window's own quantile, by rank";
  EXPECT_NEAR(w.value("silent").value(), 0, 1e-9) << "nobody asked is a rate of 0";
  EXPECT_FALSE(w.value("unheard")) << "and no latency";
  EXPECT_NEAR(w.value("hour").value(), 100, 1);
  EXPECT_NEAR(w.value("job").value(), 3, 0.01);
  EXPECT_EQ(observe(w.metrics, {}, w.past, w.own).at("one").samples, 1000U);
}

TEST(Rules, OnesOwnHaveTheirLevelsAndSayWhatIsWrongWithThem) {
  MonitorOptions chosen;
  chosen.rules = {{.name = "few",
                   .series = "cache.hit_ratio",
                   .below = true,
                   .level = 0.5,
                   .raise_for = 1min,
                   .severity = Severity::critical}};
  const AlertRule rule = alert_rules(chosen).back();
  EXPECT_EQ(rule.type, "few");
  EXPECT_TRUE(rule.below);
  EXPECT_NEAR(rule.clear, 0.55, 1e-9);
  EXPECT_EQ(rule.raise_for, 1min);
  EXPECT_EQ(rule.clear_for, chosen.clear_for);
  EXPECT_EQ(rule.severity, Severity::critical);
  EXPECT_EQ(rule.unit, "ratio");
  EXPECT_TRUE(check_rules(chosen.rules));
  const auto mistake = [](const AlertRuleOptions& one) {
    const auto checked = check_rules({one});
    return checked ? std::string() : checked.error().message;
  };
  const AlertRuleOptions good{.name = "x", .series = "latency.p95", .level = 1};
  EXPECT_EQ(mistake(good), "");
  auto bad = good;
  bad.name = "cpu";
  EXPECT_EQ(mistake(bad), "alerts.rule \"cpu\": there already is an alert of this name");
  bad = good;
  bad.series = "latency.p96";
  EXPECT_EQ(mistake(bad),
            "alerts.rule \"x\": there is no series \"latency.p96\"; GET /v1/series without a name lists them");
  bad = good;
  bad.series = "cpu";
  bad.endpoint = "GET /";
  EXPECT_EQ(mistake(bad), "alerts.rule \"x\": the series \"cpu\" is not kept by endpoint or operation");
  bad = good;
  bad.clear = 2;
  EXPECT_EQ(mistake(bad), "alerts.rule \"x\": clear (2) lies beyond the level (1), where the alert is raised");
  bad = good;
  bad.window = 25h;
  EXPECT_EQ(mistake(bad), "alerts.rule \"x\": window: expected 1s to 24h, got 1d 1h 0m");
}

TEST(Rules, WhatCannotBeMeasuredHasNoData) {
  Watched w;
  w.pass(1);
  for (const auto* type : {"cpu", "memory", "disk", "hitRatio"}) EXPECT_FALSE(w.value(type)) << type;
  EXPECT_TRUE(w.value("queueDepth"));
}

}  // namespace
}  // namespace hotwell::monitor

#include "monitor/window.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/seed.hpp"

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;

/// A recorder, its window, and a time that the test moves second by second.
struct Timeline {
  Recorder recorder;
  host::MonoTime now{1000s};
  Window window{recorder, now};

  void record(int times, Duration duration = 1ms, RequestOutcome outcome = RequestOutcome::ok,
              std::string_view endpoint = "a") {
    for (int i = 0; i < times; ++i) recorder.record(duration, outcome, endpoint);
  }
  void pass(Duration by) {
    for (; by > 0s; by -= 1s) {
      now += std::min<Duration>(by, 1s);
      window.roll(now);
    }
  }
  [[nodiscard]] Window::Summary over(Duration length) { return window.over(length, now); }
  [[nodiscard]] std::uint64_t total(Duration length) { return over(length).all.tally.total(); }
};

TEST(Window, CountsTheRunningSecond) {
  Timeline t;
  t.record(3);
  EXPECT_EQ(t.total(60s), 3U);
  t.pass(500ms);
  t.record(2);
  EXPECT_EQ(t.total(60s), 5U);
  EXPECT_EQ(t.over(60s).all.histogram.total(), 5U);
}

TEST(Window, ForgetsWhatIsOlder) {
  Timeline t;
  t.record(7);
  t.pass(30s);
  t.record(2);
  t.pass(31s);
  EXPECT_EQ(t.total(10s), 0U);
  EXPECT_EQ(t.total(32s), 2U);
  EXPECT_EQ(t.total(60s), 2U);
  EXPECT_EQ(t.total(61s), 9U);
  EXPECT_EQ(t.total(300s), 9U);
  t.pass(300s);
  EXPECT_EQ(t.total(300s), 0U);
  EXPECT_TRUE(t.over(300s).series.empty());
}

TEST(Window, HoldsEverythingOfAnyLengthAndAtMostASecondMore) {
  Timeline t;
  for (int second = 0; second < 320; ++second) {
    t.record(1);
    t.pass(1s);
  }
  t.pass(400ms);
  for (const auto length : {1s, 2s, 10s, 60s, 299s, 300s}) {
    EXPECT_GE(t.total(length), static_cast<std::uint64_t>(length.count())) << length.count();
    EXPECT_LE(t.total(length), static_cast<std::uint64_t>(length.count()) + 1) << length.count();
    EXPECT_GE(t.over(length).covered, length);
    EXPECT_LT(t.over(length).covered, length + 1s);
  }
}

TEST(Regression, OneHundredSamplesPerSixtySecondsCapNeitherThroughputNorPercentiles) {
  Timeline t;
  t.pass(120s);
  std::mt19937_64 random(test::seed());
  std::lognormal_distribution<double> latency(17, 1);
  std::vector<std::uint64_t> values;
  for (int second = 0; second < 60; ++second) {
    const int count = second % 3 == 0 ? 1'668 : 1'666;  // 100,000 in all
    for (int i = 0; i < count; ++i) {
      values.push_back(static_cast<std::uint64_t>(latency(random)));
      t.recorder.record(Duration{static_cast<Duration::rep>(values.back())}, RequestOutcome::ok, "a");
    }
    t.pass(1s);
  }
  ASSERT_EQ(values.size(), 100'000U);
  const auto summary = t.over(60s);
  EXPECT_EQ(summary.all.tally.total(), 100'000U);
  EXPECT_DOUBLE_EQ(summary.rate(summary.all.tally.total()), 100'000.0 / 60);
  std::sort(values.begin(), values.end());
  for (const double q : {0.5, 0.95, 0.99, 0.999}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * 100'000));
    EXPECT_NEAR(static_cast<double>(summary.all.quantile(q).count()) / static_cast<double>(values[rank - 1]), 1, 0.01)
        << q;
  }
  EXPECT_EQ(static_cast<std::uint64_t>(summary.all.min().count()), values.front());
  EXPECT_EQ(static_cast<std::uint64_t>(summary.all.max().count()), values.back());
}

TEST(Window, ShortlyAfterTheStartRatesDivideByTheUptime) {
  Timeline t;
  t.record(50);
  t.pass(10s);
  EXPECT_DOUBLE_EQ(t.over(60s).rate(50), 5.0);
}

TEST(Window, InTheFirstSecondRatesDivideByASecond) {
  Timeline t;
  t.record(5);
  t.pass(100ms);
  EXPECT_DOUBLE_EQ(t.over(60s).rate(5), 5.0);
}

TEST(Window, MinimumAndMaximumAreExactAndLeaveWithTheirSecond) {
  Timeline t;
  t.record(1, 123'456'789ns);
  t.record(1, 17ns);
  t.pass(5s);
  t.record(1, 3'333'333ns);
  t.record(1, 3'333'331ns);
  t.pass(5s);
  EXPECT_EQ(t.over(10s).all.max(), 123'456'789ns);
  EXPECT_EQ(t.over(10s).all.min(), 17ns);
  EXPECT_EQ(t.over(6s).all.max(), 3'333'333ns);
  EXPECT_EQ(t.over(6s).all.min(), 3'333'331ns);
  EXPECT_EQ(t.over(6s).all.average(), 3'333'332ns);
  t.record(1, 3'333'330ns);
  EXPECT_EQ(t.over(6s).all.min(), 3'333'330ns) << "the running second counts";
  EXPECT_EQ(t.over(1s).all.max(), 3'333'330ns);
}

TEST(Window, AQuantileNeverLeavesWhatWasReallySeen) {
  Timeline t;
  t.record(100, 1'000'001ns);
  EXPECT_EQ(t.over(60s).all.quantile(0.5), 1'000'001ns);
  EXPECT_EQ(t.over(60s).all.quantile(1), 1'000'001ns);
}

TEST(Window, QuantilesOfSixDistributionsLieWithinOnePercentInEveryWindow) {
  std::mt19937_64 random(test::seed());
  std::uniform_real_distribution<double> unit(1e-6, 1);
  std::exponential_distribution<double> exponential(1 / 5e6);
  std::lognormal_distribution<double> lognormal(15, 2);
  std::normal_distribution<double> normal(2e7, 3e6);
  const std::vector<std::pair<const char*, std::function<double()>>> distributions{
      {"uniform", [&] { return 1e3 + 1e9 * unit(random); }},
      {"exponential", [&] { return exponential(random); }},
      {"lognormal", [&] { return lognormal(random); }},
      {"normal", [&] { return normal(random); }},
      {"pareto", [&] { return 1e5 / std::pow(unit(random), 0.8); }},
      {"two modes", [&] { return unit(random) < 0.9 ? 3e4 + 1e3 * unit(random) : 4e7 * (1 + unit(random)); }}};
  for (const auto& [name, draw] : distributions) {
    Timeline t;
    std::vector<std::vector<double>> seconds;
    for (int second = 0; second < 300; ++second) {
      auto& values = seconds.emplace_back(100);
      for (double& value : values) {
        value = std::floor(std::max(draw(), 1.));
        t.record(1, Duration{static_cast<Duration::rep>(value)});
      }
      t.pass(1s);
    }
    for (const int window : {1, 2, 5, 10, 30, 60, 120, 300}) {
      std::vector<double> exact;
      for (auto at = seconds.end() - window; at != seconds.end(); ++at)
        exact.insert(exact.end(), at->begin(), at->end());
      std::ranges::sort(exact);
      const auto all = t.over(std::chrono::seconds{window}).all;
      ASSERT_EQ(all.tally.total(), exact.size());
      for (const double q : {0.5, 0.95, 0.99, 0.999}) {
        const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(exact.size())));
        EXPECT_NEAR(static_cast<double>(all.quantile(q).count()) / exact[rank - 1], 1, 0.01)
            << name << ", " << window << " s, " << q;
      }
    }
  }
}

TEST(Window, ALateRollLosesNothing) {
  Timeline t;
  t.record(4);
  t.now += 45s;
  t.record(3);
  t.window.roll(t.now);
  EXPECT_EQ(t.total(60s), 7U);
  t.pass(10s);
  EXPECT_EQ(t.total(60s), 7U);
  EXPECT_EQ(t.total(5s), 0U);
}

TEST(Window, SeveralRollsWithinASecondMakeOneSlot) {
  Timeline t;
  t.record(1);
  for (int i = 0; i < 10; ++i) {
    t.now += 10ms;
    t.window.roll(t.now);
  }
  EXPECT_EQ(t.over(1s).covered, 100ms);
  EXPECT_EQ(t.total(1s), 1U);
}

TEST(Window, ShowsEndpointsBusiestFirst) {
  Timeline t;
  t.record(1, 1ms, RequestOutcome::ok, "rare");
  t.record(5, 2ms, RequestOutcome::failed, "often");
  t.pass(1s);
  t.record(1, 1ms, RequestOutcome::client_error, "rare");
  const auto summary = t.over(60s);
  ASSERT_EQ(summary.series.size(), 2U);
  EXPECT_EQ(summary.series[0].name, "often");
  EXPECT_EQ(summary.series[0].tally.failed(), 5U);
  EXPECT_EQ(summary.series[1].name, "rare");
  EXPECT_EQ(summary.series[1].tally.of(RequestOutcome::client_error), 1U);
}

TEST(Window, TheTotalIsThatOfTheSummaryAtAnyTime) {
  Timeline t;
  std::vector<std::uint64_t> seen;
  std::mt19937_64 random(test::seed());
  for (int step = 0; step < 400; ++step) {
    for (const auto* endpoint : {"a", "b", "c"})
      for (auto times = random() % 4; times > 0; --times)
        t.record(1, Duration{static_cast<Duration::rep>(random() % 100'000'000)},
                 random() % 5 == 0 ? RequestOutcome::failed : RequestOutcome::ok, endpoint);
    t.pass(Duration{static_cast<Duration::rep>(random() % 1'500'000'000)});
    if (step % 7 == 0) t.record(2, 5ms);
    const auto total = t.window.total(t.now, seen, [](std::size_t, const Reading&) {});
    const auto summary = t.over(60s);
    ASSERT_EQ(total.covered, summary.covered);
    ASSERT_EQ(total.trend, summary.trend);
    ASSERT_EQ(total.all.tally.outcomes, summary.all.tally.outcomes);
    ASSERT_EQ(total.all.tally.sum, summary.all.tally.sum);
    ASSERT_EQ(total.all.min(), summary.all.min());
    ASSERT_EQ(total.all.max(), summary.all.max());
    ASSERT_EQ(total.all.histogram.total(), summary.all.histogram.total());
    for (const double q : {0.5, 0.95, 0.99, 0.999}) ASSERT_EQ(total.all.quantile(q), summary.all.quantile(q));
  }
}

TEST(Window, TheTotalShowsWhatWentOnSinceTheLastTime) {
  Timeline t;
  std::vector<std::uint64_t> seen;
  std::map<std::string, std::uint64_t> visited;
  const auto visit = [&] {
    visited.clear();
    (void)t.window.total(t.now, seen, [&](std::size_t series, const Reading& reading) {
      EXPECT_EQ(reading.histogram.total(), reading.tally.total());
      visited[t.window.name(series)] = reading.tally.total();
    });
    return visited;
  };
  using Visited = std::map<std::string, std::uint64_t>;
  t.record(3, 1ms, RequestOutcome::ok, "a");
  t.record(1, 1ms, RequestOutcome::ok, "b");
  EXPECT_EQ(visit(), (Visited{{"a", 3}, {"b", 1}})) << "the running second";
  EXPECT_EQ(visit(), Visited{});
  t.pass(1s);
  EXPECT_EQ(visit(), Visited{}) << "a second that ends changes nothing";
  t.record(2, 1ms, RequestOutcome::failed, "b");
  t.pass(1s);
  EXPECT_EQ(visit(), (Visited{{"b", 3}})) << "since the start, in a second that has ended";
  t.record(1, 1ms, RequestOutcome::ok, "a");
  t.record(1, 1ms, RequestOutcome::ok, "c");
  EXPECT_EQ(visit(), (Visited{{"a", 4}, {"c", 1}}));
}

TEST(Window, TrendTellsARealChange) {
  Timeline t;
  for (int second = 0; second < 60; ++second) {
    t.record(100);
    t.record(second < 30 ? 2 : 12, 1ms, RequestOutcome::failed);
    t.pass(1s);
  }
  EXPECT_EQ(t.over(60s).trend, Trend::rising);
  for (int second = 0; second < 40; ++second) {
    t.record(100);
    t.pass(1s);
  }
  EXPECT_EQ(t.over(60s).trend, Trend::falling);
}

Tally tally(std::uint64_t total, std::uint64_t failed) {
  Tally made;
  made.outcomes = {total - failed, 0, failed};
  return made;
}

TEST(Trend, IsSteadyWithoutEnoughToJudge) {
  EXPECT_EQ(trend(tally(0, 0), tally(100, 50)), Trend::steady);
  EXPECT_EQ(trend(tally(9, 0), tally(9, 9)), Trend::steady);
  EXPECT_EQ(trend(tally(100, 0), tally(100, 0)), Trend::steady);
  EXPECT_EQ(trend(tally(100, 100), tally(100, 100)), Trend::steady);
  EXPECT_EQ(trend(tally(100, 5), tally(100, 6)), Trend::steady);
}

TEST(Trend, RisesAndFallsBeyondNoise) {
  EXPECT_EQ(trend(tally(100, 0), tally(100, 20)), Trend::rising);
  EXPECT_EQ(trend(tally(100, 20), tally(100, 0)), Trend::falling);
  EXPECT_EQ(trend(tally(100'000, 1'000), tally(100'000, 1'200)), Trend::rising);
}

TEST(Trend, NoiseAloneIsSeldomTakenForATrend) {
  std::mt19937_64 random(test::seed());
  int alarms = 0;
  for (int round = 0; round < 2'000; ++round) {
    std::binomial_distribution<std::uint64_t> failures(600, 0.05);
    alarms += trend(tally(600, failures(random)), tally(600, failures(random))) == Trend::steady ? 0 : 1;
  }
  EXPECT_LT(alarms, 50);  // 1 % of 2,000 is 20
}

/// Whatever is recorded when, a window holds exactly the records of the seconds that it touches.
RC_GTEST_PROP(Window, AgreesWithAListOfEverything, ()) {
  Timeline t;
  std::vector<host::MonoTime> recorded;
  host::MonoTime rolled = t.now;
  std::vector<host::MonoTime> rolls{t.now};
  const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(0, 2'500), rc::gen::inRange(0, 4)));
  for (const auto& [milliseconds, records] : steps) {
    t.now += std::chrono::milliseconds(milliseconds);
    t.window.roll(t.now);
    if (std::chrono::floor<std::chrono::seconds>(t.now - host::MonoTime{1000s}) >
        std::chrono::floor<std::chrono::seconds>(rolled - host::MonoTime{1000s})) {
      rolled = t.now;
      rolls.push_back(rolled);
    }
    t.record(records);
    for (int i = 0; i < records; ++i) recorded.push_back(t.now);
  }
  const Duration length = std::chrono::seconds(*rc::gen::inRange(1, 20));
  // The newest roll that is not younger than the window's old end, or the start.
  host::MonoTime begin = rolls.front();
  for (const auto roll : rolls)
    if (roll <= t.now - length) begin = roll;
  const auto expected = std::count_if(recorded.begin(), recorded.end(), [&](auto time) { return time >= begin; });
  RC_ASSERT(t.total(length) == static_cast<std::uint64_t>(expected));
}

}  // namespace
}  // namespace hotwell::monitor

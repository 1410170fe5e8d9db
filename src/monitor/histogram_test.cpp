#include "monitor/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/seed.hpp"

namespace hotwell::monitor {
namespace {

using Values = std::vector<std::uint64_t>;

Histogram of(const Values& values) {
  Histogram histogram;
  for (const auto value : values) histogram.add(value);
  return histogram;
}

std::vector<std::pair<std::size_t, std::uint64_t>> contents(const Histogram& histogram) {
  std::vector<std::pair<std::size_t, std::uint64_t>> all;
  histogram.for_each([&](std::size_t index, std::uint64_t times) { all.emplace_back(index, times); });
  return all;
}

Values any_values() {
  return *rc::gen::container<Values>(
      rc::gen::map(rc::gen::pair(rc::gen::inRange(0U, 50U), rc::gen::arbitrary<std::uint64_t>()),
                   [](const auto& pair) { return pair.second >> (63 - pair.first); }));
}

TEST(Histogram, BucketsFollowEachOtherWithoutGapOrOverlap) {
  EXPECT_EQ(Buckets::low(0), 0U);
  for (std::size_t i = 0; i < Buckets::count; ++i) {
    ASSERT_LE(Buckets::low(i), Buckets::high(i)) << i;
    ASSERT_EQ(Buckets::index(Buckets::low(i)), i);
    ASSERT_EQ(Buckets::index(Buckets::high(i)), i);
    if (i + 1 < Buckets::count) {
      ASSERT_EQ(Buckets::high(i) + 1, Buckets::low(i + 1)) << i;
    }
  }
  EXPECT_EQ(Buckets::high(Buckets::count - 1), Buckets::limit - 1);
}

TEST(Histogram, AMiddleIsAtMostFourThousandthsFromEveryValueOfItsBucket) {
  for (std::size_t i = 1; i < Buckets::count; ++i) {
    const auto middle = static_cast<double>(Buckets::middle(i));
    for (const auto edge : {Buckets::low(i), Buckets::high(i)})
      ASSERT_LE(std::abs(middle - static_cast<double>(edge)) / static_cast<double>(edge), 0.004) << i;
  }
}

TEST(Histogram, ValuesBeyondTheLimitShareTheLastBucket) {
  EXPECT_EQ(Buckets::index(Buckets::limit), Buckets::count - 1);
  EXPECT_EQ(Buckets::index(~std::uint64_t{0}), Buckets::count - 1);
}

TEST(Histogram, AnEmptyOneAnswersZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0U);
  EXPECT_EQ(histogram.total(), 0U);
  EXPECT_EQ(histogram.count_up_to(~std::uint64_t{0}), 0U);
}

TEST(Histogram, QuantilesAreExactByRankBelow256Nanoseconds) {
  Values values(200);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i + 1;
  const Histogram histogram = of(values);
  EXPECT_EQ(histogram.quantile(0), 1U);
  EXPECT_EQ(histogram.quantile(0.5), 100U);
  EXPECT_EQ(histogram.quantile(0.95), 190U);
  EXPECT_EQ(histogram.quantile(0.99), 198U);
  EXPECT_EQ(histogram.quantile(1), 200U);
  EXPECT_EQ(histogram.count_up_to(100), 100U);
}

TEST(Histogram, QuantilesLieWithinHalfAPercentOnSixDistributions) {
  std::mt19937_64 random(test::seed());
  const auto clamp = [](double value) { return static_cast<std::uint64_t>(std::max(value, 1.0)); };
  std::uniform_real_distribution<double> uniform(1e3, 1e9);
  std::exponential_distribution<double> exponential(1 / 5e6);
  std::lognormal_distribution<double> lognormal(15, 2);
  std::normal_distribution<double> normal(2e7, 3e6);
  std::uniform_real_distribution<double> unit(1e-6, 1);
  const std::vector<std::pair<const char*, std::function<std::uint64_t()>>> distributions{
      {"uniform", [&] { return clamp(uniform(random)); }},
      {"exponential", [&] { return clamp(exponential(random)); }},
      {"lognormal", [&] { return clamp(lognormal(random)); }},
      {"normal", [&] { return clamp(normal(random)); }},
      {"pareto", [&] { return clamp(1e5 / std::pow(unit(random), 0.8)); }},
      {"two modes", [&] { return clamp(unit(random) < 0.9 ? 3e4 + 1e3 * unit(random) : 4e7 * (1 + unit(random))); }},
  };
  for (const auto& [name, draw] : distributions) {
    Values values(50'000);
    std::generate(values.begin(), values.end(), draw);
    const Histogram histogram = of(values);
    std::sort(values.begin(), values.end());
    for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999}) {
      const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
      const auto exact = static_cast<double>(values[rank - 1]);
      EXPECT_NEAR(static_cast<double>(histogram.quantile(q)) / exact, 1, 0.005) << name << " " << q;
    }
  }
}

RC_GTEST_PROP(Histogram, MergingIsRecordingBoth, ()) {
  const Values a = any_values();
  Values b = any_values();
  Histogram merged = of(a);
  merged.merge(of(b));
  b.insert(b.end(), a.begin(), a.end());
  RC_ASSERT(contents(merged) == contents(of(b)));
  RC_ASSERT(merged.total() == b.size());
}

RC_GTEST_PROP(Histogram, SubtractingTakesBackWhatWasMerged, ()) {
  const Histogram a = of(any_values());
  const Histogram b = of(any_values());
  Histogram both;
  both.merge(a);
  both.merge(b);
  both.subtract(a);
  RC_ASSERT(contents(both) == contents(b));
  RC_ASSERT(both.total() == b.total());
}

RC_GTEST_PROP(Histogram, CountsBetweenAnyTwoBuckets, ()) {
  const Histogram histogram = of(any_values());
  const auto from = *rc::gen::inRange<std::size_t>(0, Buckets::count);
  const auto to = *rc::gen::inRange<std::size_t>(0, Buckets::count + 1);
  std::uint64_t expected = 0;
  histogram.for_each(
      [&](std::size_t index, std::uint64_t times) { expected += index >= from && index < to ? times : 0; });
  RC_ASSERT(histogram.count_between(from, to) == expected);
}

}  // namespace
}  // namespace hotwell::monitor

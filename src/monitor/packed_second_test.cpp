#include "monitor/packed_second.hpp"

#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/seed.hpp"

namespace hotwell::monitor {
namespace {

using Cursor = PackedSecond::Cursor;

std::map<std::size_t, std::uint64_t> buckets_of(const Histogram& histogram) {
  std::map<std::size_t, std::uint64_t> all;
  histogram.for_each([&](std::size_t index, std::uint64_t times) { all[index] = times; });
  return all;
}

struct Counted {
  Tally tally;
  Histogram histogram;
};

Counted any_counted() {
  Counted made;
  for (auto& count : made.tally.outcomes) count = *rc::gen::arbitrary<std::uint64_t>();
  made.tally.sum = *rc::gen::arbitrary<std::uint64_t>();
  made.tally.clamped = *rc::gen::arbitrary<std::uint8_t>();
  if (*rc::gen::arbitrary<bool>()) made.tally.min = *rc::gen::arbitrary<std::uint64_t>();
  made.tally.max = *rc::gen::arbitrary<std::uint64_t>();
  for (const auto& [value, times] : *rc::gen::arbitrary<std::vector<std::pair<std::uint64_t, std::uint32_t>>>())
    made.histogram.add(value, times);
  return made;
}

RC_GTEST_PROP(PackedSecond, KeepsEverything, ()) {
  std::map<std::size_t, Counted> all;
  for (const auto series : *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 300)))
    all[series] = any_counted();
  PackedSecond second;
  for (const auto& [series, counted] : all) second.add(series, counted.tally, counted.histogram);
  second.finish();
  Cursor at(second);
  for (const auto& [series, counted] : all) {
    RC_ASSERT(at.series() == series);
    const Tally tally = at.tally();
    RC_ASSERT(tally.outcomes == counted.tally.outcomes);
    RC_ASSERT(tally.sum == counted.tally.sum);
    RC_ASSERT(tally.clamped == counted.tally.clamped);
    RC_ASSERT(tally.min == counted.tally.min);
    RC_ASSERT(tally.max == counted.tally.max);
    Histogram unpacked;
    at.merge_into(unpacked);
    RC_ASSERT(buckets_of(unpacked) == buckets_of(counted.histogram));
    at.next();
  }
  RC_ASSERT(at.series() == Cursor::none);
}

TEST(PackedSecond, ACursorFindsWhatIsThereAndPassesWhatIsNot) {
  PackedSecond second;
  Histogram histogram;
  histogram.add(1000, 7);
  for (const std::size_t series : {0U, 3U, 4U, 256U}) second.add(series, {}, histogram);
  Cursor at(second);
  EXPECT_TRUE(at.find(0));
  EXPECT_TRUE(at.find(0)) << "it stays where it is";
  EXPECT_FALSE(at.find(2));
  EXPECT_TRUE(at.find(4)) << "passing over one";
  EXPECT_FALSE(at.find(5));
  EXPECT_TRUE(at.find(256));
  EXPECT_FALSE(at.find(257));
  EXPECT_EQ(at.series(), Cursor::none);
  EXPECT_EQ(Cursor(PackedSecond{}).series(), Cursor::none);
}

TEST(PackedSecond, AMinimumOfNothingTakesAByte) {
  PackedSecond second;
  second.add(0, {}, {});
  EXPECT_EQ(second.size_bytes(), 2 + outcome_count + 4);
  EXPECT_EQ(Cursor(second).tally().min, std::numeric_limits<std::uint64_t>::max());
}

TEST(PackedSecond, AnEndpointPacksIntoFewBytes) {
  std::mt19937_64 random(test::seed());
  std::lognormal_distribution<double> latency(16, 0.5);
  const auto packed = [&](int requests) {
    Counted counted;
    for (int i = 0; i < requests; ++i) counted.histogram.add(static_cast<std::uint64_t>(latency(random)));
    PackedSecond second;
    second.add(0, counted.tally, counted.histogram);
    return second.size_bytes();
  };
  EXPECT_LT(packed(10), 60U);
  EXPECT_LT(packed(10'000), 2'600U);
}

}  // namespace
}  // namespace hotwell::monitor

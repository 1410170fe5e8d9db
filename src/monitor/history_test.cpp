#include "monitor/history.hpp"

#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"

namespace hotwell::monitor {
namespace {

constexpr std::uint32_t now = 1'767'225'600;  // a full minute

Point point(std::uint32_t slot, float value) {
  return {.slot = slot,
          .count = 2,
          .failed = 1,
          .sum = 2 * value,
          .min = value,
          .max = value,
          .p50 = value,
          .p95 = value,
          .p99 = value,
          .p999 = value};
}

TEST(History, APointAtRestIsWithinATenthOfAPercent) {
  EXPECT_EQ(PackedPoint(Point{}).unpack().slot, 0U);
  float last = 0;
  for (float value = 1e-9F; value < 1e15F; value *= 1.0007F) {
    Point wide = point(7, value);
    wide.count = 12'345'678;
    wide.failed = 3;
    const Point kept = PackedPoint(wide).unpack();
    ASSERT_EQ(kept.slot, 7U);
    ASSERT_EQ(kept.count, wide.count);
    ASSERT_EQ(kept.failed, 3);
    ASSERT_EQ(kept.sum, wide.sum);
    for (const float level : {kept.min, kept.max, kept.p50, kept.p95, kept.p99, kept.p999})
      ASSERT_NEAR(level / value, 1, 0.001) << value;
    ASSERT_GE(kept.min, last) << "what is larger stays so";
    last = kept.min;
  }
  for (const float odd : {0.F, -1.F, std::numeric_limits<float>::quiet_NaN()})
    EXPECT_EQ(PackedPoint(point(7, odd)).unpack().p50, 0) << odd;
  EXPECT_GT(PackedPoint(point(7, std::numeric_limits<float>::max())).unpack().p50, 1e19F);
  EXPECT_EQ(PackedPoint(point(7, 1e-30F)).unpack().p50, 0);
}

TEST(History, APlaceOfTheRingIsOnlyWhatItsSlotSays) {
  History history({}, now);
  const auto series = history.series("cpu").value();
  EXPECT_FALSE(history.at(Grain::second, series, now));
  history.put(Grain::second, series, point(now, 1));
  ASSERT_TRUE(history.at(Grain::second, series, now));
  EXPECT_FALSE(history.at(Grain::second, series, now + 300)) << "the same place, another time";
  history.put(Grain::second, series, point(now + 300, 2));
  EXPECT_FALSE(history.at(Grain::second, series, now)) << "five minutes are kept";
}

TEST(History, CoarseGrainsSurviveARestartAndTheSecondsDoNot) {
  const test::TempDir directory;
  {
    History history(directory.path(), now);
    const auto cpu = history.series("cpu").value();
    const auto memory = history.series("memory").value();
    history.put(Grain::second, cpu, point(now, 1));
    history.put(Grain::ten_seconds, cpu, point(now / 10, 2));
    history.put(Grain::ten_seconds, memory, point(now / 10, 3));
    history.write(Grain::ten_seconds, now / 10);
    history.put(Grain::minute, memory, point(now / 60, 4));
    history.write(Grain::minute, now / 60);
  }
  History again(directory.path(), now + 5);
  const auto cpu = again.find("cpu").value();
  const auto memory = again.find("memory").value();
  EXPECT_FALSE(again.at(Grain::second, cpu, now));
  EXPECT_FLOAT_EQ(again.at(Grain::ten_seconds, cpu, now / 10)->p95, 2);
  EXPECT_FLOAT_EQ(again.at(Grain::ten_seconds, memory, now / 10)->p95, 3);
  EXPECT_FLOAT_EQ(again.at(Grain::minute, memory, now / 60)->p95, 4);
  EXPECT_FALSE(again.at(Grain::minute, cpu, now / 60));
}

TEST(History, ASeriesWithoutAPointInADayMakesRoom) {
  const test::TempDir directory;
  {
    History history(directory.path(), now);
    history.put(Grain::minute, history.series("old").value(), point(now / 60, 1));
    history.write(Grain::minute, now / 60);
  }
  History again(directory.path(), now + 86'400);
  EXPECT_FALSE(again.find("old"));
  const auto fresh = again.series("new").value();
  EXPECT_EQ(fresh, 0U) << "its place is taken again";
  EXPECT_FALSE(again.at(Grain::minute, fresh, now / 60));
}

TEST(History, SeriesAreCapped) {
  History history({}, now);
  for (std::size_t i = 0; i < History::max_series; ++i) ASSERT_TRUE(history.series("s" + std::to_string(i)));
  EXPECT_FALSE(history.series("one more"));
  EXPECT_TRUE(history.series("s7"));
  EXPECT_FALSE(History({}, now).series(std::string(History::max_key + 1, 'x')));
}

TEST(History, WhatIsNoHistoryIsBegunAnew) {
  for (const std::string_view text :
       {"", "x", "HWHIST\n", "a text that is longer than a header would ever be, surely"}) {
    const test::TempDir directory;
    std::ofstream(directory.path() / "history") << text;
    {
      History history(directory.path(), now);
      history.put(Grain::minute, history.series("cpu").value(), point(now / 60, 1));
      history.write(Grain::minute, now / 60);
    }
    EXPECT_TRUE(History(directory.path(), now).find("cpu")) << text;
  }
}

TEST(History, ADamagedFileCostsWhatIsDamagedAndNothingElse) {
  const test::TempDir directory;
  {
    History history(directory.path(), now);
    for (const auto* key : {"a", "b"}) history.put(Grain::minute, history.series(key).value(), point(now / 60, 1));
    Point wild = point(now / 60, 1);
    wild.sum = std::numeric_limits<float>::quiet_NaN();
    history.put(Grain::minute, history.series("b").value(), wild);
    history.put(Grain::minute, history.series("c").value(), point(now / 60 + 9, 1));  // of a time to come
    history.write(Grain::minute, now / 60);
    history.write(Grain::minute, now / 60 + 9);
  }
  {
    std::fstream file(directory.path() / "history", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 3 * 288);
    file << "no key at all";
  }
  const History again(directory.path(), now);
  EXPECT_TRUE(again.find("a"));
  EXPECT_FALSE(again.find("b"));
  EXPECT_FALSE(again.find("c"));
  std::filesystem::resize_file(directory.path() / "history", 5000);
  EXPECT_FALSE(History(directory.path(), now).find("a")) << "cut off";
}

TEST(History, ADirectoryThatCannotBeWrittenLeavesItInMemory) {
  const test::TempDir directory;
  std::ofstream(directory.path() / "file") << "in the way";
  History history(directory.path() / "file", now);
  const auto series = history.series("cpu").value();
  history.put(Grain::minute, series, point(now / 60, 1));
  history.write(Grain::minute, now / 60);
  EXPECT_TRUE(history.at(Grain::minute, series, now / 60));
}

}  // namespace
}  // namespace hotwell::monitor

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

TEST(History, APlaceOfTheRingIsOnlyWhatItsSlotSays) {
  History history({}, now);
  const auto series = history.series("cpu").value();
  EXPECT_EQ(history.at(Grain::second, series, now), nullptr);
  history.put(Grain::second, series, point(now, 1));
  ASSERT_NE(history.at(Grain::second, series, now), nullptr);
  EXPECT_EQ(history.at(Grain::second, series, now + 300), nullptr) << "the same place, another time";
  history.put(Grain::second, series, point(now + 300, 2));
  EXPECT_EQ(history.at(Grain::second, series, now), nullptr) << "five minutes are kept";
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
  EXPECT_EQ(again.at(Grain::second, cpu, now), nullptr);
  EXPECT_FLOAT_EQ(again.at(Grain::ten_seconds, cpu, now / 10)->p95, 2);
  EXPECT_FLOAT_EQ(again.at(Grain::ten_seconds, memory, now / 10)->p95, 3);
  EXPECT_FLOAT_EQ(again.at(Grain::minute, memory, now / 60)->p95, 4);
  EXPECT_EQ(again.at(Grain::minute, cpu, now / 60), nullptr);
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
  EXPECT_EQ(again.at(Grain::minute, fresh, now / 60), nullptr);
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
    wild.p99 = std::numeric_limits<float>::quiet_NaN();
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
  EXPECT_NE(history.at(Grain::minute, series, now / 60), nullptr);
}

}  // namespace
}  // namespace hotwell::monitor

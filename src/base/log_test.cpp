#include "base/log.hpp"

#include <gtest/gtest.h>

#include "base/assert.hpp"

namespace hotwell::base {
namespace {

TEST(Log, WritesOneLineWithTimeAndLevel) {
  ::testing::internal::CaptureStderr();
  log().warn("cache: {} is down", "redis");
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(std::string_view(line).ends_with("Z warning cache: redis is down\n")) << line;
  EXPECT_EQ(line.size(), std::string("2026-01-31T12:00:00.000000Z warning cache: redis is down\n").size()) << line;
}

TEST(Log, ShowsWhatItsLevelAllows) {
  const auto shows = [](std::string_view level) {
    EXPECT_TRUE(set_log_level(level)) << level;
    ::testing::internal::CaptureStderr();
    log().info("hello");
    return !::testing::internal::GetCapturedStderr().empty();
  };
  EXPECT_TRUE(shows("info"));
  EXPECT_TRUE(shows("trace"));
  EXPECT_FALSE(shows("error"));
  EXPECT_FALSE(shows("off"));
  EXPECT_TRUE(set_log_level("warn"));
}

TEST(Log, RefusesUnknownLevels) {
  const auto refused = set_log_level("loud");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_NE(refused.error().message.find("\"loud\""), std::string::npos);
}

TEST(AssertDeathTest, ABugNamesItsConditionAndPlace) {
  const int workers = -1;
  EXPECT_DEATH(HOTWELL_ASSERT(workers >= 0), "hotwell: bug: workers >= 0 does not hold at .*log_test.cpp:[0-9]+");
}

}  // namespace
}  // namespace hotwell::base

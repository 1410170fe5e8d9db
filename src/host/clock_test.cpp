#include "host/clock.hpp"

#include <gtest/gtest.h>

#include "sim/clock.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;

TEST(SystemClock, IsTheMachines) {
  const host::Clock& clock = host::system_clock();
  const auto before = std::chrono::steady_clock::now();
  const host::MonoTime now = clock.now();
  EXPECT_GE(now, before);
  EXPECT_LE(now, std::chrono::steady_clock::now());
  const auto wall_before = std::chrono::system_clock::now();
  const WallTime wall = clock.wall();
  EXPECT_GE(wall, std::chrono::floor<std::chrono::microseconds>(wall_before));
  EXPECT_LE(wall, std::chrono::system_clock::now());
  EXPECT_GE(clock.coarse_wall(), wall - 10ms);
  EXPECT_LE(clock.coarse_wall(), std::chrono::system_clock::now());
}

TEST(FakeClock, MovesWhenTold) {
  sim::FakeClock clock;
  const auto mono = clock.now();
  const auto wall = clock.wall();
  EXPECT_EQ(clock.now(), mono);
  clock.advance(90s);
  EXPECT_EQ(clock.now() - mono, 90s);
  EXPECT_EQ(clock.wall() - wall, 90s);
  EXPECT_EQ(to_rfc3339(wall), "2026-01-01T00:00:00.000000Z");
}

}  // namespace
}  // namespace hotwell

#include "base/spin.hpp"

#include <gtest/gtest.h>

namespace hotwell::base {
namespace {

using namespace std::chrono_literals;

TEST(Spin, IsOffByItself) {
  Spin spin;
  for (int i = 0; i < 100; ++i) spin.waited(0ns);
  EXPECT_FALSE(spin.enabled());
  EXPECT_FALSE(spin.pays());
}

TEST(Spin, BeginsAfterShortWaitsInARowAndOneMissEndsIt) {
  Spin spin;
  spin.set_limit(20us);
  for (unsigned i = 0; i < Spin::short_waits_first; ++i) {
    EXPECT_FALSE(spin.pays());
    spin.waited(20us);
  }
  EXPECT_TRUE(spin.pays());
  spin.waited(21us);
  for (unsigned i = 1; i < Spin::short_waits_first; ++i) spin.waited(1us);
  EXPECT_FALSE(spin.pays());
  spin.waited(1us);
  EXPECT_TRUE(spin.pays());
}

TEST(Spin, IsNeverLongerThanItsBound) {
  Spin spin;
  spin.set_limit(1s);
  EXPECT_EQ(spin.limit(), Spin::longest);
  spin.set_limit(-1s);
  EXPECT_FALSE(spin.enabled());
}

}  // namespace
}  // namespace hotwell::base

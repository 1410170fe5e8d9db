// Every test executable's main: prints the seed, so that a failing random case can be run again with
// HOTWELL_TEST_SEED=N (RapidCheck takes the same seed).
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/seed.hpp"

namespace hotwell::test {

std::uint64_t seed() {
  static const std::uint64_t value = [] {
    if (const char* given = std::getenv("HOTWELL_TEST_SEED")) return static_cast<std::uint64_t>(std::stoull(given));
    return static_cast<std::uint64_t>(std::random_device{}());
  }();
  return value;
}

}  // namespace hotwell::test

#ifdef __SANITIZE_ADDRESS__
// Debian's x265 keeps a few kilobytes of each encoder.
extern "C" const char* __lsan_default_suppressions() { return "leak:libx265\n"; }
#endif

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const std::string seed = std::to_string(hotwell::test::seed());
  // --gtest_list_tests is read by CMake: nothing else may stand there.
  if (!::testing::GTEST_FLAG(list_tests)) std::printf("seed: HOTWELL_TEST_SEED=%s\n", seed.c_str());
  setenv("RC_PARAMS", ("seed=" + seed).c_str(), 0);
  return RUN_ALL_TESTS();
}

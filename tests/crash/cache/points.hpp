/// How long the crash tests go on: HOTWELL_CRASH_POINTS=10000 is their long form (`make chaos`).
#pragma once

#include <cstdint>
#include <cstdlib>

namespace hotwell::test {

/// `usual`, or in the long form its points divided by `share`: what else a test costs for each of them.
inline std::uint64_t crash_points(std::uint64_t usual, std::uint64_t share) {
  const char* given = std::getenv("HOTWELL_CRASH_POINTS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) / share : usual;
}

}  // namespace hotwell::test

#pragma once
#include <cstdint>

namespace hotwell::test {
/// This run's seed: random, or HOTWELL_TEST_SEED. Printed by every test executable.
[[nodiscard]] std::uint64_t seed();
}  // namespace hotwell::test

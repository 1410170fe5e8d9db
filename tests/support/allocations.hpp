/// Counts what a thread allocates by operator new, so that a test can prove that a hot path does not.
#pragma once
#include <cstdint>

namespace hotwell::test {
/// Allocations of the calling thread so far. Link hotwell_test_allocations, which replaces operator new.
[[nodiscard]] std::uint64_t allocations() noexcept;
}  // namespace hotwell::test

/// What a request costs the heap: glibc's rounding.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

namespace hotwell::cache {

/// Rounded up to 16 with 8 for the heap itself; large ones are mapped, by pages.
[[nodiscard]] constexpr std::uint64_t heap_cost(std::uint64_t bytes) noexcept {
  if (bytes == 0) return 0;
  constexpr std::uint64_t mapped_from = 128 << 10;
  constexpr std::uint64_t page = 4096;
  if (bytes >= mapped_from) return (bytes + 16 + page - 1) / page * page;
  return std::max<std::uint64_t>(32, (bytes + 8 + 15) / 16 * 16);
}

[[nodiscard]] inline std::uint64_t heap_cost(const std::string& text) noexcept {
  const bool inside = text.capacity() <= std::string().capacity();
  return inside ? 0 : heap_cost(text.capacity() + 1);
}

}  // namespace hotwell::cache

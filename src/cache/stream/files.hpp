/// The stream tier's file names, and what files take. docs/formats/stream-object.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/digest.hpp"

namespace hotwell::cache {

inline constexpr std::string_view manifest_suffix = ".manifest";
inline constexpr std::string_view data_suffix = ".data";
inline constexpr std::string_view temporary_suffix = ".new";
inline constexpr std::size_t name_length = 32;

[[nodiscard]] inline std::string name_of(std::string_view key) { return base::xxh3_128_hex(key); }
[[nodiscard]] inline std::string data_name(std::string_view name, std::uint64_t generation) {
  return fmt::format("{}-{:016x}{}", name, generation, data_suffix);
}

/// File systems give space by the block.
[[nodiscard]] constexpr std::uint64_t on_disk(std::uint64_t size) {
  constexpr std::uint64_t block = 4096;
  return (size + block - 1) / block * block;
}

}  // namespace hotwell::cache

/// The manifest of a stream object: bytes in, values out. docs/formats/stream-object.md describes the format.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <hotwell/result.hpp>

#include "cache/object.hpp"

namespace hotwell::cache {

/// The unit that is checksummed and verified.
inline constexpr std::uint64_t chunk_size = 1 << 20;
[[nodiscard]] constexpr std::uint64_t chunks_of(std::uint64_t size) { return (size + chunk_size - 1) / chunk_size; }

struct Manifest {
  Details details;
  std::uint64_t size = 0;
  std::vector<std::uint64_t> checksums;  ///< XXH3-64 of each chunk, in order; as many as chunks_of(size)
};

[[nodiscard]] std::string encode(const Manifest& manifest);
/// Errors: invalid_argument for a version this program does not know, io for anything else that encode() would not
/// have written (cut short, altered, inconsistent).
[[nodiscard]] Result<Manifest> decode_manifest(ByteView bytes);

}  // namespace hotwell::cache

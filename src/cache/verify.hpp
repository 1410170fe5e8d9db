/// Checks a cache's directory while nobody uses it: every checksum, and what does not belong together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <hotwell/result.hpp>

#include "host/disk.hpp"

namespace hotwell::cache {

struct Verification {
  struct Tier {
    std::uint64_t objects = 0;  ///< whole
    std::uint64_t bytes = 0;    ///< of their values
    std::uint64_t damaged = 0;
  };
  Tier disk;
  Tier stream;
  std::uint64_t regions = 0;
  /// What is wrong, a sentence each; the first hundred.
  std::vector<std::string> findings;
};

/// Reads everything and changes nothing but the lock's process id. Errors: not_found (there is no cache), unavailable
/// (a process uses it), invalid_argument (of a format that this program does not know), io.
[[nodiscard]] Result<Verification> verify_directory(host::Disk& disk, const std::filesystem::path& directory);

}  // namespace hotwell::cache

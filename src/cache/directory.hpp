/// The cache's directory: who may use it and what it is. FORMAT names the format (anything unknown is refused and left
/// alone), LOCK keeps other processes out, LAYOUT.txt tells a person what lies where. docs/formats/cache-directory.md.
#pragma once

#include <filesystem>

#include <hotwell/body.hpp>

#include "host/disk.hpp"

namespace hotwell::cache {

/// Claims `directory`, making it where it is absent; the claim lasts as long as the handle.
/// Errors: unavailable (another process has it), invalid_argument (not a cache, or of a format that this program does
/// not know: nothing was touched), denied, disk_full, io.
[[nodiscard]] Result<FileHandle> claim_directory(host::Disk& disk, const std::filesystem::path& directory);

/// The tiers' files below it.
[[nodiscard]] inline std::filesystem::path disk_directory(const std::filesystem::path& directory) {
  return directory / "disk";
}
[[nodiscard]] inline std::filesystem::path stream_directory(const std::filesystem::path& directory) {
  return directory / "stream";
}

}  // namespace hotwell::cache

/// The hot list: the keys that memory held when it was written, so that the next start can bring them back up. A hint
/// and nothing more: a list that is absent, old or damaged costs warmth alone. docs/formats/cache-directory.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <hotwell/body.hpp>

#include "host/disk.hpp"

namespace hotwell::cache {

inline constexpr std::size_t most_hot_keys = 100'000;

[[nodiscard]] std::string encode_hot_list(const std::vector<std::string>& keys);
/// Empty for bytes that encode_hot_list() would not have written.
[[nodiscard]] std::vector<std::string> decode_hot_list(ByteView bytes);

/// Replaces the directory's list as a whole. Errors: as host::Disk's.
Result<void> save_hot_list(host::Disk& disk, const std::filesystem::path& directory,
                           const std::vector<std::string>& keys);
[[nodiscard]] std::vector<std::string> load_hot_list(host::Disk& disk, const std::filesystem::path& directory);

}  // namespace hotwell::cache

/// A small file that is replaced as a whole.
/// Invariant: whenever the process or the machine dies, the file holds what it held before or what it was to hold.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <hotwell/result.hpp>

namespace hotwell::monitor {

/// Writes it beside, syncs it, renames it. Errors: io, disk_full; then the file is what it was before.
Result<void> save_file(const std::filesystem::path& file, std::string_view bytes);
/// Empty where there is none. Errors: io.
[[nodiscard]] Result<std::optional<std::string>> load_file(const std::filesystem::path& file);

}  // namespace hotwell::monitor

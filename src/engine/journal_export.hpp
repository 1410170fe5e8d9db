/// A journal as text: one job a line, for people, scripts and tests that replay an incident.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <hotwell/result.hpp>

namespace hotwell::engine {

/// Calls `line` with every job of the journal in `directory`, those under way first, newest first, as a JSON object:
/// what `docs/formats/journal.md` calls a line of an export. An engine may go on writing meanwhile. Errors: not_found
/// (there is no journal), io.
[[nodiscard]] Result<void> export_journal(const std::filesystem::path& directory,
                                          const std::function<void(const std::string&)>& line);

}  // namespace hotwell::engine

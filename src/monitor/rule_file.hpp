/// The file in which rules that were added while the monitor ran outlive the process (docs/formats/alerts.md).
#pragma once

#include <filesystem>
#include <vector>

#include <hotwell/monitor.hpp>

namespace hotwell::monitor {

/// Errors: io, disk_full; then the file is what it was before.
Result<void> save_rules(const std::filesystem::path& directory, const std::vector<AlertRuleOptions>& rules);
/// None where there is no file. Errors: io; corrupt_input where it holds no rules.
[[nodiscard]] Result<std::vector<AlertRuleOptions>> load_rules(const std::filesystem::path& directory);

}  // namespace hotwell::monitor

/// The configuration of a command that runs an engine: defaults, then the file, then the environment, then flags.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <hotwell/config.hpp>

#include "apps/hotwell/ending.hpp"

namespace hotwell::cli {

struct Settings {
  std::string file;
  std::vector<std::string> media_roots;
  std::map<std::string, std::string> flags;  ///< "--memory" to what was said; empty where nothing was
};

/// Every flag of `hotwell serve`.
void add_settings_options(CLI::App& command, Settings& settings);

/// Reads and validates it all again, as at start and at every reload. Ends as bad usage.
[[nodiscard]] Outcome<Config> load_settings(const Settings& settings);

}  // namespace hotwell::cli

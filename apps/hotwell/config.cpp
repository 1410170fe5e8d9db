/// hotwell config: checks a configuration without starting anything, and shows what would be in force.
#include <cstdio>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/settings.hpp"
#include "engine/config_keys.hpp"

namespace hotwell::cli {

void add_config(CLI::App& root, Commands& commands) {
  auto settings = std::make_shared<Settings>();
  CLI::App* command = root.add_subcommand("config", "Check a configuration and show what would be in force, as TOML.");
  add_settings_options(*command, *settings);
  command->footer("Without a file, variables and flags it prints the defaults, which is hotwell.example.toml.");
  commands.on(command, [settings]() -> Outcome<void> {
    const auto config = load_settings(*settings);
    if (!config) return std::unexpected(config.error());
    std::fputs(engine::render_config(*config).c_str(), stdout);
    return {};
  });
}

}  // namespace hotwell::cli

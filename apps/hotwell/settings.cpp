#include "apps/hotwell/settings.hpp"

#include <array>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/config_keys.hpp"

namespace hotwell::cli {
namespace {

struct Flag {
  const char* name;
  std::string_view key;
  const char* type;
  const char* description;
};

constexpr std::array<Flag, 7> flags{
    {{"--listen", "server.listen", "HOST:PORT", "where to listen; port 0 picks a free one (127.0.0.1:8080)"},
     {"--data", "server.data_dir", "DIR", "the data directory (/var/lib/hotwell, or below $XDG_STATE_HOME)"},
     {"--min-workers", "pool.min_workers", "N", "workers kept warm (2)"},
     {"--max-workers", "pool.max_workers", "N", "worker processes at one time (8)"},
     {"--memory", "cache.memory_limit", "SIZE", "memory for cached objects (100MiB)"},
     {"--disk", "cache.disk_limit", "SIZE", "disk for cached objects (5GiB)"},
     {"--log-level", "server.log_level", "LEVEL", "trace, debug, info, warn, error or off (info)"}}};

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** each = environ; *each; ++each) {
    const std::string_view text(*each);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

// The mistakes, each on a line of its own that begins with its place, as compilers do, so that editors find it.
std::unexpected<Ending> refused(const Error& error) {
  const auto ending = end(error);
  return end(status::usage, "the configuration is not accepted:\n" + ending.error().message);
}

}  // namespace

void add_settings_options(CLI::App& command, Settings& settings) {
  command.add_option("--config", settings.file, "the configuration file (hotwell.example.toml names every key)")
      ->type_name("FILE");
  for (const auto& flag : flags)
    command.add_option(flag.name, settings.flags[flag.name], flag.description)->type_name(flag.type);
  command.add_option("--media-root", settings.media_roots, "a folder whose files may be inputs; may be repeated")
      ->type_name("DIR")
      ->allow_extra_args(false);
}

Outcome<Config> load_settings(const Settings& settings) {
  Result<Config> config = settings.file.empty() ? Config{} : load_config(settings.file);
  if (config) config = apply_environment(std::move(*config), environment());
  if (!config) return refused(config.error());
  for (const auto& flag : flags) {
    const auto said = settings.flags.find(flag.name);
    if (said == settings.flags.end() || said->second.empty()) continue;
    if (auto set = engine::set_key(*config, flag.key, said->second, flag.name); !set) return end(set.error());
  }
  if (!settings.media_roots.empty())
    config->media_roots.assign(settings.media_roots.begin(), settings.media_roots.end());
  if (auto valid = validate(*config); !valid) return refused(valid.error());
  return std::move(*config);
}

}  // namespace hotwell::cli

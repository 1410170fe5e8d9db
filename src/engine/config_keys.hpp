/// The tables of configuration keys: every key's name, meaning, bounds and the member it sets. The TOML file, the
/// environment, command line flags, `hotwell config` and hotwell.example.toml are all driven by them, so that a key
/// that is added here exists everywhere.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <hotwell/config.hpp>

#include "engine/config_value.hpp"

namespace hotwell::engine {

template <class Owner>
struct Key {
  std::string_view path;  ///< dotted: "pool.max_workers", "pool.weights.high"
  std::string_view description;
  Field (*field)(Owner&);
  Limits limits{};
  std::string_view sample{};  ///< an example, for keys whose default is to be absent or empty
  enum class Shown : std::uint8_t { plainly, masked } shown = Shown::plainly;
};

/// In the order in which they are shown; the keys of a section stand together.
[[nodiscard]] std::span<const Key<Config>> config_keys();
/// Of one [[operation]].
[[nodiscard]] std::span<const Key<OperationConfig>> operation_keys();

/// Of one [[alerts.channel]].
[[nodiscard]] std::span<const Key<ChannelOptions>> channel_keys();

/// Of one [[alerts.rule]].
[[nodiscard]] std::span<const Key<AlertRuleOptions>> rule_keys();

/// Sections and keys that are planned and not offered by this version: said so rather than called unknown.
[[nodiscard]] bool is_planned(std::string_view path);

/// "HOTWELL_POOL_MAX_WORKERS" of "pool.max_workers".
[[nodiscard]] std::string environment_name(std::string_view path);

/// Sets one key from a text, as a flag does. `said_by` begins the message: "--memory". Errors: invalid_argument.
/// Precondition: the key exists.
[[nodiscard]] Result<void> set_key(Config& config, std::string_view path, std::string_view text,
                                   std::string_view said_by);

/// The whole configuration as a commented TOML file. Of a default configuration this is hotwell.example.toml.
[[nodiscard]] std::string render_config(const Config& config);

}  // namespace hotwell::engine

#include "engine/config_reload.hpp"

#include <fmt/format.h>

#include "engine/config_keys.hpp"

namespace hotwell::engine {

Reloaded reload(Config& in_force, const Config& next, Knobs& knobs, const SetAlerts& alerts) {
  Reloaded result;
  Config is = next;
  for (const auto& key : config_keys()) {
    const std::string old_text = to_toml(key.field(in_force));
    const std::string new_text = to_toml(key.field(is));
    if (old_text == new_text) continue;
    const std::string name(key.path);
    const auto knob = knobs.find(name);
    const auto number = to_number(key.field(is));
    if (!knob || !number) {
      result.restart.push_back(name);
    } else if (knob->set_by != "default" && knob->set_by != "config") {
      result.kept.push_back(fmt::format("{} (set by {})", name, knob->set_by));
    } else if (const auto set = knobs.set(name, *number, "config", "the configuration was reloaded"); !set) {
      result.refused.push_back(set.error().message);
    } else {
      copy(key.field(in_force), key.field(is));
      result.applied.push_back(fmt::format("{} = {}", name, new_text));
    }
  }
  // Channels first: what a new rule raises is told to all of them.
  if (in_force.monitor.channels != is.monitor.channels) {
    if (const auto set = alerts.channels(is.monitor.channels); !set) {
      result.refused.push_back(set.error().message);
    } else {
      in_force.monitor.channels = is.monitor.channels;
      result.applied.push_back(fmt::format("alerts.channel: {} in all", is.monitor.channels.size()));
    }
  }
  if (in_force.monitor.rules != is.monitor.rules) {
    if (const auto set = alerts.rules(is.monitor.rules); !set) {
      result.refused.push_back(set.error().message);
    } else {
      in_force.monitor.rules = is.monitor.rules;
      result.applied.push_back(fmt::format("alerts.rule: {} in all", is.monitor.rules.size()));
    }
  }
  if (in_force.operations != is.operations) result.restart.emplace_back("operation");
  return result;
}

}  // namespace hotwell::engine

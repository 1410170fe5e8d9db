/// Reloading: what a new configuration changes, and which of that the running system can follow.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <hotwell/config.hpp>
#include <hotwell/knob.hpp>

namespace hotwell::engine {

/// What a reload did, by key.
struct Reloaded {
  std::vector<std::string> applied;  ///< "pool.max_workers = 4"
  std::vector<std::string> refused;  ///< a knob did not take it, with why
  std::vector<std::string> kept;     ///< turned by somebody since (by API, say): left as it is until reset
  std::vector<std::string> restart;  ///< takes effect only at the next start
};

/// Gives the running monitor other alert rules, and others to tell.
struct SetAlerts {
  std::function<Result<void>(const std::vector<AlertRuleOptions>&)> rules;
  std::function<Result<void>(const std::vector<ChannelOptions>&)> channels;
};

/// Turns the knobs of every key that differs between the configuration in force and the next one, and notes in
/// `in_force` what was applied: the rest is named again at the next reload. A key can change while running exactly if a
/// knob bears its name; the rules and channels of alerts can too. Precondition: `next` was validated.
Reloaded reload(Config& in_force, const Config& next, Knobs& knobs, const SetAlerts& alerts);

}  // namespace hotwell::engine

/// The alerts that come with the monitor, and those of the configuration: their levels from the options, their values
/// from metrics and past. Pure. Levels and values of the former are in the units people speak, as in Thresholds, of the
/// latter in their series' unit.
#pragma once

#include <vector>

#include <hotwell/monitor.hpp>

#include "monitor/alerts.hpp"
#include "monitor/past.hpp"
#include "monitor/system.hpp"

namespace hotwell::monitor {

/// Those that come with the monitor first, always the same; rules that are off are not enabled. Precondition:
/// check_rules() of the options' and the added ones together.
[[nodiscard]] std::vector<AlertRule> alert_rules(const MonitorOptions& options,
                                                 const std::vector<AlertRuleOptions>& added = {});
/// Errors: invalid_argument, with the rule's name and what was expected.
[[nodiscard]] Result<void> check_rules(const std::vector<AlertRuleOptions>& own);
[[nodiscard]] AlertBook::Observations observe(const Metrics& metrics, const SystemReading& system, const Past& past,
                                              const std::vector<AlertRuleOptions>& own,
                                              const std::vector<AlertRuleOptions>& added = {});

}  // namespace hotwell::monitor

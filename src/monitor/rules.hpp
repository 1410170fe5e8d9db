/// The alerts that come with the monitor: their levels from the options, their values from metrics and past. Pure.
/// Levels and values are in the units people speak, as in Thresholds.
#pragma once

#include <vector>

#include <hotwell/monitor.hpp>

#include "monitor/alerts.hpp"
#include "monitor/past.hpp"
#include "monitor/system.hpp"

namespace hotwell::monitor {

/// Always the same types in the same order; rules that are off are not enabled.
[[nodiscard]] std::vector<AlertRule> alert_rules(const MonitorOptions& options);
[[nodiscard]] AlertBook::Observations observe(const Metrics& metrics, const SystemReading& system, const Past& past);

}  // namespace hotwell::monitor

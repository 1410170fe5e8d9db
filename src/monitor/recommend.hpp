/// What a person should do about what the monitor sees: rules over one reading, each with its evidence.
#pragma once

#include <vector>

#include <hotwell/monitor.hpp>

namespace hotwell::monitor {

/// The gravest first; where nothing is wrong, one line says so. Pure.
[[nodiscard]] std::vector<Metrics::Recommendation> recommend(const Metrics& metrics, const MonitorOptions& options);

}  // namespace hotwell::monitor

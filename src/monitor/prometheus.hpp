/// GET /metrics: every metric as a Prometheus family.
#pragma once

#include <string>
#include <vector>

#include <hotwell/monitor.hpp>

#include "monitor/system.hpp"
#include "monitor/window.hpp"

namespace hotwell::monitor {

/// What is exported besides the metrics themselves.
struct ExpositionInput {
  const Metrics& metrics;
  const std::vector<Window::Summary::Series>& since_start;
  const std::vector<Window::Summary::Series>& operations;
  const SystemReading& system;
  const ProcessReading& process;
  const std::vector<std::string>& alert_types;  ///< all that may be active
  const std::vector<ChannelStatus>& channels;
};
[[nodiscard]] std::string to_prometheus(const ExpositionInput& input);

}  // namespace hotwell::monitor

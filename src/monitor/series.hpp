/// The names under which the past can be asked for: one table, a line a name. What is counted by the recorder is asked
/// of points of requests; everything else is a gauge, sampled from the metrics once a second.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <hotwell/monitor.hpp>

#include "monitor/history.hpp"

namespace hotwell::monitor {

/// A reading of a gauge: its value is `part / whole`, over any time the sums of both. A level has a whole of 1.
struct Sample {
  double part = 0;
  double whole = 1;
};

struct GaugeSeries {
  std::string_view name;
  std::string_view unit;
  std::string_view description;
  /// Empty where this second tells nothing. `seconds` passed between the two readings.
  std::optional<Sample> (*sample)(const Metrics& now, const Metrics& before, double seconds);
};
[[nodiscard]] std::span<const GaugeSeries> gauge_series();

struct RequestSeries {
  std::string_view name;
  std::string_view unit;
  std::string_view description;
  /// Of a point that exists; `step` is its length in seconds. Not a number: nothing is known.
  double (*value)(const Point& point, double step);
  bool of_nothing_is_zero;  ///< the value of a time without a request: 0, or not known
};
[[nodiscard]] std::span<const RequestSeries> request_series();

}  // namespace hotwell::monitor

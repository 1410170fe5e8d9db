/// Miss-ratio curves: how a policy would do over the sizes that a cache could have, as numbers and as a picture.
#pragma once

#include <string>
#include <vector>

#include "apps/hotwell/replay/simulation.hpp"

namespace hotwell::replay {

struct Curve {
  std::string policy;
  std::vector<ReplayCounts> points;  ///< one for each of the plot's capacities
};

struct CurvePlot {
  std::string title;
  ReplayCapacity::Unit unit = ReplayCapacity::Unit::objects;
  std::vector<std::uint64_t> capacities;  ///< rising
  std::vector<Curve> curves;
};

/// From a thousandth of `largest` up to it, in steps that look even on a logarithmic scale; none twice.
[[nodiscard]] std::vector<std::uint64_t> curve_capacities(std::uint64_t largest, unsigned count);
/// "4,096" objects or "64.00 MiB".
[[nodiscard]] std::string capacity_text(std::uint64_t amount, ReplayCapacity::Unit unit);
/// A whole SVG document: miss ratio over capacity, one line for each policy.
[[nodiscard]] std::string to_svg(const CurvePlot& plot);

}  // namespace hotwell::replay

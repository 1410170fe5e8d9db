#include "apps/hotwell/replay/curve.hpp"

#include <gtest/gtest.h>

namespace hotwell::replay {
namespace {

TEST(Curve, CapacitiesRiseToTheLargest) {
  EXPECT_EQ(curve_capacities(1000, 4), (std::vector<std::uint64_t>{1, 10, 100, 1000}));
  const auto few = curve_capacities(3, 25);
  EXPECT_EQ(few, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST(Curve, IsDrawnAsAWholeDocument) {
  ReplayCounts all{.requests = 10, .misses = 10};
  ReplayCounts half{.requests = 10, .misses = 5};
  const auto svg = to_svg({.title = "a<b & c: miss ratio",
                           .unit = ReplayCapacity::Unit::objects,
                           .capacities = {10, 1000},
                           .curves = {{"lru", {all, half}}, {"fifo", {all, all}}}});
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find("a&lt;b &amp; c"), std::string::npos);
  EXPECT_NE(svg.find("points=\"64.0,44.0 620.0,222.0 \""), std::string::npos) << svg;
  EXPECT_NE(svg.find(">fifo</text>"), std::string::npos);
  EXPECT_NE(svg.find(">1,000</text>"), std::string::npos);
}

TEST(Curve, OneSizeIsAPlotToo) {
  const auto svg = to_svg({.title = "one", .capacities = {5}, .curves = {{"lru", {ReplayCounts{.requests = 1}}}}});
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

}  // namespace
}  // namespace hotwell::replay

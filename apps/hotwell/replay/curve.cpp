#include "apps/hotwell/replay/curve.hpp"

#include <array>
#include <cmath>
#include <iterator>

#include <fmt/format.h>
#include <hotwell/units.hpp>

namespace hotwell::replay {
namespace {

constexpr double width = 760;
constexpr double height = 460;
constexpr double left = 64;
constexpr double right = 140;  // the legend's
constexpr double top = 44;
constexpr double bottom = 60;
constexpr std::array colours{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b"};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

class Scale {
 public:
  explicit Scale(const CurvePlot& plot)
      : from_(std::log(static_cast<double>(plot.capacities.front()))),
        to_(std::log(static_cast<double>(plot.capacities.back()))) {}
  [[nodiscard]] double x(std::uint64_t capacity) const {
    const double part = to_ > from_ ? (std::log(static_cast<double>(capacity)) - from_) / (to_ - from_) : 0.5;
    return left + part * (width - left - right);
  }
  [[nodiscard]] static double y(double ratio) { return top + (1 - ratio) * (height - top - bottom); }

 private:
  double from_;
  double to_;
};

}  // namespace

std::vector<std::uint64_t> curve_capacities(std::uint64_t largest, unsigned count) {
  std::vector<std::uint64_t> all;
  for (unsigned i = 0; i < count; ++i) {
    const double part = std::pow(1000.0, static_cast<double>(i) / (count - 1) - 1);
    const auto capacity =
        i + 1 == count ? largest : static_cast<std::uint64_t>(std::llround(part * static_cast<double>(largest)));
    if (capacity > 0 && (all.empty() || capacity > all.back())) all.push_back(capacity);
  }
  return all;
}

std::string capacity_text(std::uint64_t amount, ReplayCapacity::Unit unit) {
  if (unit == ReplayCapacity::Unit::bytes) return to_string(Bytes{amount});
  std::string digits = fmt::format("{}", amount);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string to_svg(const CurvePlot& plot) {
  const Scale scale(plot);
  std::string svg;
  const auto add = [&](fmt::string_view format, auto&&... values) {
    fmt::vformat_to(std::back_inserter(svg), format, fmt::make_format_args(values...));
    svg += '\n';
  };
  add(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" font-family="sans-serif" font-size="12">)",
      width, height);
  add(R"(<rect width="100%" height="100%" fill="white"/>)");
  add(R"(<text x="{}" y="24" font-size="15">{}</text>)", left, escaped(plot.title));
  for (int tenth = 0; tenth <= 10; tenth += 2) {
    const double y = Scale::y(tenth / 10.0);
    add(R"(<line x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}" stroke="#ddd"/>)", left, width - right, y, y);
    add(R"(<text x="{}" y="{:.1f}" text-anchor="end">{}%</text>)", left - 8, y + 4, tenth * 10);
  }
  const auto last = plot.capacities.size() - 1;
  for (std::size_t mark = 0; mark <= 4; ++mark) {
    const auto capacity = plot.capacities[last * mark / 4];
    add(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>)", scale.x(capacity), height - bottom + 20,
        capacity_text(capacity, plot.unit));
  }
  add(R"(<text x="{}" y="{}" text-anchor="middle">capacity{}, logarithmic</text>)", (left + width - right) / 2,
      height - 16, plot.unit == ReplayCapacity::Unit::objects ? " in objects" : "");
  add(R"svg(<text transform="translate(18 {}) rotate(-90)" text-anchor="middle">miss ratio</text>)svg",
      (top + height - bottom) / 2);
  for (std::size_t i = 0; i < plot.curves.size(); ++i) {
    const auto* colour = colours.at(i % colours.size());
    std::string points;
    for (std::size_t at = 0; at < plot.capacities.size(); ++at)
      points +=
          fmt::format("{:.1f},{:.1f} ", scale.x(plot.capacities[at]), Scale::y(plot.curves[i].points[at].miss_ratio()));
    add(R"(<polyline points="{}" fill="none" stroke="{}" stroke-width="2"/>)", points, colour);
    const double y = top + 8 + 20 * static_cast<double>(i);
    add(R"(<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="{}" stroke-width="2"/>)", width - right + 12,
        width - right + 36, y, y, colour);
    add(R"(<text x="{}" y="{}">{}</text>)", width - right + 42, y + 4, escaped(plot.curves[i].policy));
  }
  svg += "</svg>\n";
  return svg;
}

}  // namespace hotwell::replay

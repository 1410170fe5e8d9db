#include "media/geometry.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace hotwell::media {
namespace {

int rounded(double value) { return std::max(1, static_cast<int>(std::lround(value))); }

Size turned(Size size, Orientation orientation) {
  return orientation.transposes() ? Size{size.height, size.width} : size;
}

bool usable(Ratio ratio) { return ratio.num > 0 && ratio.den > 0; }

}  // namespace

int Orientation::clockwise() const {
  constexpr std::array<int, 9> degrees = {0, 0, 0, 180, 180, 90, 90, 270, 270};
  return degrees[static_cast<std::size_t>(exif)];
}

Orientation orientation_of(const std::int32_t* matrix) {
  // x' = a x + c y, y' = b x + d y. The larger of |a| and |c| says whether it transposes.
  const double a = matrix[0];
  const double b = matrix[1];
  const double c = matrix[3];
  const double d = matrix[4];
  if (a == 0 && b == 0 && c == 0 && d == 0) return {};
  if (std::abs(a) >= std::abs(c)) {
    if (a >= 0) return {d >= 0 ? 1 : 4};
    return {d >= 0 ? 2 : 3};
  }
  if (c >= 0) return {b >= 0 ? 5 : 8};
  return {b >= 0 ? 6 : 7};
}

Size shown_size(Size stored, Ratio sample_aspect, Orientation orientation) {
  if (!usable(sample_aspect)) sample_aspect = {};
  const double stretch = static_cast<double>(sample_aspect.num) / sample_aspect.den;
  Size size = stored;
  if (stretch > 1) size.width = rounded(stored.width * stretch);
  if (stretch < 1) size.height = rounded(stored.height / stretch);
  return turned(size, orientation);
}

Shape shape_for(Size stored, Ratio sample_aspect, Orientation orientation, Box box) {
  if (!usable(sample_aspect)) sample_aspect = {};
  const Size full = shown_size(stored, sample_aspect, orientation);
  Shape shape{.source = {0, 0, stored.width, stored.height}};
  if (box.fit == Fit::cover && box.width > 0 && box.height > 0) {
    shape.shown = {box.width, box.height};
    // The part of the shown picture with the box's aspect, taken back to stored pixels; a cut from the middle is the
    // same however the picture is turned.
    const double wanted = static_cast<double>(box.width) / box.height;
    double width = full.width;
    double height = full.height;
    if (width / height > wanted) {
      width = height * wanted;
    } else {
      height = width / wanted;
    }
    double across = width / full.width;
    double down = height / full.height;
    if (orientation.transposes()) std::swap(across, down);
    shape.source.width = std::min(stored.width, rounded(stored.width * across));
    shape.source.height = std::min(stored.height, rounded(stored.height * down));
    shape.source.left = ((stored.width - shape.source.width) / 2) & ~1;  // subsampled chroma is cut by twos
    shape.source.top = ((stored.height - shape.source.height) / 2) & ~1;
  } else {
    double scale = 1;
    if (box.width > 0) scale = std::min(scale, static_cast<double>(box.width) / full.width);
    if (box.height > 0) scale = std::min(scale, static_cast<double>(box.height) / full.height);
    shape.shown = {rounded(full.width * scale), rounded(full.height * scale)};
  }
  shape.scaled = turned(shape.shown, orientation);
  return shape;
}

}  // namespace hotwell::media

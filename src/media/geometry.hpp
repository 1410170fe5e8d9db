/// How a stored picture has to be turned, stretched, cut and scaled to be what a viewer sees. Pure arithmetic.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace hotwell::media {

struct Size {
  int width = 0;
  int height = 0;
  friend bool operator==(const Size&, const Size&) = default;
};

struct Rect {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
  friend bool operator==(const Rect&, const Rect&) = default;
};

struct Ratio {
  int num = 1;
  int den = 1;
};

/// The eight ways to turn and mirror a picture, as EXIF numbers them (6: turn it 90 degrees clockwise to see it
/// upright).
struct Orientation {
  int exif = 1;

  [[nodiscard]] bool transposes() const { return exif >= 5; }
  [[nodiscard]] bool identity() const { return exif == 1; }
  /// Degrees clockwise from stored to shown; a mirror, if any, comes after that, left to right.
  [[nodiscard]] int clockwise() const;
  [[nodiscard]] bool mirrored() const { return exif == 2 || exif == 4 || exif == 5 || exif == 7; }
  friend bool operator==(const Orientation&, const Orientation&) = default;
};

/// The orientation next to what a display matrix of nine 16.16 numbers says; odd angles go to the nearest quarter.
[[nodiscard]] Orientation orientation_of(const std::int32_t* matrix);

enum class Fit : std::uint8_t { contain, cover };

struct Box {
  int width = 0;  ///< 0: follows from the other
  int height = 0;
  Fit fit = Fit::contain;
};

/// What to do with a stored picture: cut `source` out of it, scale that to `scaled`, then turn it, which gives `shown`.
struct Shape {
  Rect source;
  Size scaled;
  Size shown;
};

/// The size at which a viewer sees the whole picture, with square pixels: stretched by the sample aspect ratio,
/// never shrunk by it, then turned.
[[nodiscard]] Size shown_size(Size stored, Ratio sample_aspect, Orientation orientation);

/// `contain` keeps the whole picture and never enlarges it; `cover` fills a box of two sides exactly, enlarging if it
/// must, and cuts equally from both ends of what is too long. A box of one side, or none, is `contain`.
[[nodiscard]] Shape shape_for(Size stored, Ratio sample_aspect, Orientation orientation, Box box);

}  // namespace hotwell::media

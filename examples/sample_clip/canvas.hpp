/// What a frame of the sample clip looks like, drawn upright: the bar code on top, the number in digits, a bar that
/// moves, and four blocks of known colours at the bottom. Invariant: only the bar code is black or white through and
/// through over a whole block, so nothing else can be taken for it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace hotwell::sample {

struct Rgb {
  std::uint8_t r = 0, g = 0, b = 0;
  friend bool operator==(const Rgb&, const Rgb&) = default;
};

/// The bottom fifth, from left to right.
inline constexpr std::array<Rgb, 4> bottom_colours = {Rgb{200, 40, 40}, Rgb{40, 160, 40}, Rgb{40, 40, 200},
                                                      Rgb{200, 200, 40}};

inline constexpr int code_blocks = 18;  ///< a white mark, 12 bits of number, 4 of check, a black mark

/// Whether each block of the bar code of `number` is white.
[[nodiscard]] std::array<bool, code_blocks> code_of(int number);

class Canvas {
 public:
  Canvas(int width, int height);
  void draw(int number, int count);
  [[nodiscard]] const Rgb& at(int x, int y) const {
    return pixels_[static_cast<std::size_t>(y) * width_ + static_cast<std::size_t>(x)];
  }
  [[nodiscard]] int width() const { return static_cast<int>(width_); }
  [[nodiscard]] int height() const { return static_cast<int>(height_); }

 private:
  void fill(int left, int top, int right, int bottom, Rgb colour);
  void draw_digits(int number);

  std::size_t width_, height_;
  std::vector<Rgb> pixels_;
};

}  // namespace hotwell::sample

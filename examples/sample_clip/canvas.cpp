#include "examples/sample_clip/canvas.hpp"

#include <algorithm>
#include <string>

namespace hotwell::sample {
namespace {

// Digits of 3 x 5 dots, a row in three bits.
constexpr std::array<std::array<std::uint8_t, 5>, 10> font = {{{7, 5, 5, 5, 7},
                                                               {2, 6, 2, 2, 7},
                                                               {7, 1, 7, 4, 7},
                                                               {7, 1, 7, 1, 7},
                                                               {5, 5, 7, 1, 1},
                                                               {7, 4, 7, 1, 7},
                                                               {7, 4, 7, 5, 7},
                                                               {7, 1, 1, 1, 1},
                                                               {7, 5, 7, 5, 7},
                                                               {7, 5, 7, 1, 7}}};

}  // namespace

std::array<bool, code_blocks> code_of(int number) {
  const unsigned n = static_cast<unsigned>(number) & 0xfffU;
  const unsigned check = ((n ^ (n >> 4U) ^ (n >> 8U)) & 0xfU) ^ 0xaU;
  const unsigned bits = (n << 4U) | check;
  std::array<bool, code_blocks> blocks{};
  blocks.front() = true;
  for (unsigned i = 0; i < 16; ++i) blocks[i + 1] = ((bits >> (15U - i)) & 1U) != 0;
  return blocks;
}

Canvas::Canvas(int width, int height)
    : width_(static_cast<std::size_t>(width)), height_(static_cast<std::size_t>(height)), pixels_(width_ * height_) {}

void Canvas::draw(int number, int count) {
  const int w = width();
  const int h = height();
  // A background that changes slowly: it costs bits and so makes frames differ beyond the number.
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const auto shade =
          static_cast<std::uint8_t>(96 + ((x + number * 3) * 48 / std::max(w, 1) + y * 24 / std::max(h, 1)) % 64);
      pixels_[static_cast<std::size_t>(y) * width_ + static_cast<std::size_t>(x)] = {
          shade, 120, static_cast<std::uint8_t>(216 - shade)};
    }
  }
  const auto code = code_of(number);
  for (int i = 0; i < code_blocks; ++i) {
    const std::uint8_t level = code[static_cast<std::size_t>(i)] ? 255 : 0;
    fill(i * w / code_blocks, 0, (i + 1) * w / code_blocks, h / 4, {level, level, level});
  }
  draw_digits(number);
  const int bar = count > 1 ? number * (w - w / 20) / (count - 1) : 0;
  fill(bar, h * 7 / 10, bar + std::max(w / 20, 1), h * 3 / 4, {230, 230, 230});
  for (int i = 0; i < 4; ++i) {
    fill(i * w / 4, h * 4 / 5, (i + 1) * w / 4, h, bottom_colours[static_cast<std::size_t>(i)]);
  }
}

void Canvas::fill(int left, int top, int right, int bottom, Rgb colour) {
  for (int y = std::max(top, 0); y < std::min(bottom, height()); ++y) {
    const auto row = pixels_.begin() + static_cast<std::ptrdiff_t>(y) * width();
    std::fill(row + std::clamp(left, 0, width()), row + std::clamp(right, 0, width()), colour);
  }
}

void Canvas::draw_digits(int number) {
  const int dot = std::max(height() / 16, 1);
  int left = dot;
  for (const char digit : std::to_string(number)) {
    const auto& rows = font[static_cast<std::size_t>(digit - '0')];
    for (int y = 0; y < 5; ++y) {
      for (int x = 0; x < 3; ++x) {
        if (((rows[static_cast<std::size_t>(y)] >> (2 - x)) & 1) == 0) continue;
        const int top = height() * 3 / 10 + y * dot;
        fill(left + x * dot, top, left + (x + 1) * dot, top + dot, {235, 235, 235});
      }
    }
    left += 4 * dot;
  }
}

}  // namespace hotwell::sample

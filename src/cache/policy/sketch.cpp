#include "cache/policy/sketch.hpp"

#include <algorithm>

namespace hotwell::cache {
namespace {

constexpr unsigned most = 15;
constexpr std::uint64_t counters_per_entry = 16;
// Additions for each entry before everything is halved: what the TinyLFU paper takes.
constexpr std::uint64_t sample = 10;
constexpr std::uint64_t smallest_sample = 640;

std::uint64_t spread(std::uint32_t hash) {
  std::uint64_t x = hash * 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ULL;
  return x ^ (x >> 32);
}

}  // namespace

void FrequencySketch::expect(std::uint64_t entries) {
  age_after_ = std::max(sample * entries, smallest_sample);
  while (lines_.size() * rows * counters_per_row < counters_per_entry * entries) {
    // Twice the lines, by one more bit of the hash: each key finds in the copy what it had.
    const auto half = lines_.size();
    lines_.resize(2 * half);
    std::copy_n(lines_.begin(), half, lines_.begin() + static_cast<std::ptrdiff_t>(half));
  }
}

FrequencySketch::Place FrequencySketch::place(std::uint32_t hash) const {
  std::uint64_t bits = spread(hash);
  Place place;
  place.line = bits & (lines_.size() - 1);
  bits >>= 44;  // five bits a row, and none of those that chose the line
  for (unsigned row = 0; row < rows; ++row, bits >>= 5) {
    place.word.at(row) = static_cast<std::uint8_t>(2 * row + (bits & 1));
    place.shift.at(row) = static_cast<std::uint8_t>(((bits >> 1) & 15) * 4);
  }
  return place;
}

unsigned FrequencySketch::count(std::uint32_t hash) const {
  const auto at = place(hash);
  unsigned least = most;
  for (unsigned row = 0; row < rows; ++row) least = std::min(least, read(at, row));
  return least;
}

void FrequencySketch::add(std::uint32_t hash) {
  const auto at = place(hash);
  unsigned least = most;
  for (unsigned row = 0; row < rows; ++row) least = std::min(least, read(at, row));
  if (least < most)
    for (unsigned row = 0; row < rows; ++row)
      if (read(at, row) == least) lines_[at.line].at(at.word.at(row)) += std::uint64_t{1} << at.shift.at(row);
  if (++added_ >= age_after_) age();
}

void FrequencySketch::age() {
  for (auto& line : lines_)
    for (auto& word : line) word = (word >> 1) & 0x7777777777777777ULL;
  added_ /= 2;
}

}  // namespace hotwell::cache

/// How often keys were asked for lately, roughly: counters up to 15 that several keys share, halved from time to time
/// so that the past fades. One look-up touches one cache line.
/// Source: Cormode, Muthukrishnan, "An improved data stream summary: the count-min sketch", 2005, with conservative
/// update (Estan, Varghese, 2002) and ageing (Einziger, Friedman, Manes, "TinyLFU", 2017).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace hotwell::cache {

class FrequencySketch {
 public:
  FrequencySketch() : lines_(2) {}

  /// Keeps 16 to 32 counters for each of `entries`. What was counted stays.
  void expect(std::uint64_t entries);
  [[nodiscard]] unsigned count(std::uint32_t hash) const;
  void add(std::uint32_t hash);

 private:
  static constexpr unsigned rows = 4;
  static constexpr unsigned counters_per_row = 32;
  using Line = std::array<std::uint64_t, 8>;  ///< rows of 32 counters of 4 bits

  struct Place {
    std::size_t line = 0;
    std::array<std::uint8_t, rows> word{};
    std::array<std::uint8_t, rows> shift{};
  };
  [[nodiscard]] Place place(std::uint32_t hash) const;
  [[nodiscard]] unsigned read(const Place& place, unsigned row) const {
    return (lines_[place.line].at(place.word.at(row)) >> place.shift.at(row)) & 15U;
  }
  void age();

  std::vector<Line> lines_;  ///< a power of two of them
  std::uint64_t added_ = 0;
  std::uint64_t age_after_ = 0;
};

}  // namespace hotwell::cache

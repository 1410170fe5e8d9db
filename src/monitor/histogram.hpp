/// Mergeable histograms of durations with a bounded relative error.
///
/// Values below 256 ns have a bucket each; from there every power of two is cut into 128 equal parts, so that a
/// bucket is at most 1/128 of its values wide and its middle is at most 0.4 % away from any of them. Buckets are the
/// same in every histogram: merging and subtracting are sums and differences of counts, and lose nothing.
/// Source: HdrHistogram's bucket layout (G. Tene); OpenTelemetry's base-2 exponential histogram.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <hotwell/units.hpp>

#include "base/assert.hpp"

namespace hotwell::monitor {

/// The one bucket layout. Units: nanoseconds.
struct Buckets {
  static constexpr unsigned part_bits = 7;
  static constexpr unsigned limit_bits = 44;  ///< values from 2^44 ns (4.9 h) up share the last bucket
  static constexpr std::size_t block_size = std::size_t{1} << part_bits;  ///< buckets of one power of two
  static constexpr std::size_t block_count = limit_bits - part_bits + 1;
  static constexpr std::size_t count = block_count * block_size;
  static constexpr std::uint64_t limit = std::uint64_t{1} << limit_bits;

  [[nodiscard]] static constexpr std::size_t index(std::uint64_t value) noexcept {
    if (value >= limit) return count - 1;
    if (value < 2 * block_size) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - part_bits;
    return (static_cast<std::size_t>(shift) << part_bits) + static_cast<std::size_t>(value >> shift);
  }
  /// The bucket's smallest value.
  [[nodiscard]] static constexpr std::uint64_t low(std::size_t index) noexcept {
    if (index < 2 * block_size) return index;
    const auto shift = static_cast<unsigned>(index >> part_bits) - 1;
    return static_cast<std::uint64_t>(index - (static_cast<std::size_t>(shift) << part_bits)) << shift;
  }
  /// The bucket's largest value.
  [[nodiscard]] static constexpr std::uint64_t high(std::size_t index) noexcept {
    return index + 1 < count ? low(index + 1) - 1 : limit - 1;
  }
  [[nodiscard]] static constexpr std::uint64_t middle(std::size_t index) noexcept {
    return low(index) + (high(index) - low(index)) / 2;
  }
};

/// Counts by bucket, from the lowest power of two that was used to the highest: one stretch of memory, so that merging
/// is a loop without a branch. clear() keeps the memory.
class Histogram {
 public:
  void add(std::uint64_t value, std::uint64_t times = 1) { add_to(Buckets::index(value), times); }
  void add_to(std::size_t index, std::uint64_t times) {
    if (times == 0) return;
    at(index) += times;
    total_ += times;
  }
  void merge(const Histogram& other) {
    if (other.counts_.empty()) return;
    std::uint64_t* mine = cover(other.first_, other.end_block());
    for (std::size_t i = 0; i < other.counts_.size(); ++i) mine[i] += other.counts_[i];
    total_ += other.total_;
  }
  /// Adds a power of two's counts as `count(i)` tells them.
  template <class F>
  void add_block(std::size_t number, F count) {
    std::uint64_t* mine = cover(number, number + 1);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < Buckets::block_size; ++i) {
      const std::uint64_t times = count(i);
      mine[i] += times;
      sum += times;
    }
    total_ += sum;
  }
  /// Precondition: the bucket holds at least so many.
  void take_from(std::size_t index, std::uint64_t times) {
    auto& count = at(index);
    HOTWELL_ASSERT(count >= times);
    count -= times;
    total_ -= times;
  }
  /// Precondition: no bucket of `earlier` holds more than this one's.
  void subtract(const Histogram& earlier) {
    if (earlier.counts_.empty()) return;
    std::uint64_t* mine = cover(earlier.first_, earlier.end_block());
    bool enough = true;
    for (std::size_t i = 0; i < earlier.counts_.size(); ++i) {
      enough &= mine[i] >= earlier.counts_[i];
      mine[i] -= earlier.counts_[i];
    }
    HOTWELL_ASSERT(enough);
    total_ -= earlier.total_;
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t count(std::size_t index) const noexcept {
    const std::size_t from = first_ * Buckets::block_size;
    return index >= from && index - from < counts_.size() ? counts_[index - from] : 0;
  }
  /// The value that a part `q` of all values does not exceed, by nearest rank: the middle of the bucket that holds
  /// the value of exactly that rank; 0 when empty. Precondition: 0 <= q <= 1.
  [[nodiscard]] std::uint64_t quantile(double q) const { return quantiles<1>({q}).front(); }
  /// Several at once, in one pass. Precondition: they ascend.
  template <std::size_t N>
  [[nodiscard]] std::array<std::uint64_t, N> quantiles(const std::array<double, N>& asked) const {
    std::array<std::uint64_t, N> answers{};
    if (total_ == 0) return answers;
    const auto rank = [this](double q) {
      return std::clamp(static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(total_))), std::uint64_t{1},
                        total_);
    };
    std::size_t next = 0;
    std::uint64_t wanted = rank(asked.front());
    std::uint64_t seen = 0;
    for (std::size_t block = 0; block < counts_.size(); block += Buckets::block_size) {
      const std::uint64_t* counts = &counts_[block];
      std::uint64_t in_block = 0;
      for (std::size_t i = 0; i < Buckets::block_size; ++i) in_block += counts[i];
      if (seen + in_block < wanted) {
        seen += in_block;
        continue;
      }
      for (std::size_t i = 0; i < Buckets::block_size; ++i) {
        seen += counts[i];
        while (seen >= wanted) {
          answers[next] = Buckets::middle(first_ * Buckets::block_size + block + i);
          if (++next == N) return answers;
          wanted = rank(asked[next]);
        }
      }
    }
    return answers;  // unreachable: the counts sum up to total_
  }
  /// How many values lie in the buckets [from, to).
  [[nodiscard]] std::uint64_t count_between(std::size_t from, std::size_t to) const noexcept {
    const std::size_t first = first_ * Buckets::block_size;
    const std::size_t last = std::min(to, first + counts_.size());
    std::uint64_t sum = 0;
    for (std::size_t i = std::max(from, first); i < last; ++i) sum += counts_[i - first];
    return sum;
  }
  /// How many values lie in buckets that end at or below `value`.
  [[nodiscard]] std::uint64_t count_up_to(std::uint64_t value) const {
    std::uint64_t sum = 0;
    for_each([&](std::size_t index, std::uint64_t times) { sum += Buckets::high(index) <= value ? times : 0; });
    return sum;
  }
  /// Calls visit(index, count) for every bucket that is not empty, in ascending order.
  template <class F>
  void for_each(F visit) const {
    const std::size_t from = first_ * Buckets::block_size;
    for (std::size_t i = 0; i < counts_.size(); ++i)
      if (counts_[i] != 0) visit(from + i, counts_[i]);
  }
  void clear() {
    counts_.clear();
    total_ = 0;
  }

 private:
  [[nodiscard]] std::size_t end_block() const { return first_ + counts_.size() / Buckets::block_size; }
  std::uint64_t& at(std::size_t index) {
    const std::size_t block = index >> Buckets::part_bits;
    return cover(block, block + 1)[index % Buckets::block_size];
  }
  /// Makes room for the powers of two [first, end); the counts of `first`.
  std::uint64_t* cover(std::size_t first, std::size_t end) {
    if (counts_.empty()) first_ = first;
    if (first < first_) {
      counts_.insert(counts_.begin(), (first_ - first) * Buckets::block_size, 0);
      first_ = first;
    }
    if (end > end_block()) counts_.resize((end - first_) * Buckets::block_size);
    return &counts_[(first - first_) * Buckets::block_size];
  }

  std::vector<std::uint64_t> counts_;  ///< whole powers of two
  std::size_t first_ = 0;              ///< the first one's number
  std::uint64_t total_ = 0;
};

}  // namespace hotwell::monitor

/// One second at rest: which series counted something, and what.
///
/// Invariants: series ascend; each has its tally and its histogram as base-128 numbers (a histogram's buckets by their
/// distance to the one before): some fifty bytes for a series that saw ten requests, and one stretch of memory a
/// second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/assert.hpp"
#include "monitor/histogram.hpp"
#include "monitor/recorder.hpp"

namespace hotwell::monitor {

class PackedSecond {
 public:
  /// Precondition: `series` is above those that were added before.
  void add(std::size_t series, const Tally& tally, const Histogram& histogram) {
    HOTWELL_ASSERT(series >= next_);
    record_.clear();
    for (const std::uint64_t count : tally.outcomes) put(record_, count);
    put(record_, tally.sum);
    put(record_, tally.clamped);
    put(record_, tally.min + 1);  // none is the largest number: as 0 it takes a byte
    put(record_, tally.max);
    std::size_t next = 0;
    histogram.for_each([&](std::size_t index, std::uint64_t times) {
      put(record_, index - next);
      put(record_, times);
      next = index + 1;
    });
    put(bytes_, series - next_);
    put(bytes_, record_.size());
    bytes_.insert(bytes_.end(), record_.begin(), record_.end());
    next_ = series + 1;
  }
  /// Nothing more is added: gives back what was taken for that.
  void finish() {
    bytes_.shrink_to_fit();
    record_ = {};
  }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_.size(); }

  /// Walks through the series. Ownership: borrows the second.
  class Cursor {
   public:
    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

    explicit Cursor(const PackedSecond& second)
        : at_(second.bytes_.data()), end_(second.bytes_.data() + second.bytes_.size()) {
      read_head();
    }
    /// The series that it stands at; `none` behind the last.
    [[nodiscard]] std::size_t series() const noexcept { return series_; }
    void next() {
      at_ = record_end_;
      read_head();
    }
    /// Whether it counted something; then the cursor stands there. Precondition: not asked for a later one before.
    bool find(std::size_t series) {
      while (series_ < series) next();
      return series_ == series;
    }
    /// Precondition: series() is one.
    [[nodiscard]] Tally tally() const {
      const std::uint8_t* at = at_;
      return take_tally(at);
    }
    /// Calls visit(bucket, times). Precondition: series() is one.
    template <class F>
    void for_each_bucket(F visit) const {
      const std::uint8_t* at = at_;
      (void)take_tally(at);
      for (std::size_t next = 0; at != record_end_;) {
        const auto index = next + static_cast<std::size_t>(take(at));
        visit(index, take(at));
        next = index + 1;
      }
    }
    void merge_into(Histogram& histogram) const {
      for_each_bucket([&](std::size_t index, std::uint64_t times) { histogram.add_to(index, times); });
    }

   private:
    void read_head() {
      if (at_ == end_) {
        series_ = none;
        record_end_ = end_;
        return;
      }
      series_ = next_ + static_cast<std::size_t>(take(at_));
      next_ = series_ + 1;
      const auto size = static_cast<std::size_t>(take(at_));
      record_end_ = at_ + size;
    }
    static Tally take_tally(const std::uint8_t*& at) {
      Tally tally;
      for (std::uint64_t& count : tally.outcomes) count = take(at);
      tally.sum = take(at);
      tally.clamped = take(at);
      tally.min = take(at) - 1;
      tally.max = take(at);
      return tally;
    }
    static std::uint64_t take(const std::uint8_t*& at) {
      std::uint64_t value = 0;
      for (unsigned shift = 0;; shift += 7) {
        const std::uint8_t byte = *at++;
        value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return value;
      }
    }

    const std::uint8_t* at_;  ///< the record's tally, or the end
    const std::uint8_t* record_end_ = nullptr;
    const std::uint8_t* end_;
    std::size_t series_ = none;
    std::size_t next_ = 0;  ///< what the next distance counts from
  };

 private:
  static void put(std::vector<std::uint8_t>& to, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) to.push_back(static_cast<std::uint8_t>(value | 0x80));
    to.push_back(static_cast<std::uint8_t>(value));
  }

  std::vector<std::uint8_t> bytes_;
  std::vector<std::uint8_t> record_;  ///< for the moment
  std::size_t next_ = 0;
};

}  // namespace hotwell::monitor

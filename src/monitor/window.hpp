/// The rolling window: what a recorder counted in the last N seconds, as differences between readings.
///
/// Once a second roll() puts what was counted since the roll before into a slot; the last five minutes of slots are
/// kept. A question adds the slots that the window touches and the running second, which is read on the spot: so the
/// answer holds every request of the window, and up to one second more at its old end. `covered` says how long that
/// really is, and rates divide by it.
///
/// Threads: one at a time (the owner locks). Time is handed in and must not fall.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <hotwell/monitor.hpp>

#include "host/clock.hpp"
#include "monitor/histogram.hpp"
#include "monitor/recorder.hpp"

namespace hotwell::monitor {

/// One series, or all together, over some time.
struct Reading {
  Tally tally;
  Histogram histogram;

  [[nodiscard]] Duration average() const;
  /// Kept within minimum and maximum, which are exact.
  [[nodiscard]] Duration quantile(double q) const;
  [[nodiscard]] Duration min() const;
  [[nodiscard]] Duration max() const;
  void merge(const Reading& other);
};

/// Whether the newer failures are more or fewer than chance explains: a two-proportion z-test with Yates' correction
/// at the 1 % level; `steady` while either half has under 10 requests.
[[nodiscard]] Trend trend(const Tally& older, const Tally& newer);

class Window {
 public:
  static constexpr Duration shortest = std::chrono::seconds{1};
  static constexpr Duration longest = std::chrono::seconds{300};

  /// Ownership: borrows the recorder.
  Window(const Recorder& recorder, host::MonoTime start);

  /// Ends the running second, if one ended since the last roll. Call it at least once a second: a slot that covers
  /// more can only be counted whole.
  void roll(host::MonoTime now);

  struct Summary {
    /// From the oldest request that counts until now. Shorter than the window only right after the start; rates
    /// take at least one second, so that the first requests of a program do not look like thousands a second.
    Duration covered{};
    Reading all;
    struct Series {
      std::string name;
      Reading reading;
    };
    std::vector<Series> series;  ///< those with requests, busiest first
    Trend trend = Trend::steady;

    [[nodiscard]] double rate(std::uint64_t count) const;
  };
  /// Precondition: shortest <= length <= longest.
  [[nodiscard]] Summary over(Duration length, host::MonoTime now) const;

  /// Everything since the start, by series in order of appearance; those that never counted are left out.
  [[nodiscard]] std::vector<Summary::Series> since_start() const;

 private:
  struct Change {
    std::size_t series;
    Tally tally;
    PackedHistogram histogram;
  };
  struct Slot {
    host::MonoTime begin;
    host::MonoTime end;
    std::vector<Change> changes;
  };
  /// What a series counted since the last roll.
  [[nodiscard]] Reading running(std::size_t series, Recorder::Extremes extremes, Reading& now) const;
  [[nodiscard]] const Reading& last(std::size_t series) const;

  const Recorder& recorder_;
  host::MonoTime start_;
  host::MonoTime rolled_;
  std::vector<Reading> last_;  ///< by series: since the start, as of the last roll
  std::deque<Slot> slots_;     ///< oldest first
};

}  // namespace hotwell::monitor

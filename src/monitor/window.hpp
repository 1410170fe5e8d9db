/// The rolling window: what a recorder counted in the last N seconds, as differences between readings.
///
/// Once a second roll() puts what was counted since the roll before into a slot; the last five minutes of slots are
/// kept. A question adds the slots that the window touches and the running second, which is read on the spot: so the
/// answer holds every request of the window, and up to one second more at its old end. `covered` says how long that
/// really is, and rates divide by it.
///
/// Threads: one at a time (the owner locks). Time is handed in and must not fall.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include <hotwell/monitor.hpp>

#include "host/clock.hpp"
#include "monitor/histogram.hpp"
#include "monitor/packed_second.hpp"
#include "monitor/recorder.hpp"

namespace hotwell::monitor {

/// What is told of durations.
struct Latencies {
  Duration avg{}, p50{}, p95{}, p99{}, p999{}, min{}, max{};
};

/// One series, or all together, over some time.
struct Reading {
  Tally tally;
  Histogram histogram;

  [[nodiscard]] Duration average() const;
  /// Kept within minimum and maximum, which are exact.
  [[nodiscard]] Duration quantile(double q) const { return quantiles<1>({q}).front(); }
  template <std::size_t N>
  [[nodiscard]] std::array<Duration, N> quantiles(const std::array<double, N>& asked) const {
    std::array<Duration, N> answers{};
    if (histogram.total() == 0) return answers;
    const auto found = histogram.quantiles(asked);
    for (std::size_t i = 0; i < N; ++i) answers[i] = within(Duration{static_cast<Duration::rep>(found[i])});
    return answers;
  }
  [[nodiscard]] Duration min() const;
  [[nodiscard]] Duration max() const;
  [[nodiscard]] Latencies latencies() const;
  void merge(const Reading& other);
  /// Keeps its memory.
  void clear();

 private:
  [[nodiscard]] Duration within(Duration value) const;
};

/// Whether the newer failures are more or fewer than chance explains: a two-proportion z-test with Yates' correction
/// at the 1 % level; `steady` while either half has under 10 requests.
[[nodiscard]] Trend trend(const Tally& older, const Tally& newer);

class Window {
 public:
  static constexpr Duration shortest = std::chrono::seconds{1};
  static constexpr Duration longest = std::chrono::seconds{300};

  /// Ownership: borrows the recorder. `length` is the one that is asked for most: its sums are kept up to date, so that
  /// a question costs nothing by the second. Precondition: shortest <= length <= longest.
  Window(const Recorder& recorder, host::MonoTime start, Duration length = std::chrono::seconds{60});

  /// Ends the running second, if one ended since the last roll, and says whether. Call it at least once a second: a
  /// slot that covers more can only be counted whole.
  bool roll(host::MonoTime now);

  /// All requests of the window together.
  struct Total {
    /// From the oldest request that counts until now. Shorter than the window only right after the start; rates
    /// take at least one second, so that the first requests of a program do not look like thousands a second.
    Duration covered{};
    Reading all;
    Trend trend = Trend::steady;

    [[nodiscard]] double rate(std::uint64_t count) const;
  };
  struct Summary : Total {
    struct Series {
      std::string name;
      Tally tally;
      Latencies latencies;
      Trend errors = Trend::steady;
      Trend latency = Trend::steady;
    };
    std::vector<Series> series;  ///< those with requests, busiest first
  };
  /// Precondition: shortest <= length <= longest.
  [[nodiscard]] Summary over(Duration length, host::MonoTime now);

  /// What over(length(), now) says of all together, for less: the series are not told apart. On the way it calls
  /// visit(series, reading) with everything since the start for each series that went on since the caller's last visit:
  /// `seen` is the caller's, by series, empty at first.
  [[nodiscard]] Total total(host::MonoTime now, std::vector<std::uint64_t>& seen,
                            const std::function<void(std::size_t, const Reading&)>& visit);

  [[nodiscard]] Duration length() const { return length_; }
  /// Precondition: shortest <= length <= longest.
  void set_length(Duration length, host::MonoTime now);

  /// The kept seconds that ended after `since`, oldest first, of one series; those without a request are left out.
  struct Second {
    host::MonoTime end;
    Tally tally;
    Histogram histogram;
  };
  [[nodiscard]] std::vector<Second> seconds(std::size_t series, host::MonoTime since) const;
  /// Calls visit(series, reading) with what the kept seconds that ended after `since` hold, the running one not, for
  /// each series that has any.
  void closed(host::MonoTime since, const std::function<void(std::size_t, const Reading&)>& visit) const;
  [[nodiscard]] Reading closed(std::size_t series, host::MonoTime since) const;

  [[nodiscard]] std::size_t series_count() const { return last_.size(); }  ///< as of the last roll
  [[nodiscard]] const std::string& name(std::size_t series) const { return recorder_.name(series); }
  [[nodiscard]] std::size_t size_bytes() const;  ///< of the kept seconds

 private:
  struct Slot {
    host::MonoTime begin;
    host::MonoTime end;
    Tally all;
    PackedSecond changes;
  };
  using Slots = std::deque<Slot>;
  /// Reads what a series counted since the start into `now_`, since the last roll into `change_`.
  void read_running(std::size_t series, Recorder::Extremes extremes);
  [[nodiscard]] const Reading& last(std::size_t series) const;
  [[nodiscard]] Slots::const_iterator first_after(host::MonoTime time) const;
  /// The first slot from there on whose middle is not before `half`.
  [[nodiscard]] Slots::const_iterator first_newer(Slots::const_iterator from, host::MonoTime half) const;
  [[nodiscard]] std::vector<PackedSecond::Cursor> cursors(Slots::const_iterator first) const;
  void add_to_sums(const Slot& slot);
  /// Takes off the sums what the window has left behind.
  void slide(host::MonoTime now);

  const Recorder& recorder_;
  host::MonoTime start_;
  host::MonoTime rolled_;
  Duration length_;
  std::vector<Reading> last_;    ///< by series: since the start, as of the last roll
  Slots slots_;                  ///< oldest first
  std::vector<Histogram> sums_;  ///< by series: of the slots that ended after `summed_`
  Histogram sum_of_all_;         ///< their sum
  host::MonoTime summed_;
  Reading now_, change_, sum_;  ///< for the moment, so that a question need not ask for memory by the series
};

}  // namespace hotwell::monitor

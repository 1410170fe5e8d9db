/// Where requests are counted: every thread writes to counters of its own, readers add them up.
///
/// Invariants:
///  - A slab has one writer at a time: the thread that leases it. Its stores are relaxed and never contended.
///  - Counters only grow. A thread that ends gives its slab back as it is and the next new thread counts on from
///    there: nothing is folded, so nothing can be lost, and memory follows the most threads at one time.
///  - After a thread has seen an endpoint, recording takes no lock, allocates nothing and makes no system call.
///  - At most `max_series` endpoints have a series; once they are taken the set is frozen and read without a lock,
///    and the rest is counted together as "__other__".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include <hotwell/monitor.hpp>

#include "monitor/histogram.hpp"

namespace hotwell::monitor {

inline constexpr std::size_t outcome_count = 3;
inline constexpr std::string_view other_endpoint = "__other__";

/// What was counted of one series, or of several together. Units: nanoseconds.
struct Tally {
  std::array<std::uint64_t, outcome_count> outcomes{};  ///< by RequestOutcome
  std::uint64_t sum = 0;
  std::uint64_t clamped = 0;  ///< durations below zero or from 2^44 ns up
  std::uint64_t min = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t max = 0;

  [[nodiscard]] std::uint64_t of(RequestOutcome outcome) const { return outcomes[static_cast<std::size_t>(outcome)]; }
  [[nodiscard]] std::uint64_t failed() const { return of(RequestOutcome::failed); }
  [[nodiscard]] std::uint64_t total() const { return outcomes[0] + outcomes[1] + outcomes[2]; }
  void merge(const Tally& other);
  /// Takes off what was counted earlier; minimum and maximum stay as they are.
  void subtract(const Tally& earlier);
};

/// Threads: record() from any; the reading members from any, one at a time (the caller locks).
class Recorder {
 public:
  static constexpr std::size_t max_series = 256;
  static constexpr std::size_t max_name = 256;  ///< longer names, empty ones and such as are not UTF-8 are "__other__"

  Recorder();
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void record(Duration duration, RequestOutcome outcome, std::string_view endpoint);

  /// Counts one whose duration is not known.
  void count(RequestOutcome outcome, std::string_view endpoint);

  /// An endpoint's number, looked up once and used ever after.
  struct Series {
    std::size_t number = 0;
  };
  [[nodiscard]] Series series(std::string_view endpoint);
  /// Precondition: `series` is this recorder's.
  void record(Duration duration, RequestOutcome outcome, Series series);

  /// Series are numbered from 0 in order of appearance; "__other__" is series 0.
  [[nodiscard]] std::size_t series_count() const;
  [[nodiscard]] const std::string& name(std::size_t series) const;
  /// Requests counted in a series since the start: a cheap way to learn that something changed.
  [[nodiscard]] std::uint64_t count(std::size_t series) const;

  /// Whether a reading begins a new minimum and maximum (they are kept from one `take` to the next).
  enum class Extremes : std::uint8_t { peek, take };
  /// Adds a series' counts since the start to `tally` and `histogram`.
  void read(std::size_t series, Extremes extremes, Tally& tally, Histogram& histogram) const;

  class Registry;

 private:
  /// Calls count_in(slab) with the calling thread's slab.
  template <class F>
  void with_slab(F count_in);

  const std::uint64_t id_;  ///< never used again in this process, unlike an address
  std::shared_ptr<Registry> registry_;
};

}  // namespace hotwell::monitor

/// What is remembered of the seconds that went by: every second its points, and from them the coarser ones.
///
/// Invariant: every recorded request is in exactly one point of each grain, whenever the seconds really end.
/// Threads: one at a time (the owner locks).
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include <hotwell/monitor.hpp>

#include "host/clock.hpp"
#include "monitor/history.hpp"
#include "monitor/series.hpp"
#include "monitor/window.hpp"

namespace hotwell::monitor {

/// One endpoint's requests, or one operation's jobs; both empty: all requests.
struct SeriesLabel {
  std::string_view endpoint{};
  std::string_view operation{};
};

class Past {
 public:
  /// Ownership: borrows the windows.
  Past(const std::filesystem::path& directory, const Window& requests, const Window& operations, host::MonoTime now,
       WallTime wall);

  /// A second has ended and both windows have rolled over it. `metrics` as of its end.
  void second(const Metrics& metrics, host::MonoTime now, WallTime wall);

  /// What second() wants to have written, and how: outside of the owner's lock.
  [[nodiscard]] std::vector<History::Write> take_writes() { return history_.take_writes(); }
  void carry_out(const std::vector<History::Write>& writes) { history_.carry_out(writes); }

  /// Errors: invalid_argument.
  [[nodiscard]] Result<SeriesData> read(const SeriesQuery& query) const;
  [[nodiscard]] static std::vector<SeriesName> names();

  /// One value of a series over its newest `over`, all points weighed by what they are made of. Seconds where that is
  /// five minutes or less, tens up to an hour, minutes beyond.
  struct Value {
    double value = 0;
    double samples = 0;  ///< requests, or readings
    double covered = 0;  ///< 0..1: the part of the time that is remembered
  };
  /// Of all, or of one endpoint's requests or one operation's jobs; those over five minutes and less from their
  /// histograms: their quantiles are the window's own.
  [[nodiscard]] std::optional<Value> value(std::string_view name, Duration over, SeriesLabel label = {}) const;
  /// Of an endpoint's requests in the newest `over` of the coarser grains: absent where nothing is remembered.
  [[nodiscard]] std::optional<Metrics::Endpoint::Before> before(std::string_view endpoint, Duration over) const;

 private:
  /// One of the coarser grains, on its way to its next point.
  struct Coarse {
    Grain grain;
    std::uint32_t slot = 0;    ///< that is being filled; 0: none yet
    host::MonoTime since{};    ///< what ended after this is not in a point yet
    std::uint32_t newest = 0;  ///< the last slot with points
  };
  struct Ended {
    host::MonoTime end;
    std::uint32_t slot;
  };
  void finish(Coarse& coarse, host::MonoTime now);
  void put_readings(const Window& window, std::string_view prefix, Grain grain, std::uint32_t slot,
                    host::MonoTime since);
  [[nodiscard]] std::uint32_t newest(Grain grain) const;
  [[nodiscard]] std::vector<Point> points(Grain grain, std::string_view key, std::uint32_t first,
                                          std::uint32_t count) const;
  [[nodiscard]] std::optional<Value> value_of_seconds(const RequestSeries& series, Duration over,
                                                      SeriesLabel label) const;
  void fill_seconds(const Window& window, std::string_view name, std::uint32_t first, std::vector<Point>& points) const;

  const Window& requests_;
  const Window& operations_;
  History history_;
  std::optional<Metrics> before_;
  host::MonoTime before_at_;
  std::uint32_t second_ = 0;  ///< the newest slot of a second
  std::deque<Ended> ended_;   ///< the kept seconds, oldest first
  std::array<Coarse, 2> coarse_{Coarse{Grain::ten_seconds}, Coarse{Grain::minute}};
};

}  // namespace hotwell::monitor

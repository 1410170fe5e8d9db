/// GET /metrics: every metric as a Prometheus family.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/monitor.hpp>

#include "monitor/system.hpp"
#include "monitor/window.hpp"

namespace hotwell::monitor {

/// The edges of the exported histograms, nanoseconds. They lie on values that people ask for; a bucket counts what
/// surely lies at or below its edge, so that what is within 0.8 % below an edge may be counted above it.
inline constexpr std::array<std::uint64_t, 14> duration_edges{
    100'000,     1'000'000,   2'500'000,   5'000'000,     10'000'000,    25'000'000,     50'000'000,
    100'000'000, 250'000'000, 500'000'000, 1'000'000'000, 5'000'000'000, 30'000'000'000, 300'000'000'000};

/// One series since the start, as it is exported.
struct SinceStart {
  std::string_view name;                                          ///< the recorder's
  Tally tally;                                                    ///< empty: it never counted, and is left out
  std::array<std::uint64_t, duration_edges.size() + 1> counts{};  ///< by the edge that they lie below
};

/// Keeps what was exported of a window's series: at a scrape only those that went on are read again.
class Exported {
 public:
  /// Ownership: borrows the window. One window has one of these, or each asks for itself.
  explicit Exported(Window& window) : window_(window) {}
  /// Reads what went on, and says what the window holds.
  Window::Total update(host::MonoTime now);
  [[nodiscard]] const std::vector<SinceStart>& series() const { return series_; }

 private:
  Window& window_;
  std::vector<std::uint64_t> seen_;
  std::vector<SinceStart> series_;
};

/// What is exported besides the metrics themselves.
struct ExpositionInput {
  const Metrics& metrics;
  const std::vector<SinceStart>& requests;
  const std::vector<SinceStart>& operations;
  const SystemReading& system;
  const ProcessReading& process;
  const std::vector<std::string>& alert_types;  ///< all that may be active
  const std::vector<ChannelStatus>& channels;
  std::size_t expected = 0;  ///< how long it may become
};
[[nodiscard]] std::string to_prometheus(const ExpositionInput& input);

}  // namespace hotwell::monitor

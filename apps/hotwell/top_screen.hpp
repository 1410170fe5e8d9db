/// What `hotwell top` shows, as lines of inked text: pure, so that it is tested without a terminal.
///
/// Invariants: never more lines or columns than the screen has; the most important lines come first, so that a small
/// screen loses the least.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

namespace hotwell::cli {

enum class Ink : std::uint8_t { plain, faint, strong, good, warning, bad };

struct Inked {
  std::string text;  ///< UTF-8, one column a character
  Ink ink = Ink::plain;
};
using ScreenLine = std::vector<Inked>;

struct ScreenSize {
  std::size_t lines = 24;
  std::size_t columns = 80;
};

struct TopReading {
  std::string server;
  boost::json::value metrics;          ///< the raw form of /performance/metrics; the last good one
  boost::json::value jobs;             ///< /v1/jobs?state=running
  std::deque<double> rates;            ///< requests a second, the newest last
  std::optional<std::string> trouble;  ///< why the server does not answer now
  double age = 0;                      ///< of `metrics`, in seconds
};

[[nodiscard]] std::vector<ScreenLine> compose_top(const TopReading& reading, ScreenSize size);
/// Characters of UTF-8 text.
[[nodiscard]] std::size_t columns_of(std::string_view text);

}  // namespace hotwell::cli

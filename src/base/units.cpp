#include <hotwell/units.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <span>

#include <fmt/format.h>

namespace hotwell {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Takes a non-negative decimal number off the front of `text`. Extended precision: every 63 bit integer is exact.
std::optional<long double> take_number(std::string_view& text) {
  long double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || std::signbit(value) || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

constexpr long double count_limit = 0x1p63L;

struct Unit {
  std::string_view name;
  long double factor;
};

const Unit* find_unit(std::span<const Unit> units, std::string_view name) {
  const auto unit = std::ranges::find(units, name, &Unit::name);
  return unit == units.end() ? nullptr : &*unit;
}

constexpr std::array<Unit, 15> byte_units{{{"", 1},
                                           {"B", 1},
                                           {"kB", 1e3},
                                           {"KB", 1e3},
                                           {"MB", 1e6},
                                           {"GB", 1e9},
                                           {"TB", 1e12},
                                           {"PB", 1e15},
                                           {"KiB", 1024.0},
                                           {"MiB", 1048576.0},
                                           {"GiB", 1073741824.0},
                                           {"TiB", 1099511627776.0},
                                           {"PiB", 1125899906842624.0},
                                           {"kiB", 1024.0},
                                           {"bytes", 1}}};

constexpr std::array<Unit, 8> time_units{
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};

// Reads exactly `digits` decimal digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<WallTime> read_rfc3339(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || !(take(text, 'T') || take(text, 't') || take(text, ' '))) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::int64_t micros = 0;
  if (take(text, '.')) {
    std::int64_t scale = 100'000;
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      micros += (text.front() - '0') * scale;
      scale /= 10;
      text.remove_prefix(1);
    }
  }
  int offset_minutes = 0;
  if (!take(text, 'Z') && !take(text, 'z')) {
    const bool behind = !text.empty() && text.front() == '-';
    if (!behind && (text.empty() || text.front() != '+')) return std::nullopt;
    text.remove_prefix(1);
    const auto hours = take_digits(text, 2);
    if (!hours || !take(text, ':')) return std::nullopt;
    const auto minutes = take_digits(text, 2);
    if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    offset_minutes = (*hours * 60 + *minutes) * (behind ? -1 : 1);
  }
  if (!text.empty()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return WallTime{std::chrono::sys_days{date}} + std::chrono::hours{*hour} +
         std::chrono::minutes{*minute - offset_minutes} + std::chrono::seconds{*second} +
         std::chrono::microseconds{micros};
}

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  const auto wrong = [text] {
    return fail(Code::invalid_argument,
                fmt::format("expected a size such as \"100MiB\", \"5 GiB\" or 4096, got \"{}\"", text));
  };
  auto rest = trim(text);
  const auto number = take_number(rest);
  if (!number) return wrong();
  const Unit* unit = find_unit(byte_units, trim(rest));
  if (!unit) return wrong();
  const long double count = std::round(*number * unit->factor);
  if (count >= count_limit) return wrong();
  return Bytes{static_cast<std::uint64_t>(count)};
}

std::string to_string(Bytes bytes) {
  constexpr std::array<std::string_view, 6> names{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes.count < 1024) return fmt::format("{} B", bytes.count);
  auto value = static_cast<double>(bytes.count);
  std::size_t unit = 0;
  while (value >= 1023.995 && unit + 1 < names.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f} {}", value, names[unit]);
}

Result<Duration> parse_duration(std::string_view text) {
  const auto wrong = [text] {
    return fail(Code::invalid_argument,
                fmt::format("expected a duration such as \"250ms\", \"5m\" or \"7d\", got \"{}\"", text));
  };
  auto rest = trim(text);
  if (rest == "0") return Duration::zero();
  if (rest.empty()) return wrong();
  long double total = 0;
  while (!rest.empty()) {
    const auto number = take_number(rest);
    if (!number) return wrong();
    rest = trim(rest);
    const auto end = std::ranges::find_if_not(rest, [](char c) { return c >= 'a' && c <= 'z'; });
    const auto length = static_cast<std::size_t>(end - rest.begin());
    const Unit* unit = find_unit(time_units, rest.substr(0, length));
    if (!unit) return wrong();
    rest = trim(rest.substr(length));
    total += *number * unit->factor;
  }
  total = std::round(total);
  if (total >= count_limit) return wrong();
  return Duration{static_cast<Duration::rep>(total)};
}

std::string to_string(Duration duration) {
  const auto ns = duration.count();
  if (ns < 0) return "-" + to_string(ns == Duration::min().count() ? Duration::max() : Duration{-ns});
  // A value that would round up to the next unit is printed in that.
  if (ns < 1'000) return fmt::format("{} ns", ns);
  if (ns < 999'995) return fmt::format("{:.2f} us", static_cast<double>(ns) / 1e3);
  if (ns < 999'995'000) return fmt::format("{:.2f} ms", static_cast<double>(ns) / 1e6);
  if (ns < 59'995'000'000) return fmt::format("{:.2f} s", static_cast<double>(ns) / 1e9);
  constexpr std::int64_t second = 1'000'000'000;
  const std::int64_t seconds = ns / second + (ns % second >= second / 2 ? 1 : 0);
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = minutes / 60;
  const std::int64_t days = hours / 24;
  if (days > 0) return fmt::format("{}d {}h {}m", days, hours % 24, minutes % 60);
  if (hours > 0) return fmt::format("{}h {}m", hours, minutes % 60);
  return fmt::format("{}m {}s", minutes, seconds % 60);
}

std::string to_rfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  if (const auto time = read_rfc3339(text)) return *time;
  return fail(Code::invalid_argument,
              fmt::format("expected an RFC 3339 time such as \"2026-01-31T12:00:00Z\", got \"{}\"", text));
}

}  // namespace hotwell

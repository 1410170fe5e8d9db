/// Quantities that carry their unit: `Bytes` here, time by std::chrono. Both parse from and print for people.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include <hotwell/result.hpp>

namespace hotwell {

/// A number of bytes. Arithmetic is unsigned and must not underflow.
struct Bytes {
  std::uint64_t count = 0;

  friend constexpr auto operator<=>(Bytes, Bytes) = default;
  friend constexpr Bytes operator+(Bytes a, Bytes b) { return {a.count + b.count}; }
  friend constexpr Bytes operator-(Bytes a, Bytes b) { return {a.count - b.count}; }
  friend constexpr Bytes operator*(Bytes a, std::uint64_t n) { return {a.count * n}; }
  friend constexpr Bytes operator/(Bytes a, std::uint64_t n) { return {a.count / n}; }
  constexpr Bytes& operator+=(Bytes b) { return *this = *this + b; }
  constexpr Bytes& operator-=(Bytes b) { return *this = *this - b; }
};

inline namespace literals {
constexpr Bytes operator""_B(unsigned long long n) { return {n}; }
constexpr Bytes operator""_KiB(unsigned long long n) { return {n << 10}; }
constexpr Bytes operator""_MiB(unsigned long long n) { return {n << 20}; }
constexpr Bytes operator""_GiB(unsigned long long n) { return {n << 30}; }
constexpr Bytes operator""_TiB(unsigned long long n) { return {n << 40}; }
}  // namespace literals

using Duration = std::chrono::nanoseconds;

/// "100MiB", "1.5 GiB", "4096", "10kB": KiB, MiB, GiB, TiB, PiB are powers of 1024; kB, MB, GB, TB, PB of 1000;
/// no unit or "B" is bytes. Errors: invalid_argument says what was expected.
[[nodiscard]] Result<Bytes> parse_bytes(std::string_view text);
/// "512 B", "89.23 MiB": two decimals from a KiB up.
[[nodiscard]] std::string to_string(Bytes bytes);

/// "250ms", "5m", "1h30m", "7d", "0.5s": units ns us ms s m (or min) h d. A bare number is refused (but for 0).
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
/// "45.23 ms", "5m 0s", "2d 5h 23m": two decimals below a minute, two or three units from there.
[[nodiscard]] std::string to_string(Duration duration);

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
/// RFC 3339 in UTC with microseconds: "2026-01-31T12:00:00.000000Z".
[[nodiscard]] std::string to_rfc3339(WallTime time);
/// Any RFC 3339 time with offset. Errors: invalid_argument.
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace hotwell

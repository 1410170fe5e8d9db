/// A clock that stands still until a test moves it.
#pragma once

#include <atomic>
#include <cstdint>

#include "host/clock.hpp"

namespace hotwell::sim {

/// Starts at one hour of monotonic time and 2026-01-01T00:00:00Z. Threads: any.
class FakeClock final : public host::Clock {
 public:
  [[nodiscard]] host::MonoTime now() const override { return host::MonoTime{std::chrono::hours{1} + elapsed()}; }
  [[nodiscard]] WallTime wall() const override {
    return WallTime{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}} +
           std::chrono::duration_cast<std::chrono::microseconds>(elapsed());
  }
  void advance(Duration by) { elapsed_.fetch_add(by.count()); }

 private:
  [[nodiscard]] Duration elapsed() const { return Duration{elapsed_.load()}; }
  std::atomic<std::int64_t> elapsed_{0};
};

}  // namespace hotwell::sim

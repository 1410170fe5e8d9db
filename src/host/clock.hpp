/// The time seam: everything that waits or stamps gets its clock handed in.
#pragma once

#include <chrono>

#include <hotwell/units.hpp>

namespace hotwell::host {

/// Monotonic time; its zero means nothing.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonoTime now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

/// The machine's clocks; lives as long as the program.
[[nodiscard]] const Clock& system_clock();

}  // namespace hotwell::host

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
  /// wall() as of the kernel's last tick, up to 10 ms ago: for those who ask so often that reading the time would be
  /// most of what they do.
  [[nodiscard]] virtual WallTime coarse_wall() const { return wall(); }
};

/// The machine's clocks; lives as long as the program.
[[nodiscard]] const Clock& system_clock();

}  // namespace hotwell::host

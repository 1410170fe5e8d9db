/// When it pays to look again and again for what comes next instead of sleeping until it is there. Being woken costs
/// more than a short wait, but looking takes a processor from whoever would end the wait, so it is begun only after
/// several waits in a row were short, and given up at the first that was not. Source: Karlin et al., "Empirical studies
/// of competitive spinning for a shared-memory multiprocessor" (1991).
#pragma once

#include <algorithm>
#include <chrono>

#include <hotwell/units.hpp>

namespace hotwell::base {

/// Threads: one.
class Spin {
 public:
  static constexpr Duration longest = std::chrono::microseconds{50};
  static constexpr unsigned short_waits_first = 4;

  /// How long one look may last; 0: never look.
  void set_limit(Duration limit) { limit_ = std::clamp(limit, Duration{}, longest); }
  [[nodiscard]] Duration limit() const { return limit_; }
  [[nodiscard]] bool enabled() const { return limit_ > Duration{}; }
  [[nodiscard]] bool pays() const { return enabled() && short_waits_ >= short_waits_first; }

  /// How long the last wait was.
  void waited(Duration time) { short_waits_ = time <= limit_ ? std::min(short_waits_ + 1, short_waits_first) : 0; }

 private:
  Duration limit_{};
  unsigned short_waits_ = 0;
};

}  // namespace hotwell::base

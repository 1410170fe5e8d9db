/// How a pool's options become the plan's tuning, and which of it may be turned while the pool runs.
#pragma once

#include <span>

#include <hotwell/knob.hpp>
#include <hotwell/pool.hpp>

#include "pool/plan_events.hpp"

namespace hotwell::pool {

[[nodiscard]] Tuning tuning_of(const PoolOptions& options);

/// Errors: invalid_argument, naming the knobs that contradict each other.
[[nodiscard]] Result<void> validate(const Tuning& tuning);

/// One number of the tuning, in the unit that its knob shows.
struct TuningKnob {
  const char* name;
  const char* description;
  const char* unit;
  double min;
  double max;
  double (*get)(const Tuning&);
  void (*set)(Tuning&, double);

  [[nodiscard]] KnobState state(const Tuning& tuning) const;
};
[[nodiscard]] std::span<const TuningKnob> tuning_knobs();

}  // namespace hotwell::pool

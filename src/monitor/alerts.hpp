/// One alert as a pure state machine: it fires when its raise level was exceeded long enough and resolves when the
/// value was below a lower clear level long enough, so that a value that trembles around either does neither.
///
///   inactive --above raise--> pending --for raise_for--> firing --below clear--> clearing --for clear_for--> inactive
///   pending falls back at raise, clearing at clear. No data breaks a pending alert and holds a firing one.
///
/// Every firing is told once and so is its end; nothing else is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <hotwell/event.hpp>

#include "host/clock.hpp"

namespace hotwell::monitor {

struct AlertRule {
  std::string type;
  double raise = 0;  ///< fires above it
  double clear = 0;  ///< resolves at or below it; at most `raise`
  Duration raise_for{};
  Duration clear_for{};
  std::uint64_t min_samples = 0;  ///< a value made of fewer raises nothing (it may still clear)
};

enum class AlertState : std::uint8_t { inactive, pending, firing, clearing };

class AlertMachine {
 public:
  explicit AlertMachine(AlertRule rule) : rule_(std::move(rule)) {}

  struct Observation {
    std::optional<double> value;  ///< empty: no data
    std::uint64_t samples = 0;
  };
  struct Action {
    enum class Kind : std::uint8_t { fire, resolve } kind;
    double value;
  };
  [[nodiscard]] std::optional<Action> step(Observation seen, host::MonoTime now) {
    const bool above = seen.value && *seen.value > rule_.raise && seen.samples >= rule_.min_samples;
    const bool below = seen.value && *seen.value <= rule_.clear;
    if (state_ == AlertState::inactive && above) enter(AlertState::pending, now);
    if (state_ == AlertState::pending && !above) enter(AlertState::inactive, now);
    if (state_ == AlertState::pending && now - since_ >= rule_.raise_for) {
      enter(AlertState::firing, now);
      return Action{Action::Kind::fire, *seen.value};
    }
    if (state_ == AlertState::firing && below) enter(AlertState::clearing, now);
    if (state_ == AlertState::clearing && !below) enter(AlertState::firing, now);
    if (state_ == AlertState::clearing && now - since_ >= rule_.clear_for) {
      enter(AlertState::inactive, now);
      return Action{Action::Kind::resolve, *seen.value};
    }
    return std::nullopt;
  }

  [[nodiscard]] const AlertRule& rule() const { return rule_; }
  [[nodiscard]] AlertState state() const { return state_; }
  /// Told as fired and not yet as resolved.
  [[nodiscard]] bool active() const { return state_ == AlertState::firing || state_ == AlertState::clearing; }

 private:
  void enter(AlertState state, host::MonoTime now) {
    state_ = state;
    since_ = now;
  }

  AlertRule rule_;
  AlertState state_ = AlertState::inactive;
  host::MonoTime since_{};
};

}  // namespace hotwell::monitor

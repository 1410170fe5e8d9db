/// Alerts, purely: one rule's state machine, and the book of all rules with silences and inhibition.
///
///   no_data <-> inactive --above raise--> pending --for raise_for--> firing --below clear--> clearing --for
///   clear_for--> resolved --after a while--> inactive Pending falls back at raise, clearing at clear. Raise and clear
///   differ, so that a value that trembles around either does neither. No data breaks a pending alert and holds a
///   firing one.
///
/// Every firing is an event once, and so is its end. Channels are told of it once too, unless it is silenced or
/// inhibited: then as soon as it no longer is, if it still fires. An end is told if and only if its firing was.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/monitor.hpp>

#include "host/clock.hpp"

namespace hotwell::monitor {

struct AlertRule {
  std::string type;
  double raise = 0;    ///< fires beyond it
  double clear = 0;    ///< resolves at it or on its calm side, where `raise` never lies
  bool below = false;  ///< beyond is below
  Duration raise_for{};
  Duration clear_for{};
  std::uint64_t min_samples = 0;  ///< a value made of fewer raises nothing (it may still clear)
  bool enabled = true;
  Severity severity = Severity::warning;
  double grave = std::numeric_limits<double>::infinity();  ///< a firing that begins at this or above is critical
  std::string unit{};                                      ///< of its numbers, as in AlertStatus
  std::string says{};                                      ///< begins its summary: "CPU is at"
  std::vector<std::string> inhibited_by{};                 ///< while one of these is active nobody is told of this one
  bool own = false;                                        ///< not one that comes with the monitor
  bool added = false;                                      ///< own, and not of the configuration
};

using Labels = std::map<std::string, std::string>;
/// Of sorted labels. Source: Prometheus, common/model, LabelSet.Fingerprint (FNV-1a with separators).
[[nodiscard]] std::string fingerprint_of(const Labels& labels);

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
  [[nodiscard]] std::optional<Action> step(Observation seen, host::MonoTime now);

  [[nodiscard]] const AlertRule& rule() const { return rule_; }
  /// Takes other levels from the next step on; a firing goes on.
  void set_rule(AlertRule rule) { rule_ = std::move(rule); }
  [[nodiscard]] AlertState state() const { return state_; }
  [[nodiscard]] host::MonoTime since() const { return since_; }
  void restore(AlertState state, host::MonoTime since) { enter(state, since); }
  /// Firing, not yet resolved.
  [[nodiscard]] bool active() const { return state_ == AlertState::firing || state_ == AlertState::clearing; }

 private:
  static constexpr Duration resolved_shown = std::chrono::minutes{5};
  void enter(AlertState state, host::MonoTime now) {
    state_ = state;
    since_ = now;
  }

  AlertRule rule_;
  AlertState state_ = AlertState::inactive;
  host::MonoTime since_{};
};

/// What a channel is told of one alert.
struct Note {
  bool firing = true;
  Labels labels;
  Labels annotations;
  WallTime starts{};
  std::optional<WallTime> ends;
  std::string fingerprint;

  friend bool operator==(const Note&, const Note&) = default;
};

class AlertBook {
 public:
  AlertBook(std::vector<AlertRule> rules, std::string instance);

  using Observations = std::map<std::string, AlertMachine::Observation, std::less<>>;
  struct Outcome {
    std::vector<AlertStatus> fired;     ///< whether told or not
    std::vector<AlertStatus> resolved;  ///< their values are those at the end
    std::vector<Note> notes;            ///< for the channels
    bool changed = false;               ///< there is something new to save
  };
  [[nodiscard]] Outcome step(const Observations& seen, host::MonoTime now, WallTime wall);

  [[nodiscard]] std::vector<AlertStatus> statuses() const;
  [[nodiscard]] std::vector<std::string> active() const;
  [[nodiscard]] std::vector<std::string> types() const;
  /// What a channel that forgets is told again and again: every told firing.
  [[nodiscard]] std::vector<Note> firing_notes() const;
  /// Alerts of types that stay go on by their new rules. One that fires and has no rule any more is shown until its
  /// end, which comes after its `clear_for`. Precondition: each type once.
  void set_rules(std::vector<AlertRule> rules);

  /// Errors: invalid_argument.
  Result<Silence> add(Silence silence, WallTime wall);
  /// Errors: not_found.
  Result<void> remove(std::string_view id);
  [[nodiscard]] const std::vector<Silence>& silences() const { return silences_; }

  /// One alert as it is saved; times of the wall clock, since the other one does not survive.
  struct Saved {
    std::string type;
    AlertState state = AlertState::inactive;
    WallTime since{};
    std::optional<WallTime> started;
    Severity severity = Severity::warning;
    double value = 0;
    bool told = false;
  };
  [[nodiscard]] std::vector<Saved> save(host::MonoTime now, WallTime wall) const;
  /// An alert of a type that no rule has any more ends now, if it fired.
  void restore(const std::vector<Saved>& saved, std::vector<Silence> silences, host::MonoTime now, WallTime wall);

 private:
  struct Entry {
    AlertMachine machine;
    AlertStatus status;
    bool retired = false;  ///< no rule has it any more: it goes once it does not fire
  };
  [[nodiscard]] static Entry entry_of(AlertRule rule);
  [[nodiscard]] Labels labels_of(const AlertStatus& status) const;
  [[nodiscard]] Note note_of(const Entry& entry, bool firing) const;
  void suppress(Entry& entry, WallTime wall);
  void describe(Entry& entry);

  std::vector<Entry> entries_;
  std::vector<Silence> silences_;
  std::string instance_;
};

}  // namespace hotwell::monitor

/// Knobs: the bounded, named numbers by which the running system is tuned, and who turned them why.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hotwell/event.hpp>
#include <hotwell/result.hpp>

namespace hotwell {

/// What a knob is and how it stands now.
struct KnobState {
  std::string name{};         ///< "pool.max_workers"
  std::string description{};  ///< one sentence
  std::string unit{};         ///< "", "bytes", "seconds"
  double min = 0;
  double max = 0;
  double value = 0;
  std::string set_by = "default";  ///< default, config, api, optimizer, ...
  std::string why{};
};

/// The knobs of one system. A part registers what it owns with a function that applies a new value; everyone else
/// sees names and numbers. Threads: any. `apply` and listeners run on the thread that calls set(); calls for one knob
/// take turns, so that what is shown and announced last is what was applied last.
class Knobs {
 public:
  using Apply = std::function<Result<void>(double)>;

  /// Precondition: the name is new and `initial` lies in its range.
  void add(KnobState initial, Apply apply);
  /// Errors: not_found; invalid_argument when out of range; whatever `apply` answers (then nothing changed).
  Result<KnobState> set(std::string_view name, double value, std::string set_by, std::string why);
  [[nodiscard]] std::optional<KnobState> find(std::string_view name) const;
  [[nodiscard]] std::vector<KnobState> all() const;
  [[nodiscard]] Subscription on_change(std::function<void(const KnobChanged&)> listener);

 private:
  struct Entry {
    Entry(KnobState initial, Apply how) : state(std::move(initial)), apply(std::move(how)) {}
    KnobState state;
    const Apply apply;
    std::recursive_mutex turn;  // recursive: a listener or `apply` may set the same knob again
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;  // never shrinks
  EventHub<KnobChanged> events_;
};

}  // namespace hotwell

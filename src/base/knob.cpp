#include <hotwell/knob.hpp>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell {

void Knobs::add(KnobState initial, Apply apply) {
  HOTWELL_ASSERT(initial.value >= initial.min && initial.value <= initial.max);
  const std::lock_guard lock(mutex_);
  const std::string name = initial.name;
  const bool added = entries_.try_emplace(name, std::move(initial), std::move(apply)).second;
  HOTWELL_ASSERT(added);
}

Result<KnobState> Knobs::set(std::string_view name, double value, std::string set_by, std::string why) {
  Entry* entry = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return fail(Code::not_found, fmt::format("there is no knob \"{}\"", name));
    entry = &found->second;
    const KnobState& state = entry->state;
    if (!(value >= state.min && value <= state.max))
      return fail(Code::invalid_argument,
                  fmt::format("{} must lie between {} and {}, got {}", name, state.min, state.max, value));
  }
  const std::lock_guard turn(entry->turn);
  if (auto applied = entry->apply(value); !applied) return std::unexpected(applied.error());
  KnobChanged change{};
  KnobState now;
  {
    const std::lock_guard lock(mutex_);
    KnobState& state = entry->state;
    change = {state.name, state.value, value, set_by, why};
    state.value = value;
    state.set_by = std::move(set_by);
    state.why = std::move(why);
    now = state;
  }
  events_.publish(change);
  return now;
}

std::optional<KnobState> Knobs::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return std::nullopt;
  return entry->second.state;
}

std::vector<KnobState> Knobs::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<KnobState> states;
  states.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) states.push_back(entry.state);
  return states;
}

Subscription Knobs::on_change(std::function<void(const KnobChanged&)> listener) {
  return events_.on<KnobChanged>(std::move(listener));
}

}  // namespace hotwell

#include "monitor/alerts.hpp"

#include <algorithm>
#include <iterator>
#include <random>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell {

std::string_view to_string(AlertState state) noexcept {
  switch (state) {
    case AlertState::no_data: return "no_data";
    case AlertState::inactive: return "inactive";
    case AlertState::pending: return "pending";
    case AlertState::firing: return "firing";
    case AlertState::clearing: return "clearing";
    case AlertState::resolved: return "resolved";
  }
  return "inactive";
}

}  // namespace hotwell

namespace hotwell::monitor {
namespace {

/// Numbers that no one can guess are not needed here, only such as do not come again.
std::string new_silence_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

std::string number_text(double value) { return fmt::format("{:.4g}", value); }

/// For people, in the unit that they speak.
std::string level_text(double value, std::string_view unit) {
  if (unit == "ratio") return number_text(value * 100) + "%";
  if (unit == "bytes") return to_string(Bytes{static_cast<std::uint64_t>(std::max(value, 0.0))});
  if (unit == "seconds") return number_text(value) + " s";
  const bool close = unit.empty() || unit == "%" || unit == "x" || unit == "1/s";
  return fmt::format("{}{}{}", number_text(value), close ? "" : " ", unit == "1/s" ? "/s" : unit);
}

}  // namespace

std::string fingerprint_of(const Labels& labels) {
  std::uint64_t sum = 14695981039346656037U;
  const auto add = [&sum](std::string_view text) {
    for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
    sum = (sum ^ 0xFFU) * 1099511628211U;
  };
  for (const auto& [name, value] : labels) {
    add(name);
    add(value);
  }
  return fmt::format("{:016x}", sum);
}

std::optional<AlertMachine::Action> AlertMachine::step(Observation seen, host::MonoTime now) {
  using enum AlertState;
  const bool judged = rule_.enabled && seen.value.has_value();
  const bool beyond = judged && (rule_.below ? *seen.value < rule_.raise : *seen.value > rule_.raise) &&
                      seen.samples >= rule_.min_samples;
  // A rule that was turned off has nothing to fire for.
  const bool calm =
      !rule_.enabled || (judged && (rule_.below ? *seen.value >= rule_.clear : *seen.value <= rule_.clear));
  if (state_ == resolved && (beyond || now - since_ >= resolved_shown)) enter(inactive, now);
  if (state_ == no_data && judged) enter(inactive, now);
  if (state_ == inactive && beyond) enter(pending, now);
  if (state_ == pending && !beyond) enter(inactive, now);
  if (state_ == inactive && !judged) enter(no_data, now);
  if (state_ == pending && now - since_ >= rule_.raise_for) {
    enter(firing, now);
    return Action{Action::Kind::fire, *seen.value};
  }
  if (state_ == firing && calm) enter(clearing, now);
  if (state_ == clearing && !calm) enter(firing, now);
  if (state_ == clearing && now - since_ >= rule_.clear_for) {
    enter(resolved, now);
    return Action{Action::Kind::resolve, seen.value.value_or(0)};
  }
  return std::nullopt;
}

AlertBook::AlertBook(std::vector<AlertRule> rules, std::string instance) : instance_(std::move(instance)) {
  for (auto& rule : rules) entries_.push_back(entry_of(std::move(rule)));
}

AlertBook::Entry AlertBook::entry_of(AlertRule rule) {
  AlertStatus status;
  status.type = rule.type;
  status.severity = rule.severity;
  status.raise = rule.raise;
  status.clear = rule.clear;
  status.unit = rule.unit;
  status.below = rule.below;
  status.own = rule.own;
  status.added = rule.added;
  return {AlertMachine(std::move(rule)), std::move(status)};
}

Labels AlertBook::labels_of(const AlertStatus& status) const {
  return {{"alertname", status.type}, {"severity", std::string(to_string(status.severity))}, {"instance", instance_}};
}

void AlertBook::describe(Entry& entry) {
  const AlertRule& rule = entry.machine.rule();
  const AlertStatus& status = entry.status;
  entry.status.summary =
      fmt::format("{} {} (threshold {})", rule.says.empty() ? rule.type : rule.says,
                  level_text(status.value.value_or(0), rule.unit), level_text(rule.raise, rule.unit));
}

Note AlertBook::note_of(const Entry& entry, bool firing) const {
  const AlertStatus& status = entry.status;
  Note note;
  note.firing = firing;
  note.labels = labels_of(status);
  note.annotations = {{"summary", status.summary},
                      {"value", number_text(status.value.value_or(0))},
                      {"threshold", number_text(status.raise)}};
  note.starts = status.started.value_or(WallTime{});
  if (!firing) note.ends = status.resolved;
  note.fingerprint = status.fingerprint;
  return note;
}

void AlertBook::suppress(Entry& entry, WallTime wall) {
  const Labels labels = labels_of(entry.status);
  entry.status.silenced_by.clear();
  for (const Silence& silence : silences_) {
    if (wall < silence.starts || wall >= silence.ends) continue;
    const bool matches = std::ranges::all_of(silence.matchers, [&](const auto& matcher) {
      const auto label = labels.find(matcher.first);
      return label != labels.end() && label->second == matcher.second;
    });
    if (matches) entry.status.silenced_by = silence.id;
  }
  entry.status.inhibited_by.clear();
  for (const std::string& source : entry.machine.rule().inhibited_by)
    for (const Entry& other : entries_)
      if (other.status.type == source && other.machine.active()) entry.status.inhibited_by = source;
}

AlertBook::Outcome AlertBook::step(const Observations& seen, host::MonoTime now, WallTime wall) {
  Outcome outcome;
  std::vector<Entry*> ended;
  for (Entry& entry : entries_) {
    const auto found = seen.find(entry.status.type);
    const auto observation = found == seen.end() ? AlertMachine::Observation{} : found->second;
    const AlertState before = entry.machine.state();
    const auto action = entry.machine.step(observation, now);
    entry.status.value = observation.value;
    entry.status.state = entry.machine.state();
    outcome.changed = outcome.changed || entry.machine.state() != before;
    if (!action) continue;
    entry.status.value = action->value;
    if (action->kind == AlertMachine::Action::Kind::fire) {
      const AlertRule& rule = entry.machine.rule();
      entry.status.severity = action->value >= rule.grave ? Severity::critical : rule.severity;
      entry.status.started = wall;
      entry.status.resolved.reset();
      entry.status.told = false;
      entry.status.fingerprint = fingerprint_of(labels_of(entry.status));
      describe(entry);
      outcome.fired.push_back(entry.status);
    } else {
      entry.status.resolved = wall;
      describe(entry);
      outcome.resolved.push_back(entry.status);
      ended.push_back(&entry);
    }
  }
  // Only now, when every machine has moved: what inhibits may have begun in this very step.
  for (Entry* entry : ended)
    if (std::exchange(entry->status.told, false)) outcome.notes.push_back(note_of(*entry, false));
  for (Entry& entry : entries_) {
    suppress(entry, wall);
    if (!entry.machine.active() || entry.status.told) continue;
    if (!entry.status.silenced_by.empty() || !entry.status.inhibited_by.empty()) continue;
    entry.status.told = true;
    outcome.changed = true;
    outcome.notes.push_back(note_of(entry, true));
  }
  std::erase_if(entries_, [](const Entry& entry) { return entry.retired && !entry.machine.active(); });
  const auto over = std::erase_if(silences_, [&](const Silence& silence) { return silence.ends <= wall; });
  outcome.changed = outcome.changed || over != 0;
  return outcome;
}

std::vector<AlertStatus> AlertBook::statuses() const {
  std::vector<AlertStatus> all;
  for (const Entry& entry : entries_)
    if (entry.machine.rule().enabled || entry.machine.active()) all.push_back(entry.status);
  return all;
}

std::vector<std::string> AlertBook::active() const {
  std::vector<std::string> all;
  for (const Entry& entry : entries_)
    if (entry.machine.active()) all.push_back(entry.status.type);
  return all;
}

std::vector<std::string> AlertBook::types() const {
  std::vector<std::string> all;
  for (const Entry& entry : entries_) all.push_back(entry.status.type);
  return all;
}

std::vector<Note> AlertBook::firing_notes() const {
  std::vector<Note> all;
  for (const Entry& entry : entries_)
    if (entry.machine.active() && entry.status.told) all.push_back(note_of(entry, true));
  return all;
}

void AlertBook::set_rules(std::vector<AlertRule> rules) {
  std::vector<Entry> next;
  for (AlertRule& rule : rules) {
    Entry entry = entry_of(std::move(rule));
    const auto before =
        std::ranges::find(entries_, entry.status.type, [](const Entry& each) { return each.status.type; });
    if (before != entries_.end()) {
      AlertStatus& status = before->status;
      status.raise = entry.status.raise;
      status.clear = entry.status.clear;
      status.unit = entry.status.unit;
      status.below = entry.status.below;
      if (!before->machine.active()) status.severity = entry.status.severity;
      before->machine.set_rule(entry.machine.rule());
      before->retired = false;
      entry = std::move(*before);
      entries_.erase(before);
    }
    next.push_back(std::move(entry));
  }
  for (Entry& entry : entries_) {
    if (!entry.machine.active()) continue;
    AlertRule rule = entry.machine.rule();
    rule.enabled = false;
    entry.machine.set_rule(std::move(rule));
    entry.retired = true;
    next.push_back(std::move(entry));
  }
  entries_ = std::move(next);
}

Result<Silence> AlertBook::add(Silence silence, WallTime wall) {
  constexpr std::size_t most = 1000;
  if (silence.matchers.empty())
    return fail(Code::invalid_argument, "a silence needs at least one label to match, such as alertname");
  for (const auto& [label, value] : silence.matchers)
    if (label != "alertname" && label != "severity" && label != "instance")
      return fail(Code::invalid_argument,
                  fmt::format("alerts have the labels alertname, severity and instance, not \"{}\"", label));
  if (silence.starts == WallTime{}) silence.starts = wall;
  if (silence.ends <= silence.starts || silence.ends <= wall)
    return fail(Code::invalid_argument, "a silence has to end after its start and after now");
  if (silences_.size() >= most) return fail(Code::overloaded, fmt::format("there are {} silences already", most));
  silence.id = new_silence_id();
  silences_.push_back(silence);
  for (Entry& entry : entries_) suppress(entry, wall);
  return silence;
}

Result<void> AlertBook::remove(std::string_view id) {
  if (std::erase_if(silences_, [&](const Silence& silence) { return silence.id == id; }) == 0)
    return fail(Code::not_found, fmt::format("there is no silence \"{}\"", id));
  return {};
}

std::vector<AlertBook::Saved> AlertBook::save(host::MonoTime now, WallTime wall) const {
  std::vector<Saved> all;
  for (const auto& [machine, status, retired] : entries_) {
    if (machine.state() == AlertState::inactive || machine.state() == AlertState::no_data) continue;
    const auto ago = std::chrono::duration_cast<std::chrono::microseconds>(now - machine.since());
    all.push_back({status.type, machine.state(), wall - ago, status.started, status.severity, status.value.value_or(0),
                   status.told});
  }
  return all;
}

void AlertBook::restore(const std::vector<Saved>& saved, std::vector<Silence> silences, host::MonoTime now,
                        WallTime wall) {
  silences_ = std::move(silences);
  for (const Saved& one : saved) {
    auto entry = std::ranges::find(entries_, one.type, [](const Entry& each) { return each.status.type; });
    if (entry == entries_.end()) {
      if (one.state != AlertState::firing && one.state != AlertState::clearing) continue;
      AlertRule gone;
      gone.type = one.type;
      gone.enabled = false;
      entries_.push_back(entry_of(std::move(gone)));
      entry = std::prev(entries_.end());
      entry->retired = true;
    }
    // The time in which nobody looked is no time above a level: what was pending begins anew.
    if (one.state == AlertState::pending) continue;
    const auto ago = std::max(wall - one.since, std::chrono::microseconds{0});
    entry->machine.restore(one.state == AlertState::clearing ? AlertState::firing : one.state, now - ago);
    auto& status = entry->status;
    status.state = entry->machine.state();
    status.started = one.started;
    status.severity = one.severity;
    status.value = one.value;
    status.told = one.told;
    status.fingerprint = fingerprint_of(labels_of(status));
    describe(*entry);
  }
}

}  // namespace hotwell::monitor

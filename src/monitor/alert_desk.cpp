#include "monitor/alert_desk.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/log.hpp"

namespace hotwell::monitor {
namespace {

constexpr Duration remind_every = std::chrono::minutes{1};

std::vector<std::string> names_of(const std::vector<AlertDesk::Channel>& channels) {
  std::vector<std::string> names;
  for (const auto& channel : channels) names.push_back(channel.options.name);
  return names;
}

std::filesystem::path ledger_file(const std::filesystem::path& directory) {
  return directory.empty() ? directory : directory / "alerts.json";
}

/// What `hotwell alerts test` sends: an alert that began and ended at once, so that nobody waits for its end.
Note test_note(WallTime wall) {
  Note note;
  note.firing = false;
  note.labels = {{"alertname", "test"}, {"severity", "info"}, {"instance", "test"}};
  note.annotations = {{"summary", "a test of this channel: it works"}};
  note.starts = wall;
  note.ends = wall;
  note.fingerprint = fingerprint_of(note.labels);
  return note;
}

Result<void> outcome_of(const Answer& answer, const std::string& channel) {
  if (answer.kind == Answer::Kind::delivered) return {};
  return fail(Code::unavailable, fmt::format("channel \"{}\": {}", channel, answer.words));
}

}  // namespace

AlertDesk::AlertDesk(std::vector<AlertRule> rules, std::string instance, std::vector<Channel> channels,
                     const std::filesystem::path& directory, const host::Clock& clock)
    : clock_(clock),
      file_(ledger_file(directory)),
      book_(std::move(rules), std::move(instance)),
      outbox_(names_of(channels)),
      reminded_(clock.now()) {
  if (!file_.empty()) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (auto ledger = read_ledger(file_)) {
      book_.restore(ledger->alerts, std::move(ledger->silences), clock_.now(), clock_.wall());
      outbox_.restore(std::move(ledger->deliveries));
    } else {
      base::log().warn("alerts begin anew: {}", to_string(ledger.error()));
    }
  }
  for (auto& channel : channels) {
    speakers_.push_back(std::make_unique<Speaker>());
    speakers_.back()->channel = std::move(channel);
  }
}

void AlertDesk::start() {
  {
    const std::lock_guard lock(mutex_);
    speaking_ = true;
  }
  for (auto& speaker : speakers_) begin(*speaker);
}

void AlertDesk::begin(Speaker& speaker) {
  if (!speaker.thread.joinable())
    speaker.thread = std::jthread([this, &speaker](const std::stop_token& stop) { run(speaker, stop); });
}

void AlertDesk::stop() {
  {
    const std::lock_guard lock(mutex_);
    speaking_ = false;
  }
  for (auto& speaker : speakers_) speaker->thread.request_stop();
  for (auto& speaker : speakers_) end(*speaker, {Code::draining, "the monitor stops"});
}

void AlertDesk::end(Speaker& speaker, const Error& why) {
  speaker.thread = {};
  std::vector<Done> unheard;
  {
    const std::lock_guard lock(mutex_);
    unheard = std::exchange(speaker.tests, {});
  }
  for (const auto& done : unheard) done(std::unexpected(why));
}

void AlertDesk::set_channels(std::vector<Channel> channels) {
  using Speakers = std::vector<std::unique_ptr<Speaker>>;
  // Nobody else changes the list: it can be read here without the lock.
  const auto find = [](Speakers& all, const ChannelOptions& options) {
    return std::ranges::find_if(all, [&](const auto& each) { return each && each->channel.options == options; });
  };
  Speakers next, leaving;
  for (const auto& speaker : speakers_)
    if (std::ranges::none_of(channels, [&](const Channel& to) { return to.options == speaker->channel.options; }))
      speaker->thread.request_stop();
  // Who leaves falls silent before a successor speaks: nothing is told by both.
  for (const auto& speaker : speakers_)
    if (speaker->thread.get_stop_token().stop_requested()) speaker->thread = {};
  change([&] {
    const auto names = names_of(channels);
    outbox_.set_channels(names);
    for (Channel& channel : channels) {
      if (const auto same = find(speakers_, channel.options); same != speakers_.end()) {
        next.push_back(std::move(*same));
        continue;
      }
      auto& speaker = *next.emplace_back(std::make_unique<Speaker>());
      speaker.channel = std::move(channel);
      const std::string& name = speaker.channel.options.name;
      outbox_.begin_anew(name);
      if (const auto firing = book_.firing_notes(); !firing.empty()) outbox_.put_to(name, firing, clock_.wall());
      if (speaking_) begin(speaker);
    }
    leaving = std::exchange(speakers_, std::move(next));
    return true;
  });
  for (const auto& speaker : leaving)
    if (speaker)
      end(*speaker, {Code::not_found,
                     fmt::format("the alert channel \"{}\" is no more what it was", speaker->channel.options.name)});
}

void AlertDesk::run(Speaker& speaker, const std::stop_token& stop) {
  const std::string& name = speaker.channel.options.name;
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (!speaker.tests.empty()) {
      const auto tests = std::exchange(speaker.tests, {});
      lock.unlock();
      const Answer answer = speaker.channel.speaks->send({test_note(clock_.wall())}, stop);
      for (const auto& done : tests) done(outcome_of(answer, name));
      lock.lock();
      continue;
    }
    const host::MonoTime now = clock_.now();
    if (const auto delivery = saving_ ? std::nullopt : outbox_.due(name, now)) {
      lock.unlock();
      const Answer answer = speaker.channel.speaks->send(delivery->notes, stop);
      if (stop.stop_requested() && answer.kind == Answer::Kind::later) return;  // broken off, not answered
      if (answer.kind == Answer::Kind::later)
        base::log().debug("alert channel \"{}\": {}; it will be tried again", name, answer.words);
      if (answer.kind == Answer::Kind::refused)
        base::log().error("alert channel \"{}\" refused a notification for good: {}", name, answer.words);
      change([&] {
        outbox_.answered(name, delivery->id, answer, clock_.now(), clock_.wall());
        speaker.noting = answer.kind != Answer::Kind::later;
        return speaker.noting;
      });
      lock.lock();
      speaker.noting = false;
      continue;
    }
    // Anything that is put or asked wakes this up; what failed comes due by itself.
    const auto woken = [&] {
      return !speaker.tests.empty() || (!saving_ && outbox_.due(name, clock_.now()).has_value());
    };
    if (const auto next = saving_ ? std::nullopt : outbox_.next(name))
      speaker.wake.wait_for(lock, stop, std::max<Duration>(*next - now, std::chrono::milliseconds{1}), woken);
    else
      speaker.wake.wait(lock, stop, woken);
  }
}

template <class F>
void AlertDesk::change(F what) {
  const std::lock_guard turn(changes_);
  std::optional<AlertLedger> ledger;
  {
    const std::lock_guard lock(mutex_);
    if (what() && !file_.empty())
      ledger = AlertLedger{book_.save(clock_.now(), clock_.wall()), book_.silences(), outbox_.all()};
    saving_ = ledger.has_value();
  }
  bool failed = false;
  if (ledger) {
    const auto written = write_ledger(file_, *ledger);
    failed = !written;
    if (failed && !save_failed_)
      base::log().error("alerts would not survive a restart now: {}", to_string(written.error()));
  }
  const std::lock_guard lock(mutex_);
  if (ledger) save_failed_ = failed;
  saving_ = false;
  for (const auto& speaker : speakers_) speaker->wake.notify_all();
}

void AlertDesk::remind(host::MonoTime now, WallTime wall) {
  if (now - reminded_ < remind_every) return;
  reminded_ = now;
  const auto notes = book_.firing_notes();
  if (notes.empty()) return;
  for (const auto& speaker : speakers_)
    if (speaker->channel.speaks->forgets()) outbox_.put_to(speaker->channel.options.name, notes, wall);
}

AlertBook::Outcome AlertDesk::step(const AlertBook::Observations& seen) {
  AlertBook::Outcome outcome;
  change([&] {
    // Seconds are judged, and ticks tremble around them: else one that comes a little early makes an alert a second
    // late.
    const host::MonoTime now = std::chrono::round<std::chrono::seconds>(clock_.now());
    const WallTime wall = clock_.wall();
    outcome = book_.step(seen, now, wall);
    outbox_.put(outcome.notes, wall);
    remind(now, wall);
    return outcome.changed || !outcome.notes.empty() || save_failed_;
  });
  return outcome;
}

void AlertDesk::set_rules(std::vector<AlertRule> rules) {
  const std::lock_guard lock(mutex_);
  book_.set_rules(std::move(rules));
}

std::vector<AlertStatus> AlertDesk::statuses() const {
  const std::lock_guard lock(mutex_);
  return book_.statuses();
}
std::vector<std::string> AlertDesk::active() const {
  const std::lock_guard lock(mutex_);
  return book_.active();
}
std::vector<std::string> AlertDesk::types() const {
  const std::lock_guard lock(mutex_);
  return book_.types();
}
std::vector<Silence> AlertDesk::silences() const {
  const std::lock_guard lock(mutex_);
  return book_.silences();
}

Result<Silence> AlertDesk::silence(Silence silence) {
  Result<Silence> added;
  change([&] {
    added = book_.add(std::move(silence), clock_.wall());
    return added.has_value();
  });
  return added;
}

Result<void> AlertDesk::end_silence(std::string_view id) {
  Result<void> removed;
  change([&] {
    removed = book_.remove(id);
    return removed.has_value();
  });
  return removed;
}

std::vector<ChannelStatus> AlertDesk::channels() const {
  const std::lock_guard lock(mutex_);
  std::vector<ChannelStatus> all;
  for (const auto& speaker : speakers_) {
    const auto& options = speaker->channel.options;
    const auto& counts = outbox_.counts(options.name);
    const auto pending = outbox_.pending(options.name) + (speaker->noting ? 1 : 0);
    all.push_back(
        {options.name, options.kind, pending, counts.delivered, counts.retried, counts.dropped, counts.last_error});
  }
  return all;
}

void AlertDesk::test(std::string_view channel, std::function<void(Result<void>)> done) {
  Error why{Code::not_found, fmt::format("there is no alert channel \"{}\"", channel)};
  {
    const std::lock_guard lock(mutex_);
    for (const auto& speaker : speakers_) {
      if (speaker->channel.options.name != channel) continue;
      if (speaking_) {
        speaker->tests.push_back(std::move(done));
        speaker->wake.notify_all();
        return;
      }
      why = {Code::unavailable, "the monitor is off: nobody is told anything"};
    }
  }
  done(std::unexpected(std::move(why)));
}

}  // namespace hotwell::monitor

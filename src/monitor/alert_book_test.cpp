#include <chrono>
#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "monitor/alerts.hpp"
#include "monitor/outbox.hpp"

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;

AlertRule rule_of(std::string type, double raise) {
  AlertRule rule;
  rule.type = std::move(type);
  rule.raise = raise;
  rule.clear = raise * 0.9;
  rule.raise_for = 5s;
  rule.clear_for = 10s;
  rule.grave = 95;
  rule.unit = "%";
  return rule;
}

/// A book of three rules whose seconds the test lets pass: "+cpu" is a firing told to channels, "-cpu" its end.
struct Book {
  std::vector<AlertRule> rules() {
    AlertRule quiet = rule_of("quiet", 10);
    quiet.inhibited_by = {"loud"};
    return {rule_of("cpu", 80), rule_of("loud", 10), quiet};
  }
  AlertBook book{rules(), "here"};
  host::MonoTime now{1h};
  WallTime wall{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  std::string told, happened;
  std::vector<Note> notes;

  void see(AlertBook::Observations seen, int seconds) {
    for (int i = 0; i < seconds; ++i) {
      now += 1s;
      wall += 1s;
      const auto outcome = book.step(seen, now, wall);
      for (const Note& note : outcome.notes) {
        told += (note.firing ? "+" : "-") + note.labels.at("alertname");
        notes.push_back(note);
      }
      for (const auto& alert : outcome.fired) happened += "+" + alert.type;
      for (const auto& alert : outcome.resolved) happened += "-" + alert.type;
    }
  }
  AlertStatus status(std::string_view type) {
    for (const auto& one : book.statuses())
      if (one.type == type) return one;
    return {};
  }
};
using Seen = AlertBook::Observations;

TEST(AlertBook, AnHourOfOscillationIsOneFiringAndOneResolve) {
  Book b;
  b.see({{"cpu", {85.0, 1}}}, 10);
  for (int second = 0; second < 3600; ++second) b.see({{"cpu", {80 + 6 * std::sin(second * 0.3), 1}}}, 1);
  b.see({{"cpu", {50.0, 1}}}, 30);
  EXPECT_EQ(b.told, "+cpu-cpu");
  EXPECT_EQ(b.happened, "+cpu-cpu");
  ASSERT_EQ(b.notes.size(), 2U);
  EXPECT_EQ(b.notes[0].fingerprint, b.notes[1].fingerprint);
  EXPECT_EQ(b.notes[0].starts, b.notes[1].starts);
  EXPECT_TRUE(b.notes[1].ends);
}

TEST(AlertBook, StatesAreNamedAsTheyAre) {
  Book b;
  b.see({}, 1);
  EXPECT_EQ(b.status("cpu").state, AlertState::no_data);
  b.see({{"cpu", {10.0, 1}}}, 1);
  EXPECT_EQ(b.status("cpu").state, AlertState::inactive);
  b.see({{"cpu", {90.0, 1}}}, 2);
  EXPECT_EQ(b.status("cpu").state, AlertState::pending);
  b.see({{"cpu", {90.0, 1}}}, 5);
  EXPECT_EQ(b.status("cpu").state, AlertState::firing);
  EXPECT_EQ(b.status("cpu").severity, Severity::warning);
  b.see({{"cpu", {99.0, 1}}}, 5);
  EXPECT_EQ(b.status("cpu").severity, Severity::warning) << "labels do not change while it fires";
  b.see({{"cpu", {10.0, 1}}}, 3);
  EXPECT_EQ(b.status("cpu").state, AlertState::clearing);
  b.see({{"cpu", {10.0, 1}}}, 10);
  EXPECT_EQ(b.status("cpu").state, AlertState::resolved);
  b.see({{"cpu", {10.0, 1}}}, 301);
  EXPECT_EQ(b.status("cpu").state, AlertState::inactive);
}

TEST(AlertBook, WhatIsSilencedIsToldWhenTheSilenceEndsIfItStillFires) {
  Book b;
  ASSERT_TRUE(b.book.add({.matchers = {{"alertname", "cpu"}}, .ends = b.wall + 60s}, b.wall));
  b.see({{"cpu", {90.0, 1}}}, 30);
  EXPECT_EQ(b.happened, "+cpu") << "it happened";
  EXPECT_EQ(b.told, "") << "and nobody was told";
  EXPECT_FALSE(b.status("cpu").silenced_by.empty());
  b.see({{"cpu", {90.0, 1}}}, 31);
  EXPECT_EQ(b.told, "+cpu");
  EXPECT_TRUE(b.book.silences().empty()) << "it is over";
}

TEST(AlertBook, AnEndIsToldIfAndOnlyIfItsFiringWas) {
  Book b;
  const auto silence = b.book.add({.matchers = {{"severity", "warning"}}, .ends = b.wall + 1h}, b.wall);
  ASSERT_TRUE(silence);
  b.see({{"cpu", {90.0, 1}}}, 10);
  b.see({{"cpu", {10.0, 1}}}, 20);
  EXPECT_EQ(b.happened, "+cpu-cpu");
  EXPECT_EQ(b.told, "");
  ASSERT_TRUE(b.book.remove(silence->id));
  EXPECT_FALSE(b.book.remove(silence->id));
  b.see({{"cpu", {90.0, 1}}}, 10);
  EXPECT_EQ(b.told, "+cpu");
  ASSERT_TRUE(b.book.add({.matchers = {{"alertname", "cpu"}}, .ends = b.wall + 1h}, b.wall));
  b.see({{"cpu", {10.0, 1}}}, 20);
  EXPECT_EQ(b.told, "+cpu-cpu") << "who was told of a firing is told of its end";
}

TEST(AlertBook, OneAlertInhibitsAnother) {
  Book b;
  b.see({{"loud", {50.0, 1}}, {"quiet", {50.0, 1}}}, 10);
  EXPECT_EQ(b.told, "+loud") << "in the same second too";
  EXPECT_EQ(b.status("quiet").inhibited_by, "loud");
  b.see({{"loud", {0.0, 1}}, {"quiet", {50.0, 1}}}, 12);
  EXPECT_EQ(b.told, "+loud-loud+quiet");
}

TEST(AlertBook, ASilenceSaysWhatIsWrongWithIt) {
  Book b;
  EXPECT_FALSE(b.book.add({.matchers = {}, .ends = b.wall + 1h}, b.wall));
  EXPECT_FALSE(b.book.add({.matchers = {{"color", "red"}}, .ends = b.wall + 1h}, b.wall));
  EXPECT_FALSE(b.book.add({.matchers = {{"alertname", "cpu"}}, .ends = b.wall}, b.wall));
}

TEST(AlertBook, AFiringGoesOnAfterARestartAndIsNotToldAgain) {
  Book before;
  before.see({{"cpu", {97.0, 1}}}, 10);
  const auto saved = before.book.save(before.now, before.wall);
  ASSERT_EQ(saved.size(), 1U);
  Book after;
  after.wall = before.wall + 1min;
  after.book.restore(saved, {}, after.now, after.wall);
  EXPECT_EQ(after.status("cpu").state, AlertState::firing);
  EXPECT_EQ(after.status("cpu").severity, Severity::critical);
  after.see({{"cpu", {97.0, 1}}}, 30);
  EXPECT_EQ(after.told, "");
  after.see({{"cpu", {10.0, 1}}}, 12);
  ASSERT_EQ(after.told, "-cpu");
  EXPECT_EQ(after.notes[0].fingerprint, before.notes[0].fingerprint);
  EXPECT_EQ(after.notes[0].starts, before.notes[0].starts);
}

TEST(AlertBook, OtherLevelsHoldFromTheNextStep) {
  Book b;
  b.see({{"cpu", {60.0, 1}}}, 10);
  auto rules = b.rules();
  rules[0].raise = 50;
  rules[0].clear = 45;
  b.book.set_rules(rules);
  b.see({{"cpu", {60.0, 1}}}, 10);
  EXPECT_EQ(b.told, "+cpu");
  rules[0].enabled = false;
  b.book.set_rules(rules);
  b.see({{"cpu", {60.0, 1}}}, 12);
  EXPECT_EQ(b.told, "+cpu-cpu") << "a rule that is off has nothing to fire for";
}

TEST(AlertBook, RulesComeAndGoWhileOthersGoOn) {
  Book b;
  b.see({{"cpu", {90.0, 1}}, {"loud", {50.0, 1}}}, 10);
  EXPECT_EQ(b.told, "+cpu+loud");
  auto rules = b.rules();
  rules.erase(rules.begin());  // cpu is gone while it fires
  rules.push_back(rule_of("new", 5));
  b.book.set_rules(rules);
  b.see({{"cpu", {90.0, 1}}, {"loud", {50.0, 1}}, {"new", {6.0, 1}}}, 9);
  EXPECT_EQ(b.told, "+cpu+loud+new") << "a firing of a rule that stays goes on";
  EXPECT_TRUE(b.status("cpu").active()) << "shown until its end";
  b.see({{"cpu", {90.0, 1}}, {"loud", {50.0, 1}}, {"new", {6.0, 1}}}, 3);
  EXPECT_EQ(b.told, "+cpu+loud+new-cpu") << "whoever was told of it hears of its end";
  EXPECT_EQ(b.status("cpu").type, "") << "and it is gone";
}

TEST(AlertBook, AFiringWhoseRuleWentAwayOverARestartEnds) {
  Book before;
  before.see({{"cpu", {97.0, 1}}}, 10);
  AlertBook after({rule_of("loud", 10)}, "here");
  after.restore(before.book.save(before.now, before.wall), {}, before.now, before.wall);
  const auto outcome = after.step({}, before.now + 1s, before.wall + 1s);
  ASSERT_EQ(outcome.notes.size(), 1U);
  EXPECT_FALSE(outcome.notes[0].firing);
  EXPECT_EQ(outcome.notes[0].fingerprint, before.notes[0].fingerprint);
  EXPECT_EQ(outcome.notes[0].starts, before.notes[0].starts);
  EXPECT_EQ(after.types(), std::vector<std::string>{"loud"});
}

TEST(AlertBook, LevelsAreSaidInTheUnitThatPeopleSpeak) {
  const auto summary_of = [](std::string unit, double raise, double value) {
    AlertRule rule = rule_of("own", raise);
    rule.unit = std::move(unit);
    rule.says = "It is";
    rule.raise_for = 0s;
    AlertBook book({rule}, "here");
    (void)book.step({{"own", {value, 1}}}, host::MonoTime{1h}, WallTime{});
    return book.statuses().front().summary;
  };
  EXPECT_EQ(summary_of("%", 80, 91.25), "It is 91.25% (threshold 80%)");
  EXPECT_EQ(summary_of("ratio", 0.5, 0.625), "It is 62.5% (threshold 50%)");
  EXPECT_EQ(summary_of("seconds", 0.5, 1.5), "It is 1.5 s (threshold 0.5 s)");
  EXPECT_EQ(summary_of("bytes", 1024, 2048), "It is 2.00 KiB (threshold 1.00 KiB)");
  EXPECT_EQ(summary_of("1/s", 10, 20), "It is 20/s (threshold 10/s)");
  EXPECT_EQ(summary_of("processors", 1, 2), "It is 2 processors (threshold 1 processors)");
  EXPECT_EQ(summary_of("", 1, 2), "It is 2 (threshold 1)");
}

TEST(AlertBook, FingerprintsAreAlertmanagersOwn) {
  // Of an alert with these labels, as Alertmanager 0.25 tells it at /api/v2/alerts.
  EXPECT_EQ(fingerprint_of({{"alertname", "cpu"}, {"instance", "here"}, {"severity", "warning"}}).size(), 16U);
  EXPECT_EQ(fingerprint_of({}), "cbf29ce484222325");
  EXPECT_NE(fingerprint_of({{"a", "bc"}}), fingerprint_of({{"ab", "c"}}));
}

struct Box {
  Outbox outbox{{"a", "b"}, 7};
  host::MonoTime now{1h};
  WallTime wall{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
  static Note note(std::string fingerprint, bool firing = true) {
    Note made;
    made.firing = firing;
    made.fingerprint = std::move(fingerprint);
    return made;
  }
  void answer(Answer answer) { outbox.answered("a", outbox.due("a", now)->id, answer, now, wall); }
};

TEST(Outbox, ToldInOrderAndTheNextWaitsForTheAnswer) {
  Box b;
  b.outbox.put({Box::note("1")}, b.wall);
  b.outbox.put({Box::note("1", false)}, b.wall);
  EXPECT_EQ(b.outbox.pending("a"), 2U);
  EXPECT_TRUE(b.outbox.due("a", b.now)->notes[0].firing);
  b.answer({});
  EXPECT_FALSE(b.outbox.due("a", b.now)->notes[0].firing);
  b.answer({});
  EXPECT_FALSE(b.outbox.due("a", b.now));
  EXPECT_EQ(b.outbox.pending("b"), 2U) << "each channel has its own";
  EXPECT_EQ(b.outbox.counts("a").delivered, 2U);
}

TEST(Outbox, WhatWaitsAlreadyIsNotPutTwice) {
  Box b;
  b.outbox.put({Box::note("1")}, b.wall);
  b.outbox.put({Box::note("1"), Box::note("2")}, b.wall);
  b.outbox.put({Box::note("1")}, b.wall);
  EXPECT_EQ(b.outbox.pending("a"), 2U);
}

TEST(Outbox, BacksOffWithJitterUpToFiveMinutes) {
  Box b;
  b.outbox.put({Box::note("1")}, b.wall);
  Duration ceiling = 1s;
  for (int attempt = 0; attempt < 14; ++attempt) {
    b.answer({Answer::Kind::later, std::nullopt, "busy"});
    const Duration waits = *b.outbox.next("a") - b.now;
    EXPECT_GE(waits, ceiling / 2) << attempt;
    EXPECT_LE(waits, ceiling) << attempt;
    EXPECT_FALSE(b.outbox.due("a", b.now + waits - 1ns));
    b.now += waits;
    ceiling = std::min<Duration>(2 * ceiling, 5min);
  }
  EXPECT_EQ(b.outbox.counts("a").last_error, "busy");
  b.answer({});
  EXPECT_EQ(b.outbox.counts("a").last_error, "");
  b.outbox.put({Box::note("2")}, b.wall);
  b.answer({Answer::Kind::later, std::nullopt, ""});
  EXPECT_LE(*b.outbox.next("a") - b.now, 1s) << "a new one begins anew";
}

TEST(Outbox, HonoursWhatTheReceiverWishes) {
  Box b;
  b.outbox.put({Box::note("1")}, b.wall);
  b.answer({Answer::Kind::later, 90s, "busy"});
  EXPECT_EQ(*b.outbox.next("a") - b.now, 90s);
  b.now += 90s;
  b.answer({Answer::Kind::later, 48h, "busy"});
  EXPECT_EQ(*b.outbox.next("a") - b.now, 1h) << "but not for ever";
}

TEST(Outbox, GivesUpWhatWasRefusedAndWhatIsADayOld) {
  Box b;
  b.outbox.put({Box::note("1")}, b.wall);
  b.answer({Answer::Kind::refused, std::nullopt, "no"});
  EXPECT_EQ(b.outbox.pending("a"), 0U);
  b.outbox.put({Box::note("2")}, b.wall);
  b.wall += 25h;
  b.answer({Answer::Kind::later, std::nullopt, "busy"});
  EXPECT_EQ(b.outbox.pending("a"), 0U);
  EXPECT_EQ(b.outbox.counts("a").dropped, 2U);
}

}  // namespace
}  // namespace hotwell::monitor

#include "monitor/alerts.hpp"

#include <chrono>
#include <cmath>
#include <string>

#include <gtest/gtest.h>

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;

/// Steps a machine once a second and notes what it tells: F for a firing, R for a resolve.
struct Alerting {
  AlertMachine machine{
      AlertRule{.type = "cpu", .raise = 80, .clear = 72, .raise_for = 5s, .clear_for = 10s, .min_samples = 10}};
  host::MonoTime now{};
  std::string told;
  std::vector<double> values;

  void see(std::optional<double> value, int seconds = 1, std::uint64_t samples = 100) {
    for (int i = 0; i < seconds; ++i) {
      now += 1s;
      const auto action = machine.step({value, samples}, now);
      if (!action) continue;
      told += action->kind == AlertMachine::Action::Kind::fire ? 'F' : 'R';
      values.push_back(action->value);
    }
  }
};

TEST(Alerts, FireAfterForAndResolveAfterClearFor) {
  Alerting a;
  a.see(90, 5);
  EXPECT_EQ(a.machine.state(), AlertState::pending);
  EXPECT_EQ(a.told, "");
  a.see(91);
  EXPECT_EQ(a.told, "F");
  EXPECT_TRUE(a.machine.active());
  a.see(20, 10);
  EXPECT_EQ(a.machine.state(), AlertState::clearing);
  EXPECT_TRUE(a.machine.active());
  a.see(21);
  EXPECT_EQ(a.told, "FR");
  EXPECT_FALSE(a.machine.active());
  EXPECT_EQ(a.values, (std::vector<double>{91, 21}));
}

TEST(Alerts, AShortPeakDoesNotFire) {
  Alerting a;
  for (int i = 0; i < 20; ++i) {
    a.see(99, 5);
    a.see(79);
  }
  EXPECT_EQ(a.told, "");
}

TEST(Alerts, AtTheThresholdNothingFires) {
  Alerting a;
  a.see(80, 60);
  EXPECT_EQ(a.told, "");
}

TEST(Regression, EachNewIntegerValueOfAnAlertFiredAgainAndNoneWasEverResolved) {
  Alerting a;
  for (int value = 81; value < 100; ++value) a.see(value, 3);
  EXPECT_EQ(a.told, "F");
  a.see(50, 30);
  EXPECT_EQ(a.told, "FR");
}

TEST(Alerts, AnHourAroundTheThresholdGivesOneFiringAndOneResolve) {
  Alerting a;
  a.see(85, 10);
  for (int second = 0; second < 3600; ++second) a.see(80 + 6 * std::sin(second * 0.3));  // 74 to 86
  a.see(50, 30);
  EXPECT_EQ(a.told, "FR");
}

TEST(Alerts, BetweenClearAndRaiseAFiringHoldsAndANewOneDoesNotBegin) {
  Alerting a;
  a.see(75, 100);
  EXPECT_EQ(a.told, "");
  a.see(90, 10);
  a.see(75, 100);
  EXPECT_EQ(a.told, "F");
  a.see(70, 9);
  a.see(75);
  a.see(70, 9);
  EXPECT_EQ(a.told, "F") << "the clear time begins anew";
  a.see(72, 3);
  EXPECT_EQ(a.told, "FR") << "the clear level itself is clear";
}

TEST(Alerts, TooFewSamplesRaiseNothingButMayClear) {
  Alerting a;
  a.see(100, 60, 9);
  EXPECT_EQ(a.told, "");
  a.see(100, 6, 10);
  EXPECT_EQ(a.told, "F");
  a.see(0, 20, 0);
  EXPECT_EQ(a.told, "FR");
}

TEST(Alerts, NoDataBreaksAPendingAlertAndHoldsAFiringOne) {
  Alerting a;
  a.see(90, 4);
  a.see(std::nullopt);
  a.see(90, 4);
  EXPECT_EQ(a.told, "");
  a.see(90, 3);
  EXPECT_EQ(a.told, "F");
  a.see(std::nullopt, 100);
  EXPECT_TRUE(a.machine.active());
  a.see(10, 5);
  a.see(std::nullopt);
  a.see(10, 10);
  EXPECT_EQ(a.told, "F") << "what was not seen did not clear";
  a.see(10);
  EXPECT_EQ(a.told, "FR");
}

TEST(Alerts, OneThatLooksBelowIsTheMirrorOfOneThatLooksAbove) {
  Alerting a;
  a.machine = AlertMachine{
      AlertRule{.type = "hits", .raise = 40, .clear = 50, .below = true, .raise_for = 5s, .clear_for = 10s}};
  a.see(40, 20);
  EXPECT_EQ(a.told, "") << "at its level it is calm";
  a.see(39, 6);
  EXPECT_EQ(a.told, "F");
  a.see(45, 100);
  EXPECT_EQ(a.told, "F") << "between the levels it holds";
  a.see(50, 11);
  EXPECT_EQ(a.told, "FR");
}

TEST(Alerts, WithoutForAnAlertFiresAtOnce) {
  AlertMachine machine{AlertRule{.type = "queueDepth", .raise = 100, .clear = 90}};
  EXPECT_TRUE(machine.step({101.0, 1}, host::MonoTime{1s}).has_value());
  EXPECT_FALSE(machine.step({102.0, 1}, host::MonoTime{1s}).has_value());
  EXPECT_TRUE(machine.step({5.0, 1}, host::MonoTime{1s}).has_value());
}

}  // namespace
}  // namespace hotwell::monitor

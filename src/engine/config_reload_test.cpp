// Reloading turns exactly the knobs whose keys changed, and says what it could not do.
#include "engine/config_reload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotwell::engine {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Fixture : ::testing::Test {
  Fixture() {
    knobs.add({.name = "pool.max_workers", .min = 1, .max = 64, .value = 8}, [this](double value) -> Result<void> {
      max_workers = value;
      return {};
    });
    knobs.add({.name = "pool.timeout", .unit = "seconds", .min = 0, .max = 1e6, .value = 300},
              [this](double value) -> Result<void> {
                timeout = value;
                return {};
              });
    knobs.add({.name = "cache.memory_limit", .unit = "bytes", .min = 0, .max = 1e12, .value = 1e8},
              [](double) -> Result<void> { return fail(Code::invalid_argument, "not now"); });
  }

  Knobs knobs;
  std::vector<AlertRuleOptions> rules;
  std::vector<ChannelOptions> channels;
  SetAlerts alerts{.rules = [this](const std::vector<AlertRuleOptions>& to) -> Result<void> {
                     if (!to.empty() && to.front().name == "impossible")
                       return fail(Code::invalid_argument, "no such thing");
                     rules = to;
                     return {};
                   },
                   .channels = [this](const std::vector<ChannelOptions>& to) -> Result<void> {
                     if (!to.empty() && to.front().name == "impossible")
                       return fail(Code::invalid_argument, "no such place");
                     channels = to;
                     return {};
                   }};
  double max_workers = 8;
  double timeout = 300;
  Config in_force;
  Config next;
};

using ConfigReload = Fixture;

TEST_F(ConfigReload, NothingChangesNothing) {
  const auto result = reload(in_force, next, knobs, alerts);
  EXPECT_THAT(result.applied, IsEmpty());
  EXPECT_THAT(result.restart, IsEmpty());
  EXPECT_EQ(knobs.find("pool.max_workers")->set_by, "default");
}

TEST_F(ConfigReload, AKeyWithAKnobIsAppliedInBaseUnits) {
  next.pool.max_workers = 4;
  next.pool.timeout = 90s;
  const auto result = reload(in_force, next, knobs, alerts);
  EXPECT_THAT(result.applied, ElementsAre("pool.max_workers = 4", "pool.timeout = \"90s\""));
  EXPECT_EQ(max_workers, 4);
  EXPECT_EQ(timeout, 90);
  EXPECT_EQ(knobs.find("pool.max_workers")->set_by, "config");
}

TEST_F(ConfigReload, AKeyWithoutAKnobWaitsForTheNextStart) {
  next.server.listen = "127.0.0.1:9999";
  next.operations.push_back({.name = "a", .argv = {"a"}});
  EXPECT_THAT(reload(in_force, next, knobs, alerts).restart, ElementsAre("server.listen", "operation"));
}

TEST_F(ConfigReload, WhatWaitsIsNamedAgainAndWhatWasAppliedIsNot) {
  next.server.listen = "127.0.0.1:9999";
  next.pool.max_workers = 4;
  reload(in_force, next, knobs, alerts);
  const auto again = reload(in_force, next, knobs, alerts);
  EXPECT_THAT(again.restart, ElementsAre("server.listen"));
  EXPECT_THAT(again.applied, IsEmpty());
  next.pool.max_workers = 8;
  EXPECT_THAT(reload(in_force, next, knobs, alerts).applied, ElementsAre("pool.max_workers = 8"));
}

TEST_F(ConfigReload, WhatTheApiTurnedStays) {
  ASSERT_TRUE(knobs.set("pool.max_workers", 2, "api", "a person said so"));
  next.pool.max_workers = 4;
  EXPECT_THAT(reload(in_force, next, knobs, alerts).kept, ElementsAre("pool.max_workers (set by api)"));
  EXPECT_EQ(max_workers, 2);
}

TEST_F(ConfigReload, OtherAlertRulesAreGivenToTheMonitorOnce) {
  next.monitor.rules = {{.name = "slow", .series = "latency.p95", .level = 1}};
  EXPECT_THAT(reload(in_force, next, knobs, alerts).applied, ElementsAre("alerts.rule: 1 in all"));
  EXPECT_EQ(rules, next.monitor.rules);
  EXPECT_THAT(reload(in_force, next, knobs, alerts).applied, IsEmpty());
  next.monitor.rules.front().name = "impossible";
  EXPECT_THAT(reload(in_force, next, knobs, alerts).refused, ElementsAre("no such thing"));
  EXPECT_EQ(rules.front().name, "slow");
}

TEST_F(ConfigReload, OtherAlertChannelsAreGivenToTheMonitorOnce) {
  next.monitor.channels = {{.name = "team", .kind = "log"}};
  EXPECT_THAT(reload(in_force, next, knobs, alerts).applied, ElementsAre("alerts.channel: 1 in all"));
  EXPECT_EQ(channels, next.monitor.channels);
  EXPECT_THAT(reload(in_force, next, knobs, alerts).applied, IsEmpty());
  next.monitor.channels.front().name = "impossible";
  EXPECT_THAT(reload(in_force, next, knobs, alerts).refused, ElementsAre("no such place"));
  EXPECT_EQ(channels.front().name, "team");
}

TEST_F(ConfigReload, AKnobThatRefusesIsNamed) {
  next.cache.memory_limit = 1_MiB;
  const auto result = reload(in_force, next, knobs, alerts);
  EXPECT_THAT(result.refused, ElementsAre(HasSubstr("not now")));
  EXPECT_THAT(result.applied, IsEmpty());
}

}  // namespace
}  // namespace hotwell::engine

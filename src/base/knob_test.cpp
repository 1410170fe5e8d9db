#include <hotwell/knob.hpp>

#include <cmath>
#include <latch>
#include <limits>
#include <thread>

#include <gtest/gtest.h>

namespace hotwell {
namespace {

KnobState workers() {
  return {.name = "pool.max_workers", .description = "Worker processes at once.", .min = 1, .max = 64, .value = 8};
}

TEST(Knobs, AreAppliedAndRememberWhoTurnedThemWhy) {
  Knobs knobs;
  double applied = 0;
  knobs.add(workers(), [&](double value) -> Result<void> {
    applied = value;
    return {};
  });
  EXPECT_EQ(knobs.find("pool.max_workers")->set_by, "default");

  std::vector<KnobChanged> changes;
  const auto listening = knobs.on_change([&](const KnobChanged& change) { changes.push_back(change); });
  const auto state = knobs.set("pool.max_workers", 12, "api", "more load");
  ASSERT_TRUE(state);
  EXPECT_EQ(applied, 12);
  EXPECT_EQ(state->value, 12);
  EXPECT_EQ(state->set_by, "api");
  EXPECT_EQ(state->why, "more load");
  EXPECT_EQ(knobs.find("pool.max_workers")->value, 12);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].name, "pool.max_workers");
  EXPECT_EQ(changes[0].from, 8);
  EXPECT_EQ(changes[0].to, 12);
  EXPECT_EQ(changes[0].set_by, "api");
  EXPECT_EQ(changes[0].why, "more load");
}

TEST(Knobs, RefuseWhatIsOutOfRangeOrUnknown) {
  Knobs knobs;
  int applied = 0, changed = 0;
  knobs.add(workers(), [&](double) -> Result<void> {
    ++applied;
    return {};
  });
  const auto listening = knobs.on_change([&](const KnobChanged&) { ++changed; });
  for (const double value : {0.5, 64.5, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    const auto refused = knobs.set("pool.max_workers", value, "api", "");
    ASSERT_FALSE(refused) << value;
    EXPECT_EQ(refused.error().code, Code::invalid_argument);
    EXPECT_NE(refused.error().message.find("between 1 and 64"), std::string::npos) << refused.error().message;
  }
  EXPECT_EQ(knobs.set("pool.nothing", 1, "api", "").error().code, Code::not_found);
  EXPECT_EQ(applied + changed, 0);
  EXPECT_EQ(knobs.find("pool.max_workers")->value, 8);
  EXPECT_EQ(knobs.find("pool.nothing"), std::nullopt);
}

TEST(Knobs, AnApplyThatFailsChangesNothing) {
  Knobs knobs;
  int changed = 0;
  knobs.add(workers(), [](double) -> Result<void> { return fail(Code::overloaded, "everything is pinned"); });
  const auto listening = knobs.on_change([&](const KnobChanged&) { ++changed; });
  EXPECT_EQ(knobs.set("pool.max_workers", 2, "api", "").error(), (Error{Code::overloaded, "everything is pinned"}));
  EXPECT_EQ(knobs.find("pool.max_workers")->value, 8);
  EXPECT_EQ(knobs.find("pool.max_workers")->set_by, "default");
  EXPECT_EQ(changed, 0);
}

TEST(Knobs, AreListedByName) {
  Knobs knobs;
  const auto nothing = [](double) -> Result<void> { return {}; };
  knobs.add({.name = "pool.min_workers", .max = 1}, nothing);
  knobs.add({.name = "cache.memory_limit", .max = 1}, nothing);
  const auto all = knobs.all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "cache.memory_limit");
  EXPECT_EQ(all[1].name, "pool.min_workers");
}

TEST(Knobs, AListenerMayTurnKnobs) {
  Knobs knobs;
  double min_workers = 0;
  knobs.add(workers(), [](double) -> Result<void> { return {}; });
  knobs.add({.name = "pool.min_workers", .max = 64}, [&](double value) -> Result<void> {
    min_workers = value;
    return {};
  });
  const auto listening = knobs.on_change([&](const KnobChanged& change) {
    if (change.name != "pool.max_workers") return;
    EXPECT_TRUE(knobs.set("pool.min_workers", change.to / 2, "test", "half of the maximum"));
  });
  ASSERT_TRUE(knobs.set("pool.max_workers", 10, "api", ""));
  EXPECT_EQ(min_workers, 5);
}

TEST(Knobs, WhatIsShownIsWhatWasAppliedLast) {
  Knobs knobs;
  std::atomic<double> applied{0};
  double announced = 0;
  knobs.add(workers(), [&](double value) -> Result<void> {
    applied = value;
    return {};
  });
  const auto listening = knobs.on_change([&](const KnobChanged& change) { announced = change.to; });
  std::latch start(4);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        start.arrive_and_wait();
        for (int i = 0; i < 500; ++i) ASSERT_TRUE(knobs.set("pool.max_workers", 1 + (i + t * 16) % 64, "test", ""));
      });
  }
  EXPECT_EQ(knobs.find("pool.max_workers")->value, applied);
  EXPECT_EQ(announced, applied);
}

}  // namespace
}  // namespace hotwell

#include "pool/tuning.hpp"

#include <set>

#include <gtest/gtest.h>

namespace hotwell::pool {
namespace {

using namespace std::chrono_literals;

TEST(Tuning, EveryKnobTurnsWhatItShowsAndNothingElse) {
  std::set<std::string> names;
  for (const auto& knob : tuning_knobs()) {
    EXPECT_TRUE(names.insert(knob.name).second) << knob.name;
    Tuning tuning = tuning_of({});
    for (const double value : {knob.min, knob.max}) {
      knob.set(tuning, value);
      EXPECT_DOUBLE_EQ(knob.get(tuning), value) << knob.name;
      for (const auto& other : tuning_knobs()) {
        if (&other == &knob) continue;
        EXPECT_EQ(other.get(tuning), other.get(tuning_of({}))) << knob.name << " turned " << other.name;
      }
    }
  }
}

TEST(Tuning, TakesTheOptions) {
  const Tuning tuning = tuning_of({.max_workers = 3,
                                   .weights = {5, 4, 3},
                                   .queue_limit = 7,
                                   .kill_grace = 1s,
                                   .scheduling = Scheduling::strict,
                                   .ageing = 2s,
                                   .retry_share = 0.5,
                                   .breaker_crashes = 9,
                                   .feed_ahead = 4,
                                   .idle_after = 3s,
                                   .start_limit = 4s,
                                   .start_failures = 8,
                                   .recycle = {.jobs = 10, .growth = Bytes{11}, .age = 12s}});
  EXPECT_EQ(tuning.max_workers, 3U);
  EXPECT_EQ(tuning.weights[2], 3U);
  EXPECT_EQ(tuning.queue_limit, 7U);
  EXPECT_EQ(tuning.kill_grace, 1s);
  EXPECT_TRUE(tuning.strict);
  EXPECT_EQ(tuning.ageing, 2s);
  EXPECT_EQ(tuning.retry_share, 0.5);
  EXPECT_EQ(tuning.breaker_crashes, 9U);
  EXPECT_EQ(tuning.feed_ahead, 4U);
  EXPECT_EQ(tuning.idle_after, 3s);
  EXPECT_EQ(tuning.start_limit, 4s);
  EXPECT_EQ(tuning.start_failures, 8U);
  EXPECT_EQ(tuning.recycle_jobs, 10U);
  EXPECT_EQ(tuning.recycle_growth, 11U);
  EXPECT_EQ(tuning.recycle_age, 12s);
}

TEST(Tuning, TheFirstTypesMinimumIsItsOwnOrThePools) {
  EXPECT_EQ(tuning_of({.min_workers = 2}).min_workers, 2U);
  const WorkerSpec own{.kind = WorkerKind::frames, .argv = {"x"}, .min_workers = 1};
  EXPECT_EQ(tuning_of({.worker = own, .min_workers = 2}).min_workers, 1U);
  EXPECT_EQ(tuning_of({.min_workers = 2, .more_workers = {own}}).min_workers, 1U);
}

TEST(Tuning, WhatContradictsItselfIsRefused) {
  EXPECT_EQ(validate(Tuning{.max_workers = 0}).error().message, "pool.max_workers is 0, expected at least 1");
  EXPECT_FALSE(validate(Tuning{.min_workers = 3, .max_workers = 2}));
  EXPECT_TRUE(validate(Tuning{.min_workers = 2, .max_workers = 2}));
}

}  // namespace
}  // namespace hotwell::pool

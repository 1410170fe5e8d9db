// Who gets how much of the workers' time: classes, tenants, retries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/pool/crew.hpp"

namespace hotwell::test {
namespace {

using namespace std::chrono_literals;
using pool::PlannedJob;
using pool::Rules;

Rules crew_of(unsigned workers) {
  return {.types = {{.name = "worker", .min = workers}}, .tuning = {.max_workers = workers}};
}

std::string class_of(const PlannedJob& job, bool) { return std::string{to_string(job.priority)}; }

/// Keeps `depth` jobs of every kind waiting, whatever happens to them.
void flood(Crew& crew, const std::vector<PlannedJob>& kinds, int depth) {
  crew.on_end = [&crew](const PlannedJob& job) {
    PlannedJob next = job;
    next.number = 0;
    crew.submit(next);
  };
  for (int i = 0; i < depth; ++i)
    for (const auto& kind : kinds) crew.submit(kind);
}

/// HIGH's jobs take 100 to 300 ms, NORMAL's twice and LOW's five times as long.
Crew::Fate by_class(const PlannedJob& job, std::mt19937_64& random) {
  const Duration time = 100ms + Duration{static_cast<std::int64_t>(random() % 200'000'000)};
  return {.run = job.priority == Priority::high ? time : job.priority == Priority::normal ? time * 2 : time * 5};
}

TEST(PoolShares, LowGetsItsWeightUnderAFloodOfHigh) {
  std::mt19937_64 random{seed()};
  Crew crew{crew_of(4), [&](const PlannedJob& job) { return by_class(job, random); }};
  crew.label = class_of;
  flood(crew, {{.operation = "brief", .priority = Priority::high}, {.operation = "long", .priority = Priority::low}},
        50);
  crew.run_until(crew.now() + 2000s);
  const double share = crew.used("low") / (crew.used("low") + crew.used("high"));
  EXPECT_NEAR(share, 1.0 / 9, 0.01 / 9);
}

TEST(PoolShares, AllThreeClassesGetTheirWeights) {
  std::mt19937_64 random{seed()};
  Crew crew{crew_of(3), [&](const PlannedJob& job) { return by_class(job, random); }};
  crew.label = class_of;
  flood(crew,
        {{.operation = "a", .priority = Priority::high},
         {.operation = "b", .priority = Priority::normal},
         {.operation = "c", .priority = Priority::low}},
        30);
  crew.run_until(crew.now() + 2500s);
  const double all = crew.used("high") + crew.used("normal") + crew.used("low");
  EXPECT_NEAR(crew.used("high") / all, 8.0 / 12, 0.08 / 12);
  EXPECT_NEAR(crew.used("normal") / all, 3.0 / 12, 0.03 / 12);
  EXPECT_NEAR(crew.used("low") / all, 1.0 / 12, 0.01 / 12);
}

TEST(PoolShares, HighDoesNotWaitBehindAFloodOfLow) {
  Crew crew{crew_of(2), [](const PlannedJob&) { return Crew::Fate{.run = 100ms}; }};
  flood(crew, {{.operation = "a", .priority = Priority::low}}, 500);
  crew.on_end = [](const auto&) {};
  crew.run_until(crew.now() + 5s);
  const auto asked = crew.now();
  crew.submit({.number = 1'000'000, .operation = "a", .priority = Priority::high});
  crew.run_until(asked + 1s);
  EXPECT_LE(crew.starts().at(1'000'000) - asked, 100ms);  // the next worker that is free
}

TEST(PoolShares, TenantsShareAClassEvenly) {
  Crew crew{crew_of(4), [](const PlannedJob& job) { return Crew::Fate{.run = job.tenant == "long" ? 900ms : 100ms}; }};
  crew.label = [](const PlannedJob& job, bool) { return job.tenant; };
  // Three tenants of which one hands in ten times as much, and one much longer jobs.
  flood(crew, {{.operation = "a", .tenant = "small"}, {.operation = "b", .tenant = "long"}}, 10);
  flood(crew, {{.operation = "a", .tenant = "greedy"}}, 100);
  crew.run_until(crew.now() + 1000s);
  const double all = crew.used("small") + crew.used("long") + crew.used("greedy");
  for (const char* tenant : {"small", "long", "greedy"}) EXPECT_NEAR(crew.used(tenant) / all, 1.0 / 3, 0.01) << tenant;
}

TEST(PoolShares, ALateTenantIsNextAndNothingIsSavedUp) {
  Crew crew{crew_of(1), [](const PlannedJob&) { return Crew::Fate{.run = 100ms}; }};
  crew.label = [](const PlannedJob& job, bool) { return job.tenant; };
  flood(crew, {{.operation = "a", .tenant = "first"}}, 100);
  crew.run_until(crew.now() + 100s);
  const auto asked = crew.now();
  crew.submit({.number = 1'000'000, .operation = "a", .tenant = "second"});
  crew.run_until(asked + 1s);
  EXPECT_LE(crew.starts().at(1'000'000) - asked, 100ms);
  flood(crew, {{.operation = "a", .tenant = "second"}}, 100);
  const double before = crew.used("first");
  crew.run_until(crew.now() + 100s);
  EXPECT_NEAR(crew.used("first") - before, 50, 2);  // the hundred seconds without it are not made up for
}

TEST(PoolShares, ManyTenantsComeAndGo) {
  Crew crew{crew_of(2), [](const PlannedJob&) { return Crew::Fate{.run = 1ms}; }};
  for (int i = 0; i < 5000; ++i) {
    crew.submit({.operation = "a", .tenant = std::to_string(i)});
    crew.run_until(crew.now() + 1ms);
  }
  crew.run();
  EXPECT_EQ(crew.plan().figures().completed, 5000U);
}

TEST(PoolShares, RetriesGetAtMostTheirShareWhileFirstAttemptsWait) {
  Crew crew{crew_of(4), [](const PlannedJob& job) {
              if (job.operation == "good") return Crew::Fate{.run = 100ms};
              return Crew::Fate{.run = 100ms, .error = Error{Code::io, "always"}};
            }};
  crew.label = [](const PlannedJob&, bool retry) { return retry ? "retry" : "first"; };
  flood(crew, {{.operation = "good"}}, 50);
  for (int i = 0; i < 1000; ++i) crew.submit({.operation = "bad", .retries = 1'000'000, .backoff = 100ms});
  crew.run_until(crew.now() + 400s);
  const double share = crew.used("retry") / (crew.used("retry") + crew.used("first"));
  EXPECT_NEAR(share, 0.1, 0.01);
}

TEST(PoolShares, RetriesRunAtOnceWhereNobodyElseWaits) {
  Crew crew{crew_of(2), [](const PlannedJob&) { return Crew::Fate{.run = 100ms, .error = Error{Code::io, "always"}}; }};
  for (int i = 0; i < 2; ++i) crew.submit({.operation = "bad", .retries = 99, .backoff = Duration{}});
  const auto begin = crew.now();
  const auto end = crew.run();
  EXPECT_LE(end - begin, 10s + 10ms);
}

Rules strict(unsigned workers, Duration ageing) {
  Rules rules = crew_of(workers);
  rules.tuning.strict = true;
  rules.tuning.ageing = ageing;
  return rules;
}

TEST(PoolShares, StrictModeLetsLowWaitForEver) {
  Crew crew{strict(2, Duration{}), [](const PlannedJob&) { return Crew::Fate{.run = 100ms}; }};
  crew.label = class_of;
  crew.submit({.number = 1'000'000, .operation = "a", .priority = Priority::low});
  flood(crew, {{.operation = "a", .priority = Priority::high}}, 10);
  crew.run_until(crew.now() + 1000s);
  EXPECT_LE(crew.used("low"), 0.1);  // only if it was there before the flood
}

TEST(PoolShares, AgeingLiftsWhatHasWaitedForLong) {
  Crew crew{strict(2, 10s), [](const PlannedJob&) { return Crew::Fate{.run = 100ms}; }};
  flood(crew, {{.operation = "a", .priority = Priority::high}}, 10);
  crew.run_until(crew.now() + 1s);
  const auto asked = crew.now();
  crew.submit({.number = 1'000'000, .operation = "a", .priority = Priority::low});
  crew.run_until(asked + 100s);
  ASSERT_TRUE(crew.starts().contains(1'000'000));
  EXPECT_GE(crew.starts().at(1'000'000) - asked, 20s);  // through NORMAL to HIGH
  EXPECT_LE(crew.starts().at(1'000'000) - asked, 21s);
}

}  // namespace
}  // namespace hotwell::test

// Failures in masses: they come back spread out, and cost the healthy jobs little.
#include <gtest/gtest.h>

#include "tests/sim/pool/crew.hpp"

namespace hotwell::test {
namespace {

using namespace std::chrono_literals;
using pool::Plan;
using pool::PlannedJob;
using pool::Rules;

/// Starts per 100 ms at the peak, after ten thousand jobs failed in the same instant.
std::size_t peak_of_retries(std::function<double()> random) {
  constexpr pool::JobNumber jobs = 10'000;
  Rules rules{.types = {{.name = "worker", .style = pool::Style::per_job}}, .tuning = {.max_workers = jobs}};
  Plan plan{rules, std::move(random)};
  host::MonoTime now{1h};
  std::vector<std::pair<pool::WorkerId, pool::JobNumber>> running;
  for (pool::JobNumber n = 1; n <= jobs; ++n)
    for (const auto& action : plan.step(pool::Submit{{.number = n, .operation = "op", .retries = 1}}, now))
      if (const auto* assign = std::get_if<pool::Assign>(&action)) running.emplace_back(assign->worker, assign->job);
  EXPECT_EQ(running.size(), jobs);
  now += 1s;
  for (const auto& [worker, job] : running) {
    (void)plan.step(pool::AttemptEnded{job, 1, Error{Code::io, "all at once"}}, now);
    (void)plan.step(pool::WorkerGone{.worker = worker, .reason = {}}, now);
  }
  std::map<std::int64_t, std::size_t> starts;
  std::size_t all = 0;
  while (const auto next = plan.next_timer()) {
    now = std::max(now, *next);
    for (const auto& action : plan.step(pool::Tick{}, now))
      if (std::holds_alternative<pool::Assign>(action)) {
        ++starts[now.time_since_epoch() / 100ms];
        ++all;
      }
    if (all == jobs) break;
  }
  EXPECT_EQ(all, jobs);
  std::size_t peak = 0;
  for (const auto& [when, count] : starts) peak = std::max(peak, count);
  return peak;
}

TEST(PoolStorms, RetriesOfJobsThatFailTogetherAreSpreadOut) {
  std::mt19937_64 random{seed()};
  const auto without = peak_of_retries([] { return 0.5; });
  const auto with = peak_of_retries([&] { return std::uniform_real_distribution<double>{}(random); });
  EXPECT_EQ(without, 10'000U);
  EXPECT_LE(static_cast<double>(with), 0.12 * static_cast<double>(without));
}

/// When the last healthy one of 10,000 jobs of 20 ms was done, one in a hundred being poison if wanted.
Duration healthy_time(const std::string& poison) {
  Rules rules{.types = {{.name = "worker", .min = 4}}, .tuning = {.max_workers = 4, .queue_limit = 100'000}};
  host::MonoTime done{};
  Crew crew{rules, [](const PlannedJob& job) {
              if (job.affinity == 0) return Crew::Fate{.run = 20ms};
              return Crew::Fate{.run = 20ms, .error = Error{Code::crashed, "poison"}};
            }};
  crew.on_end = [&](const PlannedJob& job) {
    if (job.affinity == 0) done = crew.now();
  };
  const auto begin = crew.now();
  std::size_t poisoned = 0;
  for (int i = 0; i < 10'000; ++i) {
    const bool bad = i % 100 == 99;
    if (bad && poison.empty()) continue;
    poisoned += bad;
    crew.submit({.operation = bad ? poison : "work", .retries = 3, .affinity = bad ? 1U : 0U});
  }
  crew.run();
  EXPECT_EQ(crew.plan().figures().completed, 9'900U);
  EXPECT_EQ(crew.plan().figures().failed, poisoned);
  for (const auto& [number, end] : crew.ends()) {
    if (!end.error) continue;
    EXPECT_EQ(end.attempts, 3U) << "max_crashes, whatever delayed them";
  }
  return done - begin;
}

TEST(PoolStorms, OnePercentOfPoisonCostsTheOthersAtMostAFewPercent) {
  const double alone = std::chrono::duration<double>(healthy_time("")).count();
  EXPECT_LE(std::chrono::duration<double>(healthy_time("work")).count(), 1.05 * alone);
  EXPECT_LE(std::chrono::duration<double>(healthy_time("poison")).count(), 1.02 * alone);
}

TEST(PoolStorms, ACrashingOperationIsHeldBackAndComesBack) {
  Rules rules{.types = {{.name = "worker", .min = 2, .max_crashes = 100}}, .tuning = {.max_workers = 2}};
  const host::MonoTime repaired{1h + 100s};
  std::size_t crashes = 0;
  Crew* self = nullptr;
  Crew crew{rules, [&](const PlannedJob&) {
              if (self->now() >= repaired) return Crew::Fate{.run = 10ms};
              ++crashes;
              return Crew::Fate{.run = 10ms, .error = Error{Code::crashed, "broken"}};
            }};
  self = &crew;
  for (int i = 0; i < 50; ++i) crew.submit({.operation = "op", .retries = 100, .backoff = 10ms});
  crew.run_until(repaired);
  // Five in a row, and what ran beside the fifth; then one after 1 s, 2 s, 4 s, ... 30 s.
  EXPECT_LE(crashes, 15U);
  EXPECT_EQ(crew.plan().figures().pending[1], 50U);
  crew.run();
  EXPECT_EQ(crew.plan().figures().completed, 50U);
}

}  // namespace
}  // namespace hotwell::test

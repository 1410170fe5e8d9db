#include "pool/plan.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "sim/processes.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::pool {
namespace {

using namespace std::chrono_literals;
using sim::Processes;
using sim::Temper;

Rules rules(unsigned max, unsigned min = 0, Style style = Style::warm) {
  Rules r{.types = {{.name = "worker", .style = style, .min = min}}, .tuning = {.max_workers = max}};
  r.types.push_back({.name = "function", .style = Style::thread});
  return r;
}

PlannedJob job(JobNumber number, Priority priority = Priority::normal) {
  return {.number = number, .operation = "op", .priority = priority};
}

/// One worker that is ready and idle.
struct OneWorker : Processes {
  explicit OneWorker(Temper temper = {}) : Processes(rules(1, 1), test::seed(), temper) {
    feed(Tick{});
    advance(1s);
  }
};

std::optional<Code> code_of(const Processes& world, JobNumber number) {
  const auto& end = world.ends().at(number);
  return end.error ? std::optional{end.error->code} : std::nullopt;
}

TEST(Regression, HighPriorityZeroIsNotTakenForNormal) {
  static_assert(static_cast<int>(Priority::high) == 0);
  OneWorker world;
  world.feed(Submit{job(1)});  // holds the worker
  world.feed(Submit{job(2, Priority::low)});
  world.feed(Submit{job(3, Priority::normal)});
  world.feed(Submit{job(4, Priority::high)});
  EXPECT_EQ(world.plan().figures().pending, (std::array<std::uint64_t, 3>{1, 1, 1}));
  world.run(1h);
  EXPECT_EQ(world.assigned(), (std::vector<JobNumber>{1, 4, 3, 2}));
}

TEST(Regression, ABurstNeverExceedsMaxWorkers) {
  for (const auto style : {Style::warm, Style::per_job}) {
    Processes world{rules(3, 0, style), test::seed()};
    for (JobNumber n = 1; n <= 100; ++n) world.feed(Submit{job(n)});
    world.run(1h);
    EXPECT_EQ(world.most_workers(), 3U);
    EXPECT_EQ(world.ends().size(), 100U);
    EXPECT_EQ(world.plan().figures().completed, 100U);
  }
}

TEST(Regression, AWorkersExitEndsItsAttemptAtOnceAndNotAtTheTimeout) {
  OneWorker world{Temper{.hang = 1}};
  auto lost = job(1);
  lost.retries = 0;
  lost.timeout = 1h;
  world.feed(Submit{lost});
  world.lose(world.living().front(), true);
  EXPECT_EQ(code_of(world, 1), Code::crashed);
}

TEST(Regression, TerminatedJobsDoNotRetryAfterShutdown) {
  Processes world{rules(2, 2), test::seed(), {.hang = 1, .deaf = 1}};
  world.feed(Tick{});
  world.advance(1s);
  for (JobNumber n = 1; n <= 4; ++n) {
    auto stubborn = job(n);
    stubborn.retries = 3;
    world.feed(Submit{stubborn});
  }
  world.feed(DrainRequest{1s});
  world.run(1h);
  EXPECT_TRUE(world.drained());
  EXPECT_EQ(world.assigned().size(), 2U);
  EXPECT_EQ(world.workers(), 0U);
  for (JobNumber n = 1; n <= 4; ++n) EXPECT_EQ(code_of(world, n), Code::cancelled);
  world.feed(Submit{job(5)});
  EXPECT_EQ(code_of(world, 5), Code::draining);
}

TEST(Plan, KeepsAMinimumWarmAndReusesWorkers) {
  Processes world{rules(8, 2), test::seed()};
  world.feed(Tick{});
  world.advance(1s);
  EXPECT_EQ(world.workers(), 2U);
  for (JobNumber n = 1; n <= 5; ++n) {
    world.feed(Submit{job(n)});
    world.advance(10s);
  }
  EXPECT_EQ(world.workers(), 2U);
  EXPECT_EQ(world.plan().figures().reuses, 4U);
  EXPECT_EQ(world.plan().figures().idle, 2U);
}

TEST(Plan, WithoutReuseEveryJobGetsAFreshProcess) {
  auto r = rules(2, 1);
  r.reuse_workers = false;
  Processes world{r, test::seed()};
  for (JobNumber n = 1; n <= 6; ++n) world.feed(Submit{job(n)});
  world.run(1h);
  EXPECT_EQ(world.plan().figures().reuses, 0U);
  EXPECT_EQ(world.plan().figures().completed, 6U);
}

TEST(Plan, IdleWorkersBeyondTheMinimumLeaveInTheEnd) {
  Processes world{rules(6, 1), test::seed()};
  for (JobNumber n = 1; n <= 6; ++n) world.feed(Submit{job(n)});
  world.advance(10s);
  EXPECT_EQ(world.workers(), 6U);
  world.advance(2min);
  EXPECT_EQ(world.workers(), 1U);
}

TEST(Plan, RetriesWithFullJitterUnderADoublingCeiling) {
  OneWorker world{Temper{.transient = 1}};
  auto failing = job(1);
  failing.retries = 3;
  failing.backoff = 1s;
  world.feed(Submit{failing});
  world.run(1h);
  EXPECT_EQ(world.assigned().size(), 4U);
  ASSERT_EQ(world.delays().size(), 3U);
  EXPECT_LE(world.delays()[0], 1s);
  EXPECT_LE(world.delays()[1], 2s);
  EXPECT_LE(world.delays()[2], 4s);
  EXPECT_EQ(code_of(world, 1), Code::io);
  EXPECT_TRUE(world.ends().at(1).dead);
  EXPECT_EQ(world.ends().at(1).attempts, 4U);
  EXPECT_EQ(world.plan().figures().retried, 3U);
  EXPECT_EQ(world.plan().figures().failed, 1U);
}

TEST(Plan, APermanentErrorIsNotRetried) {
  OneWorker world{Temper{.permanent = 1}};
  auto failing = job(1);
  failing.retries = 3;
  world.feed(Submit{failing});
  world.run(1h);
  EXPECT_EQ(world.assigned().size(), 1U);
  EXPECT_FALSE(world.ends().at(1).dead);
}

TEST(Plan, CrashesAreBoundedByMaxCrashes) {
  OneWorker world{Temper{.crash = 1}};
  auto deadly = job(1);
  deadly.retries = 10;
  world.feed(Submit{deadly});
  world.run(1h);
  EXPECT_EQ(world.ends().at(1).attempts, 3U);
  EXPECT_TRUE(world.ends().at(1).dead);
}

TEST(Plan, OutOfMemoryGetsOneMoreAttemptAloneOnTheMachine) {
  Processes world{rules(4, 4), test::seed(), {.out_of_memory = 1}};
  world.feed(Tick{});
  world.advance(1s);
  auto hungry = job(1);
  hungry.retries = 3;
  world.feed(Submit{hungry});
  world.advance(10s);
  EXPECT_EQ(world.assigned().size(), 2U);
  EXPECT_EQ(code_of(world, 1), Code::out_of_memory);

  auto r = rules(4, 4);
  Plan plan{r, [] { return 0.0; }};
  MonoTime now{1h};
  std::vector<WorkerId> workers;
  for (const auto& action : plan.step(Tick{}, now)) workers.push_back(std::get<SpawnWorker>(action).worker);
  for (const auto worker : workers) (void)plan.step(WorkerReady{worker}, now);
  (void)plan.step(Submit{hungry}, now);
  auto other = job(2);
  (void)plan.step(Submit{other}, now);
  const auto count = [](const Actions& actions) {
    return std::ranges::count_if(actions, [](const Action& a) { return std::holds_alternative<Assign>(a); });
  };
  now += 1s;  // the retry is due at once, but the other job still runs
  EXPECT_EQ(count(plan.step(AttemptEnded{1, 1, Error{Code::out_of_memory, "scripted"}}, now)), 0);
  EXPECT_EQ(count(plan.step(Tick{}, now)), 0);
  EXPECT_EQ(count(plan.step(Submit{job(3)}, now)), 0);  // nobody overtakes it either
  EXPECT_EQ(count(plan.step(AttemptEnded{2, 1, std::nullopt}, now)), 1);
  EXPECT_EQ(count(plan.step(Submit{job(4)}, now)), 0);  // alone
  EXPECT_EQ(count(plan.step(AttemptEnded{1, 2, std::nullopt}, now)), 2);
}

TEST(Plan, ATimeoutAsksThenKillsAndIsRetried) {
  OneWorker world{Temper{.hang = 1, .deaf = 1}};
  auto slow = job(1);
  slow.timeout = 2s;
  slow.retries = 1;
  world.feed(Submit{slow});
  world.run(1h);
  EXPECT_EQ(code_of(world, 1), Code::timeout);
  EXPECT_EQ(world.ends().at(1).error->message, "the job did not end within 2.00 s");
  EXPECT_EQ(world.assigned().size(), 2U);
}

TEST(Plan, ADeadlineEndsAJobWhereverItIs) {
  OneWorker world{Temper{.hang = 1, .deaf = 1}};
  auto running = job(1), queued = job(2), late = job(3);
  running.retries = queued.retries = 3;
  running.deadline = queued.deadline = world.now() + 2s;
  late.deadline = world.now();
  world.feed(Submit{running});
  world.feed(Submit{queued});
  world.feed(Submit{late});
  EXPECT_EQ(code_of(world, 3), Code::timeout);
  world.advance(2s);
  EXPECT_EQ(code_of(world, 2), Code::timeout);
  world.advance(1s);
  EXPECT_EQ(code_of(world, 1), Code::timeout);
  EXPECT_EQ(world.assigned().size(), 1U);
}

TEST(Plan, CancelEndsQueuedJobsAtOnceAndRunningOnesWithTheirWorker) {
  OneWorker world{Temper{.hang = 1, .deaf = 1}};
  auto first = job(1);
  first.retries = 3;
  world.feed(Submit{first});
  world.feed(Submit{job(2)});
  world.feed(CancelJob{2});
  EXPECT_EQ(code_of(world, 2), Code::cancelled);
  EXPECT_TRUE(world.plan().can_cancel(1));
  world.feed(CancelJob{1});
  EXPECT_FALSE(world.ends().contains(1));
  world.advance(1s);
  EXPECT_EQ(code_of(world, 1), Code::cancelled);
  EXPECT_FALSE(world.plan().can_cancel(1));
  EXPECT_EQ(world.plan().figures().cancelled, 2U);
}

TEST(Plan, AFunctionThatDoesNotStopLosesItsOwnerAndKeepsItsPlace) {
  Processes world{rules(1), test::seed(), {.hang = 1, .deaf = 1}};
  auto stubborn = job(1);
  stubborn.type = 1;
  world.feed(Submit{stubborn});
  world.feed(CancelJob{1});
  world.advance(501ms);
  EXPECT_EQ(code_of(world, 1), Code::cancelled);
  EXPECT_EQ(world.workers(), 1U);
  auto next = job(2);
  next.type = 1;
  world.feed(Submit{next});
  EXPECT_EQ(world.assigned().size(), 1U);
  world.advance(10s);
  EXPECT_EQ(world.assigned().size(), 2U);
}

TEST(Plan, TheSpawnersEndCostsNoAttempt) {
  OneWorker world{Temper{.hang = 1}};
  auto unlucky = job(1);
  unlucky.retries = 0;
  world.feed(Submit{unlucky});
  world.feed(SpawnerState{false});
  world.lose(world.living().front(), false);
  EXPECT_FALSE(world.ends().contains(1));
  EXPECT_EQ(world.workers(), 0U);  // nothing can be started
  EXPECT_EQ(world.plan().figures().pending[1], 1U);
  world.feed(SpawnerState{true});
  world.advance(1s);
  EXPECT_EQ(world.assigned().size(), 2U);
  world.feed(CancelJob{1});
  world.advance(1s);
  EXPECT_EQ(world.ends().at(1).attempts, 1U);
}

TEST(Plan, AnIdleWorkerOfAnotherTypeMakesRoom) {
  Rules r{.types = {{.name = "a", .min = 2}, {.name = "b"}}, .tuning = {.max_workers = 2}};
  Processes world{r, test::seed()};
  world.feed(Tick{});
  world.advance(1s);
  auto other = job(1);
  other.type = 1;
  world.feed(Submit{other});
  world.advance(10s);
  EXPECT_EQ(code_of(world, 1), std::nullopt);
  EXPECT_EQ(world.most_workers(), 2U);
  world.advance(2min);  // the other type's worker has left, and the minimum is back
  EXPECT_EQ(world.workers(), 2U);
}

TEST(Plan, ATypesOwnMaximumHoldsNobodyElseUp) {
  Rules r{.types = {{.name = "a", .max = 1}, {.name = "b"}}, .tuning = {.max_workers = 4}};
  Processes world{r, test::seed(), {.hang = 1}};
  for (JobNumber n = 1; n <= 3; ++n) world.feed(Submit{job(n, Priority::high)});
  auto other = job(9, Priority::low);
  other.type = 1;
  world.feed(Submit{other});
  world.advance(1s);
  EXPECT_EQ(world.assigned().size(), 2U);
  EXPECT_EQ(world.workers(), 2U);
}

TEST(Plan, AJobGoesToTheIdleWorkerThatHoldsItsInput) {
  Plan plan{rules(3, 3), [] { return 0.0; }};
  const MonoTime now{1h};
  std::vector<WorkerId> workers;
  for (const auto& action : plan.step(Tick{}, now)) workers.push_back(std::get<SpawnWorker>(action).worker);
  for (const auto worker : workers) (void)plan.step(WorkerReady{worker}, now);
  std::map<std::uint64_t, WorkerId> holder;
  JobNumber number = 0;
  const auto run = [&](std::uint64_t affinity) {
    auto reads = job(++number);
    reads.affinity = affinity;
    for (const auto& action : plan.step(Submit{reads}, now))
      if (const auto* assign = std::get_if<Assign>(&action)) return assign->worker;
    return WorkerId{0};
  };
  for (const std::uint64_t input : {11U, 12U, 13U}) holder[input] = run(input);  // three at once: one each
  for (JobNumber n = 1; n <= 3; ++n) (void)plan.step(AttemptEnded{n, 1, std::nullopt}, now);
  for (const std::uint64_t input : {13U, 11U, 12U, 11U}) {
    EXPECT_EQ(run(input), holder[input]);
    (void)plan.step(AttemptEnded{number, 1, std::nullopt}, now);
  }
}

TEST(Plan, AFullQueueRefusesAtOnce) {
  auto r = rules(1);
  r.tuning.queue_limit = 2;
  Processes world{r, test::seed(), {.hang = 1}};
  for (JobNumber n = 1; n <= 2; ++n) world.feed(Submit{job(n)});
  world.advance(1s);  // one of them runs now
  for (JobNumber n = 3; n <= 5; ++n) world.feed(Submit{job(n)});
  EXPECT_FALSE(world.ends().contains(3));
  EXPECT_EQ(code_of(world, 4), Code::overloaded);
  EXPECT_TRUE(world.ends().at(5).refused);
  EXPECT_EQ(world.plan().figures().accepted, 3U);
}

TEST(Plan, ABrokenWorkerIsStartedEverMoreSlowly) {
  auto r = rules(2, 1);
  r.tuning.start_failures = 0;  // its jobs wait for it, however long that takes
  Processes world{r, test::seed(), {.bad_start = 1, .longest_start = 1ms}};
  world.feed(Submit{job(1)});
  world.advance(1min);
  EXPECT_GE(world.spawned(), 5U);
  EXPECT_LE(world.spawned(), 12U);
  EXPECT_FALSE(world.ends().contains(1));
}

TEST(Plan, JobsOfAWorkerThatNeverComesUpEndByTheirOwnRetries) {
  Processes world{rules(2, 1), test::seed(), {.bad_start = 1, .longest_start = 1ms}};
  auto patient = job(1), hasty = job(2);
  patient.retries = 2;
  world.feed(Submit{patient});
  world.feed(Submit{hasty});
  world.run(1h);
  EXPECT_EQ(code_of(world, 1), Code::unavailable);
  EXPECT_EQ(code_of(world, 2), Code::unavailable);
  EXPECT_TRUE(world.ends().at(1).dead);
  EXPECT_EQ(world.ends().at(1).attempts, 3U);
  EXPECT_EQ(world.ends().at(2).attempts, 1U);
  EXPECT_TRUE(world.assigned().empty());
  EXPECT_EQ(world.ends().at(2).error->message,
            "worker \"worker\" was started 5 times in a row and ended each time before it was ready: killed");
}

TEST(Plan, AProgramThatIsNotThereEndsTheJobsThatWaitForIt) {
  Plan plan{rules(1), [] { return 0.0; }};
  const MonoTime now{1h};
  WorkerId worker = 0;
  for (const auto& action : plan.step(Submit{job(1)}, now))
    if (const auto* spawn = std::get_if<SpawnWorker>(&action)) worker = spawn->worker;
  ASSERT_NE(worker, 0U);
  const auto actions =
      plan.step(WorkerGone{.worker = worker, .reason = {Code::internal, "no such file"}, .cannot_start = true}, now);
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_EQ(std::get<End>(actions[0]).error->message, "no such file");
  // The next job finds out by itself whether it is there now.
  EXPECT_TRUE(std::ranges::any_of(plan.step(Submit{job(2)}, now),
                                  [](const Action& a) { return std::holds_alternative<SpawnWorker>(a); }));
}

TEST(Plan, RaisingAQueuedJobMovesItAndNothingLowersIt) {
  OneWorker world;
  world.feed(Submit{job(1)});
  world.feed(Submit{job(2)});
  world.feed(Submit{job(3, Priority::low)});
  world.feed(RaiseJob{3, Priority::high});
  world.feed(RaiseJob{3, Priority::low});
  world.run(1h);
  EXPECT_EQ(world.assigned(), (std::vector<JobNumber>{1, 3, 2}));
}

TEST(Plan, AnIdlePoolSetsNoTimer) {
  OneWorker world;
  world.feed(Submit{job(1)});
  world.advance(1min);
  EXPECT_EQ(world.plan().next_timer(), std::nullopt);
}

}  // namespace
}  // namespace hotwell::pool

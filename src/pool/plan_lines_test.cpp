// What goes on between the plan and one worker at a time: jobs fed ahead, stops in their stages, wear.
#include <gtest/gtest.h>

#include "pool/plan.hpp"

namespace hotwell::pool {
namespace {

using namespace std::chrono_literals;

/// A plan driven by hand.
class Desk {
 public:
  explicit Desk(Tuning tuning, unsigned workers = 1)
      : plan_({.types = {{.name = "worker", .min = workers}}, .tuning = adapt(tuning, workers)}, [] { return 0.5; }) {
    feed(Tick{});
    for (const auto& spawned : all<SpawnWorker>()) ready(spawned.worker);
  }

  void feed(Event event) { last_ = plan_.step(std::move(event), now); }
  void ready(WorkerId worker, unsigned window = 8) {
    worker_ = worker;
    feed(WorkerReady{worker, window});
  }
  void pass(Duration time) {
    now += time;
    feed(Tick{});
  }
  void submit(PlannedJob job) {
    if (job.operation.empty()) job.operation = "op";
    feed(Submit{std::move(job)});
  }
  void end(JobNumber job, std::uint32_t attempt = 1, std::optional<Error> error = {}) {
    feed(AttemptEnded{job, attempt, std::move(error)});
  }
  /// The operation's jobs are known to take that long.
  void learn(Duration time, JobNumber number = 1000, Priority priority = Priority::normal) {
    submit({.number = number, .priority = priority});
    now += time;
    end(number);
  }

  template <class A>
  [[nodiscard]] std::vector<A> all() const {
    std::vector<A> found;
    for (const auto& action : last_)
      if (const auto* one = std::get_if<A>(&action)) found.push_back(*one);
    return found;
  }
  [[nodiscard]] std::vector<JobNumber> assigned() const {
    std::vector<JobNumber> jobs;
    for (const auto& one : all<Assign>()) jobs.push_back(one.job);
    return jobs;
  }
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] WorkerId worker() const { return worker_; }

  MonoTime now{1h};

 private:
  static Tuning adapt(Tuning tuning, unsigned workers) {
    tuning.max_workers = workers;
    return tuning;
  }

  Plan plan_;
  Actions last_;
  WorkerId worker_ = 0;
};

using Jobs = std::vector<JobNumber>;
using Standing = Plan::Standing;

TEST(PlanFeeding, BriefJobsAreHandedOverAheadAndRefilledByHalves) {
  Desk desk{{.feed_ahead = 8}};
  desk.learn(100us);
  Jobs handed;
  for (JobNumber n = 1; n <= 20; ++n) {
    desk.submit({.number = n});
    for (const auto number : desk.assigned()) handed.push_back(number);
  }
  EXPECT_EQ(handed, (Jobs{1, 2, 3, 4, 5}));
  EXPECT_EQ(desk.plan().standing(1), Standing::running);
  EXPECT_EQ(desk.plan().standing(2), Standing::in_line);
  desk.end(1);
  EXPECT_EQ(desk.assigned(), (Jobs{6, 7, 8, 9}));
  EXPECT_EQ(desk.plan().standing(2), Standing::running);
  EXPECT_EQ(desk.plan().figures().busy, 1U);
  for (JobNumber n = 2; n <= 4; ++n) {
    desk.end(n);
    EXPECT_EQ(desk.assigned(), Jobs{});
  }
  desk.end(5);
  EXPECT_EQ(desk.assigned(), (Jobs{10, 11, 12, 13}));
}

TEST(PlanFeeding, OneJobAtAWorkerWhereItIsNotAskedForOrNotSafe) {
  const auto is_fed = [](Desk& desk, PlannedJob second) {
    desk.submit({.number = 1});
    second.number = 2;
    desk.submit(second);
    return desk.assigned() == Jobs{2};
  };
  Desk right{{.feed_ahead = 8}};
  right.learn(100us);
  EXPECT_TRUE(is_fed(right, {}));
  Desk not_asked{{}};
  not_asked.learn(100us);
  EXPECT_FALSE(is_fed(not_asked, {}));
  Desk unknown{{.feed_ahead = 8}};
  EXPECT_FALSE(is_fed(unknown, {}));
  Desk slow{{.feed_ahead = 8}};
  slow.learn(2ms);
  EXPECT_FALSE(is_fed(slow, {}));
  Desk other_class{{.feed_ahead = 8}};
  other_class.learn(100us);
  EXPECT_FALSE(is_fed(other_class, {.priority = Priority::high}));
  Desk other_operation{{.feed_ahead = 8}};
  other_operation.learn(100us);
  EXPECT_FALSE(is_fed(other_operation, {.operation = "new"}));
}

TEST(PlanFeeding, NothingButHighIsFedWhileHighWaits) {
  Desk desk{{.feed_ahead = 8}};
  desk.learn(100us);
  for (JobNumber n = 1; n <= 5; ++n) desk.submit({.number = n});
  desk.submit({.number = 10, .priority = Priority::high});
  for (JobNumber n = 11; n <= 20; ++n) desk.submit({.number = n});
  for (JobNumber n = 1; n <= 4; ++n) {
    desk.end(n);
    EXPECT_EQ(desk.assigned(), Jobs{}) << n;
  }
  desk.end(5);
  EXPECT_EQ(desk.assigned(), (Jobs{10}));  // the worker is at it alone; NORMAL does not stand behind it
}

TEST(PlanFeeding, ACrashCostsTheAttemptThatRanAndNoOther) {
  Desk desk{{.feed_ahead = 8}};
  desk.learn(100us);
  for (JobNumber n = 1; n <= 5; ++n) desk.submit({.number = n});
  desk.end(1);
  desk.feed(AttemptStarted{2, 1});
  desk.feed(WorkerGone{.worker = desk.worker(), .reason = {Code::crashed, "it crashed"}});
  ASSERT_EQ(desk.all<End>().size(), 1U);
  EXPECT_EQ(desk.all<End>()[0].job, 2U);
  EXPECT_EQ(desk.all<End>()[0].attempts, 1U);
  EXPECT_EQ(desk.plan().figures().pending[1], 3U);
  desk.submit({.number = 6});
  desk.ready(desk.worker() + 1);
  EXPECT_EQ(desk.assigned(), (Jobs{3, 4, 5, 6}));  // at the front of their queue, with their second start
  EXPECT_EQ(desk.all<Assign>()[0].attempt, 2U);
  desk.end(3, 2);
  EXPECT_EQ(desk.all<End>()[0].attempts, 1U);
}

TEST(PlanFeeding, WhereNoneIsKnownToHaveStartedTheFirstOneIsToBlame) {
  Desk desk{{.feed_ahead = 8}};
  desk.learn(100us);
  for (JobNumber n = 1; n <= 4; ++n) desk.submit({.number = n});
  desk.end(1);  // 2 is next, but the worker has not said that it is at it
  desk.feed(WorkerGone{.worker = desk.worker(), .reason = {Code::crashed, "it crashed"}});
  ASSERT_EQ(desk.all<End>().size(), 1U);
  EXPECT_EQ(desk.all<End>()[0].job, 2U);
}

TEST(PlanFeeding, ATimeoutRunsFromTheStartAndTakesNobodyAlong) {
  Desk desk{{.feed_ahead = 8}};
  desk.learn(100us);
  for (JobNumber n = 1; n <= 3; ++n) desk.submit({.number = n, .timeout = 10s});
  desk.pass(9s);
  desk.end(1);
  desk.pass(9s);
  EXPECT_TRUE(desk.all<AskToStop>().empty());  // 2 has run for nine seconds
  desk.pass(1s);
  ASSERT_EQ(desk.all<AskToStop>().size(), 1U);
  EXPECT_EQ(desk.all<AskToStop>()[0].job, 2U);
  desk.pass(250ms);
  EXPECT_EQ(desk.all<TerminateWorker>().size(), 1U);
  desk.pass(250ms);
  EXPECT_EQ(desk.all<KillWorker>().size(), 1U);
  desk.feed(WorkerGone{.worker = desk.worker(), .reason = {Code::crashed, "killed"}});
  ASSERT_EQ(desk.all<End>().size(), 1U);
  EXPECT_EQ(desk.all<End>()[0].error->code, Code::timeout);
  EXPECT_EQ(desk.plan().standing(3), Standing::queued);
}

TEST(PlanFeeding, ACancelledJobInLineHoldsNobodyUp) {
  Desk desk{{.feed_ahead = 8}};
  desk.learn(100us);
  for (JobNumber n = 1; n <= 3; ++n) desk.submit({.number = n});
  desk.feed(CancelJob{2});
  ASSERT_EQ(desk.all<AskToStop>().size(), 1U);
  desk.pass(10s);
  EXPECT_TRUE(desk.all<TerminateWorker>().empty());
  EXPECT_TRUE(desk.all<KillWorker>().empty());
  desk.end(1);
  desk.end(2, 1, Error{Code::cancelled, "asked"});
  ASSERT_EQ(desk.all<End>().size(), 1U);
  EXPECT_EQ(desk.all<End>()[0].error->code, Code::cancelled);
  EXPECT_EQ(desk.plan().standing(3), Standing::running);
}

TEST(PlanWatchdogs, SilenceIsStoppedAndSignsOfLifeAreNot) {
  Desk desk{{}};
  desk.submit({.number = 1, .timeout = 1h, .no_progress = 10s});
  for (int i = 0; i < 5; ++i) {
    desk.pass(9s);
    desk.feed(AttemptAlive{1, 1});
    EXPECT_TRUE(desk.all<AskToStop>().empty());
  }
  desk.pass(9999ms);
  EXPECT_TRUE(desk.all<AskToStop>().empty());
  desk.pass(1ms);
  ASSERT_EQ(desk.all<AskToStop>().size(), 1U);
  desk.end(1, 1, Error{Code::cancelled, "asked"});
  EXPECT_EQ(desk.all<End>()[0].error, (Error{Code::no_progress, "the job gave no sign of progress for 10.00 s"}));
}

TEST(PlanWatchdogs, AStopAsksThenSignalsThenKills) {
  Desk desk{{.kill_grace = 2s}};
  desk.submit({.number = 1});
  desk.feed(CancelJob{1});
  EXPECT_EQ(desk.all<AskToStop>().size(), 1U);
  desk.pass(999ms);
  EXPECT_TRUE(desk.all<TerminateWorker>().empty());
  desk.pass(1ms);
  EXPECT_EQ(desk.all<TerminateWorker>().size(), 1U);
  desk.pass(1s);
  EXPECT_EQ(desk.all<KillWorker>().size(), 1U);
}

TEST(PlanWatchdogs, AWorkerThatWasSignalledGetsNoOtherJob) {
  Desk desk{{}};
  desk.submit({.number = 1});
  desk.submit({.number = 2});
  desk.feed(CancelJob{1});
  desk.pass(250ms);
  desk.end(1, 1, Error{Code::cancelled, "asked"});  // it heeds the signal, and will end any moment
  EXPECT_EQ(desk.all<RetireWorker>().size(), 1U);
  EXPECT_EQ(desk.assigned(), Jobs{});
}

TEST(PlanRetries, AFullDiskWaitsTenTimesAsLong) {
  Desk desk{{}};
  desk.submit({.number = 1, .retries = 1, .backoff = 2s});
  desk.end(1, 1, Error{Code::disk_full, "full"});
  ASSERT_EQ(desk.all<AnnounceRetry>().size(), 1U);
  EXPECT_EQ(desk.all<AnnounceRetry>()[0].delay, 15s);  // three quarters of 20 s, with dice that show a half
}

TEST(PlanRetries, AnAttemptAloneThatIsLostWithTheSpawnerIsStillOwedAlone) {
  Desk desk{{}};
  desk.submit({.number = 1, .retries = 5});
  desk.end(1, 1, Error{Code::out_of_memory, "too much"});
  desk.pass(1s);
  EXPECT_EQ(desk.assigned(), (Jobs{1}));
  desk.feed(WorkerGone{.worker = desk.worker(), .reason = {Code::unavailable, "lost"}, .charged = false});
  desk.ready(desk.worker() + 1);
  EXPECT_EQ(desk.assigned(), (Jobs{1}));
  desk.end(1, 3, Error{Code::out_of_memory, "too much"});
  ASSERT_EQ(desk.all<End>().size(), 1U);
  EXPECT_TRUE(desk.all<End>()[0].dead);
  EXPECT_EQ(desk.all<End>()[0].attempts, 2U);
}

TEST(PlanRetries, AJobTakenUpAgainGoesOnWithWhatItHasLeft) {
  Desk desk{{.queue_limit = 0}};
  desk.submit({.number = 1});
  desk.submit({.number = 2, .retries = 2, .past = Past{.attempts = 2}});  // not refused for a full queue
  EXPECT_TRUE(desk.all<End>().empty());
  desk.end(1);
  ASSERT_EQ(desk.all<Assign>().size(), 1U);
  EXPECT_EQ(desk.all<Assign>()[0].attempt, 3U);
  desk.end(2, 3, Error{Code::io, "again"});
  ASSERT_EQ(desk.all<End>().size(), 1U);
  EXPECT_EQ(desk.all<End>()[0].attempts, 3U);
  EXPECT_TRUE(desk.all<End>()[0].dead);
}

TEST(PlanRecycling, AWorkerIsReplacedAfterItsJobs) {
  Desk desk{{.recycle_jobs = 3}};
  for (JobNumber n = 1; n <= 3; ++n) {
    EXPECT_TRUE(desk.all<RetireWorker>().empty());
    desk.submit({.number = n});
    desk.end(n);
  }
  EXPECT_EQ(desk.all<RetireWorker>().size(), 1U);
  desk.feed(WorkerGone{.worker = desk.worker(), .reason = {}});
  EXPECT_EQ(desk.all<SpawnWorker>().size(), 1U);  // the minimum is kept
}

TEST(PlanRecycling, AWorkerThatGrewIsReplacedWhenItIsIdle) {
  Desk desk{{.recycle_growth = 1000}};
  desk.feed(WorkerMemory{desk.worker(), 50'000});
  desk.submit({.number = 1});
  desk.feed(WorkerMemory{desk.worker(), 51'000});
  desk.feed(WorkerMemory{desk.worker(), 51'001});
  EXPECT_TRUE(desk.all<RetireWorker>().empty());  // never a busy one
  desk.end(1);
  EXPECT_EQ(desk.all<RetireWorker>().size(), 1U);
}

TEST(PlanRecycling, AnIdleWorkerThatGrewGoesAtOnce) {
  Desk desk{{.recycle_growth = 1000}};
  desk.feed(WorkerMemory{desk.worker(), 50'000});
  desk.feed(WorkerMemory{desk.worker(), 60'000});
  EXPECT_EQ(desk.all<RetireWorker>().size(), 1U);
}

TEST(PlanRecycling, AgeCountsAfterAJob) {
  Desk desk{{.recycle_age = 1h}};
  desk.pass(2h);
  EXPECT_TRUE(desk.all<RetireWorker>().empty());  // one that rests wears no further
  desk.submit({.number = 1});
  desk.end(1);
  EXPECT_EQ(desk.all<RetireWorker>().size(), 1U);
}

TEST(PlanRecycling, WorkersThatStartedTogetherAreNotWornTogether) {
  double dice = 0;
  Plan plan{{.types = {{.name = "worker", .min = 2}}, .tuning = {.max_workers = 2, .recycle_jobs = 100}},
            [&dice] { return dice = 0.9 - dice; }};
  MonoTime now{1h};
  for (const auto& action : plan.step(Tick{}, now))
    (void)plan.step(WorkerReady{std::get<SpawnWorker>(action).worker}, now);
  std::map<WorkerId, unsigned> done;
  std::map<WorkerId, unsigned> retired_after;
  for (JobNumber n = 1; retired_after.size() < 2 && n < 1000; ++n) {
    for (const auto& action : plan.step(Submit{{.number = n, .operation = "op"}}, now)) {
      const auto* assign = std::get_if<Assign>(&action);
      if (assign == nullptr) continue;
      ++done[assign->worker];
      for (const auto& after : plan.step(AttemptEnded{n, 1, {}}, now))
        if (const auto* retired = std::get_if<RetireWorker>(&after))
          retired_after[retired->worker] = done[retired->worker];
    }
  }
  ASSERT_EQ(retired_after.size(), 2U);
  EXPECT_NE(retired_after.begin()->second, retired_after.rbegin()->second);
  for (const auto& [worker, jobs] : retired_after) EXPECT_TRUE(jobs >= 90 && jobs <= 110) << jobs;
}

TEST(PlanTuning, TakesEffectAtOnce) {
  Desk desk{{}, 4};
  EXPECT_EQ(desk.plan().figures().idle, 4U);
  Tuning tuning{.min_workers = 1, .max_workers = 2};
  desk.feed(Retune{tuning});
  EXPECT_EQ(desk.all<RetireWorker>().size(), 2U);
  EXPECT_EQ(desk.plan().figures().max_workers, 2U);
  EXPECT_EQ(desk.plan().figures().min_workers, 1U);
  desk.submit({.number = 1});
  desk.submit({.number = 2, .priority = Priority::low});
  desk.submit({.number = 3, .priority = Priority::low});
  tuning.strict = true;
  tuning.ageing = 1s;
  desk.feed(Retune{tuning});
  for (JobNumber n = 4; n <= 6; ++n) desk.submit({.number = n, .priority = Priority::high});
  desk.pass(3s);  // the LOW job that waits has become the oldest HIGH one
  desk.end(1);
  EXPECT_EQ(desk.assigned(), (Jobs{3}));
}

}  // namespace
}  // namespace hotwell::pool

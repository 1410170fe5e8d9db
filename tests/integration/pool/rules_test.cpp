// The plan's rules over real processes.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

using testing::HasSubstr;

TEST(PoolRules, AWorkerThatEndsBeforeItIsReadyTellsItsJobsWhy) {
  auto options = frames_options(1);
  options.worker.argv = {"sh", "-c", "echo the licence has expired >&2; exit 3"};
  options.start_failures = 2;
  WorkerPool pool{options};
  const auto end = start(pool, {.operation = "echo"}, {.retries = 1}).get();
  ASSERT_FALSE(end.result);
  EXPECT_EQ(end.result.error().code, Code::unavailable);
  EXPECT_THAT(end.result.error().message, HasSubstr("before it was ready"));
  EXPECT_THAT(end.result.error().message, HasSubstr("the licence has expired"));
  EXPECT_TRUE(end.dead);
  EXPECT_EQ(end.attempts, 2U);
}

TEST(PoolRules, AnAttemptThatShowsNoProgressIsStopped) {
  auto options = frames_options(1);
  options.no_progress = 50ms;
  WorkerPool pool{options};
  const auto end = start(pool, {.operation = "hang"}, {.retries = 0}).get();
  ASSERT_FALSE(end.result);
  EXPECT_EQ(end.result.error().code, Code::no_progress);
  // The next job finds a worker, and may take its time.
  EXPECT_TRUE(start(pool, {.operation = "echo", .payload = "on"}, {.no_progress = 1h}).get().result);
}

TEST(PoolRules, ACommandThatWritesNothingIsStopped) {
  auto options = command_options({"sleep", "600"});
  options.no_progress = 50ms;
  WorkerPool pool{options};
  const auto end = start(pool, {.operation = "hang"}, {.retries = 0}).get();
  ASSERT_FALSE(end.result);
  EXPECT_EQ(end.result.error().code, Code::no_progress);
  EXPECT_THAT(end.result.error().message, HasSubstr("gave no sign of progress"));
}

TEST(PoolRules, WhateverACommandWritesIsASignOfLife) {
  // Each goes on until its time is up, which is much longer than it may be silent.
  const JobOptions patient{.retries = 0, .timeout = 1200ms, .no_progress = 400ms};
  WorkerPool pipes{command_options({"sh", "-c", "{param.script}"})};
  WorkerPool files{command_options({"sh", "-c", "{param.script}", "sh", "{output}"})};
  auto errors = start(pipes, {.operation = "x", .params = {{"script", "while :; do echo x >&2; done"}}}, patient);
  auto output = start(pipes, {.operation = "x", .params = {{"script", "while :; do echo x; done"}}}, patient);
  auto file = start(files, {.operation = "x", .params = {{"script", "while :; do echo x > \"$1\"; done"}}}, patient);
  for (auto* job : {&errors, &output, &file}) EXPECT_EQ(job->get().result.error().code, Code::timeout) << job->id;
}

TEST(PoolRules, WorkersAreReplacedAfterTheirJobs) {
  auto options = frames_options(1);
  options.recycle.jobs = 3;
  WorkerPool pool{options};
  std::set<std::string> workers;
  for (int i = 0; i < 20; ++i) workers.insert(start(pool, {.operation = "noop"}).get().result.value().worker);
  EXPECT_GE(workers.size(), 5U);  // three or four jobs each
  EXPECT_LE(workers.size(), 7U);
}

TEST(PoolRules, AWorkerThatGrewIsReplacedAfterItsJob) {
  auto options = frames_options(1);
  options.recycle = {.jobs = 0, .growth = Bytes{std::uint64_t{32} << 20}, .age = {}};
  WorkerPool pool{options};
  const auto run = [&](Job job) { return start(pool, std::move(job)).get().result.value().worker; };
  const auto first = run({.operation = "noop"});
  EXPECT_EQ(run({.operation = "leak", .payload = "8"}), first);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(run({.operation = "noop"}), first);  // such a growth is nobody's business
  EXPECT_EQ(run({.operation = "leak", .payload = "64"}), first);
  const auto until = std::chrono::steady_clock::now() + hang_limit;
  std::string next = first;  // it is looked at now and then
  while (next == first && std::chrono::steady_clock::now() < until) next = run({.operation = "noop"});
  EXPECT_NE(next, first);
}

TEST(PoolRules, ACrashAmongJobsFedAheadCostsOneAttemptOfOneJob) {
  auto options = frames_options(2);
  options.feed_ahead = 8;
  options.retries = 0;  // whoever is charged without having run ends as crashed
  options.breaker_crashes = 0;
  WorkerPool pool{options};
  EXPECT_TRUE(start(pool, {.operation = "fragile"}).get().result);  // so that it is known to be brief
  std::vector<std::pair<bool, Started>> jobs;
  for (int i = 0; i < 600; ++i) {
    const bool dies = i % 100 == 50;
    jobs.emplace_back(dies, start(pool, {.operation = "fragile", .payload = dies ? "die" : "live"}));
  }
  for (auto& [dies, job] : jobs) {
    const auto end = job.get();
    EXPECT_EQ(end.result.has_value(), !dies) << job.id;
    EXPECT_EQ(end.attempts, 1U);
    EXPECT_EQ(end.result ? Code::internal : end.result.error().code, dies ? Code::crashed : Code::internal);
  }
}

}  // namespace
}  // namespace hotwell::test

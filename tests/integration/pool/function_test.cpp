// Functions on threads: the same queue and rules, without any process.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

TEST(FunctionPool, NeedsNoSpawner) {
  WorkerPool pool{{.max_workers = 2, .spawner = "/no/such/spawner"}};
  auto answer = pool.submit([](std::stop_token) { return 6 * 7; });
  EXPECT_EQ(answer.get().value(), 42);
  pool.submit([](std::stop_token) {}).get().value();
  const auto stats = pool.stats();
  EXPECT_EQ(stats.jobs.completed, 2U);
  EXPECT_EQ(stats.jobs.total, 2U);
}

TEST(FunctionPool, DefaultsFitTheMaximum) {
  WorkerPool plain{{}};
  EXPECT_EQ(plain.stats().workers.max, 8U);
  WorkerPool single{{.max_workers = 1}};
  EXPECT_EQ(single.submit([](std::stop_token) { return 1; }).get().value(), 1);
}

TEST(FunctionPool, AnExceptionIsAnErrorAndNotRetried) {
  WorkerPool pool{{}};
  std::atomic<int> calls{0};
  auto future = pool.submit([&](std::stop_token) -> int {
    ++calls;
    throw std::runtime_error{"no answer"};
  });
  EXPECT_EQ(future.get().error(), (Error{Code::failed, "no answer"}));
  EXPECT_EQ(calls, 1);
}

TEST(FunctionPool, AtMostMaxWorkersRunAtOnce) {
  WorkerPool pool{{.max_workers = 3}};
  std::atomic<int> now{0}, most{0};
  std::vector<std::future<Result<void>>> all;
  for (int i = 0; i < 100; ++i)
    all.push_back(pool.submit([&](std::stop_token) {
      const int running = ++now;
      int seen = most;
      while (seen < running && !most.compare_exchange_weak(seen, running)) {
      }
      std::this_thread::yield();
      --now;
    }));
  for (auto& one : all) EXPECT_TRUE(one.get());
  EXPECT_LE(most, 3);
}

TEST(FunctionPool, AStopTokenReachesTheFunction) {
  WorkerPool pool{PoolOptions{}};
  std::promise<void> running;
  std::stop_source source;
  auto future = pool.submit(
      [&](std::stop_token stop) {
        running.set_value();
        while (!stop.stop_requested()) std::this_thread::yield();
      },
      {.stop = source.get_token()});
  running.get_future().wait();
  source.request_stop();
  EXPECT_EQ(future.get().error().code, Code::cancelled);
}

TEST(FunctionPool, ATimeoutGivesUpOnAFunctionThatGoesOn) {
  std::atomic<bool> let_go{false};
  WorkerPool pool{{.min_workers = 0, .max_workers = 1, .retries = 0, .kill_grace = 20ms}};
  auto future = pool.submit(
      [&](std::stop_token) {
        while (!let_go) std::this_thread::yield();
        return 1;
      },
      {.timeout = 20ms});
  EXPECT_EQ(future.get().error().code, Code::timeout);
  auto next = pool.submit([](std::stop_token) { return 2; });
  EXPECT_EQ(next.wait_for(0s), std::future_status::timeout);  // the only place is still taken
  let_go = true;
  EXPECT_EQ(next.get().value(), 2);
}

TEST(FunctionPool, TheDestructorAsksAndWaits) {
  std::atomic<bool> returned{false};
  std::promise<void> running;
  std::future<Result<void>> future;
  {
    WorkerPool pool{PoolOptions{}};
    future = pool.submit([&](std::stop_token stop) {
      running.set_value();
      while (!stop.stop_requested()) std::this_thread::yield();
      returned = true;
    });
    running.get_future().wait();
  }
  EXPECT_TRUE(returned);
  EXPECT_EQ(future.get().error().code, Code::cancelled);
}

TEST(FunctionPool, RunsBesideProcesses) {
  WorkerPool pool{frames_options(2)};
  auto squared = pool.submit([](std::stop_token) { return 9; });
  EXPECT_EQ(pool.execute({.operation = "echo", .payload = "p"}).value().text(), "p");
  EXPECT_EQ(squared.get().value(), 9);
}

}  // namespace
}  // namespace hotwell::test

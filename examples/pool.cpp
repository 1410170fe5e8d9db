// A worker pool alone: functions on threads, and any program as a worker process.
#include <iostream>

#include <hotwell/pool.hpp>

using namespace std::chrono_literals;

int main() {
  hotwell::WorkerPool pool{{.worker = {.kind = hotwell::WorkerKind::command, .argv = {"seq", "{param.last}"}},
                            .min_workers = 2,
                            .max_workers = 8,
                            .timeout = 5min}};

  auto failed = pool.on<hotwell::JobFailed>(
      [](const hotwell::JobFailed& e) { std::cerr << e.job_id << ": " << e.error.message << '\n'; });

  auto square = pool.submit([](std::stop_token) { return 6 * 7; });  // a function on a thread

  auto result = pool.execute({.operation = "count", .params = {{"last", "3"}}},
                             {.priority = hotwell::Priority::high, .retries = 3, .timeout = 30s});
  if (!result) {
    std::cerr << to_string(result.error()) << '\n';
    return 1;
  }
  std::cout << "the function says " << square.get().value() << '\n';
  std::cout << "the process says\n" << result->text();

  const hotwell::PoolStats stats = pool.stats();
  std::cout << stats.jobs.completed << " of " << stats.jobs.total << " jobs completed\n";

  return pool.drain(30s) ? 0 : 1;
}

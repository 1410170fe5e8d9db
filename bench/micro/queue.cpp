/// What the queue does to those who wait in it: who gets the workers, how soon a dead worker's job is in it again, and
/// what jobs that kill their worker cost the others.
///
///   hotwell-bench-queue WORKER      prints one JSON object; seconds, ratios and jobs per second, medians over the
///   rounds
///
/// `death_to_requeue`: from a worker's last instruction to the word that its job is to be tried again. `low_share`: of
/// worker-seconds while HIGH and LOW both flood. `high`: p50 and p95 from submit to end of HIGH jobs beside a flood of
/// LOW, fair and strict. `poison`: healthy jobs per second alone, and with every hundredth job killing its worker.
/// `true_job`: a job that runs the program `true`, two at a time.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <unistd.h>
#include <boost/json.hpp>
#include <hotwell/pool.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using Numbers = std::vector<double>;

constexpr int rounds = 5;

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }
double since(Clock::time_point began) { return seconds(Clock::now() - began); }

double quantile(Numbers values, double q) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

[[noreturn]] void give_up(std::string_view what) {
  std::cerr << "hotwell-bench-queue: " << what << '\n';
  std::exit(1);
}

/// Waits for so many ends.
class Ends {
 public:
  explicit Ends(int expected) : left_(expected) {}
  void one() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) done_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return left_ <= 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  int left_;
};

hotwell::PoolOptions options_of(const char* worker, unsigned workers) {
  hotwell::PoolOptions options;
  options.worker = {.kind = hotwell::WorkerKind::frames, .argv = {worker}};
  options.min_workers = workers;
  options.max_workers = workers;
  options.queue_limit = 1'000'000;
  return options;
}

hotwell::Job rest(Clock::duration time) { return {.operation = "rest", .payload = std::to_string(time / 1us)}; }
hotwell::Job busy(Clock::duration time) { return {.operation = "busy", .payload = std::to_string(time / 1us)}; }

void warm_up(hotwell::WorkerPool& pool, unsigned workers) {
  Ends ends{static_cast<int>(workers)};
  for (unsigned i = 0; i < workers; ++i)
    pool.start(rest(20ms), {}, [&](const hotwell::JobEnd& end) {
      if (!end.result) give_up(to_string(end.result.error()));
      ends.one();
    });
  ends.wait();
}

Numbers deaths(const char* worker) {
  hotwell::WorkerPool pool{options_of(worker, 2)};
  warm_up(pool, 2);
  Numbers times;
  std::atomic<double> told = 0;
  const auto retrying = pool.on<hotwell::JobRetrying>(
      [&](const hotwell::JobRetrying&) { told = seconds(Clock::now().time_since_epoch()); });
  for (int i = 0; i < 20; ++i) {
    char path[] = "/tmp/hotwell-bench-XXXXXX";
    const int file = ::mkstemp(path);
    if (file < 0) give_up("no temporary file");
    // It dies once: the second time it finds what the first left.
    const auto result = pool.execute({.operation = "die_once", .payload = path}, {.backoff = 0s});
    if (!result) give_up(to_string(result.error()));
    double died = 0;
    if (::pread(file, &died, sizeof died, 0) != sizeof died) give_up("a worker did not say when it died");
    times.push_back(told - died);
    ::close(file);
    ::unlink(path);
  }
  return times;
}

/// LOW's share of the worker-seconds of everything that ended while both classes still waited.
double low_share(const char* worker) {
  constexpr unsigned workers = 8;
  constexpr int high_jobs = 4'000, low_jobs = 2'000;  // of 10 ms: five rounds of the credits
  hotwell::WorkerPool pool{options_of(worker, workers)};
  warm_up(pool, workers);
  double high = 0, low = 0;  // touched on the pool's thread alone
  double high_first = 0, low_first = 0, high_then = 0, low_then = 0;
  Ends ends{high_jobs};
  for (int i = 0; i < std::max(high_jobs, low_jobs); ++i) {
    if (i < low_jobs)
      pool.start(rest(10ms), {.priority = hotwell::Priority::low}, [&](const hotwell::JobEnd& end) {
        if (end.result) low += seconds(end.result->ran);
      });
    if (i < high_jobs)
      pool.start(rest(10ms), {.priority = hotwell::Priority::high}, [&](const hotwell::JobEnd& end) {
        if (!end.result) give_up(to_string(end.result.error()));
        high += seconds(end.result->ran);
        // Three rounds whole, once it is known how long a job takes.
        if (high >= 12 && high_first == 0) high_first = high, low_first = low;
        if (high >= 36 && high_then == 0) high_then = high - high_first, low_then = low - low_first;
        ends.one();
      });
  }
  ends.wait();
  return low_then / (high_then + low_then);
}

/// HIGH one after the other in a steady stream, LOW without end.
boost::json::object high_beside_low(const char* worker, hotwell::Scheduling scheduling) {
  auto options = options_of(worker, 2);
  options.scheduling = scheduling;
  hotwell::WorkerPool pool{options};
  warm_up(pool, 2);
  constexpr int jobs = 400;
  std::atomic<bool> stop = false;
  std::atomic<int> low = 0;
  Numbers times(jobs);
  Ends ends{jobs};
  std::function<void()> flood = [&] {
    ++low;
    pool.start(rest(2ms), {.priority = hotwell::Priority::low}, [&](const hotwell::JobEnd&) {
      --low;
      if (!stop) flood();
    });
  };
  for (int i = 0; i < 50; ++i) flood();
  auto next = Clock::now();
  for (int i = 0; i < jobs; ++i) {
    std::this_thread::sleep_until(next += 5ms);
    pool.start(rest(2ms), {.priority = hotwell::Priority::high},
               [&, i, began = Clock::now()](const hotwell::JobEnd& end) {
                 if (!end.result) give_up(to_string(end.result.error()));
                 times[static_cast<std::size_t>(i)] = since(began);
                 ends.one();
               });
  }
  ends.wait();
  stop = true;
  if (auto drained = pool.drain(10s); !drained) give_up(to_string(drained.error()));
  return {{"p50", quantile(times, 0.5)}, {"p95", quantile(times, 0.95)}};
}

/// Healthy jobs per second; of `every` jobs one kills its worker (0: none does).
double healthy_per_second(hotwell::WorkerPool& pool, int every) {
  constexpr int jobs = 2'000;
  Ends ends{jobs};
  int healthy = 0;
  const auto began = Clock::now();
  for (int i = 0; i < jobs; ++i) {
    const bool poison = every > 0 && i % every == every - 1;
    pool.start(busy(poison ? -1us : 2'000us), {.retries = 0}, [&](const hotwell::JobEnd& end) {
      healthy += end.result ? 1 : 0;
      ends.one();
    });
  }
  ends.wait();
  return healthy / since(began);
}

double true_job(hotwell::WorkerPool& pool) {
  constexpr int jobs = 500;
  Ends ends{jobs};
  const auto began = Clock::now();
  for (int i = 0; i < jobs; ++i)
    pool.start({.operation = "true"}, {}, [&](const hotwell::JobEnd& end) {
      if (!end.result) give_up(to_string(end.result.error()));
      ends.one();
    });
  ends.wait();
  return since(began) / jobs;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) give_up("say which worker to run");
  const char* worker = argv[1];
  const Numbers dead = deaths(worker);
  const double share = low_share(worker);
  Numbers fair, strict, fair_median, strict_median;
  for (int i = 0; i < 3; ++i) {
    const auto one = high_beside_low(worker, hotwell::Scheduling::fair);
    const auto other = high_beside_low(worker, hotwell::Scheduling::strict);
    fair.push_back(one.at("p95").as_double()), fair_median.push_back(one.at("p50").as_double());
    strict.push_back(other.at("p95").as_double()), strict_median.push_back(other.at("p50").as_double());
  }
  Numbers alone, poisoned, trues;
  {
    hotwell::WorkerPool pool{options_of(worker, 2)};
    warm_up(pool, 2);
    for (int i = 0; i < rounds; ++i) {
      alone.push_back(healthy_per_second(pool, 0));
      poisoned.push_back(healthy_per_second(pool, 100));
    }
  }
  {
    hotwell::PoolOptions options;
    options.worker = {.kind = hotwell::WorkerKind::command, .argv = {"true"}};
    options.max_workers = 2;
    hotwell::WorkerPool pool{options};
    for (int i = 0; i < rounds; ++i) trues.push_back(true_job(pool));
  }
  const auto median = [](const Numbers& numbers) { return quantile(numbers, 0.5); };
  const auto high = [&](const Numbers& p50, const Numbers& p95) {
    return boost::json::object{{"p50", median(p50)}, {"p95", median(p95)}};
  };
  std::cout << boost::json::object{{"death_to_requeue",
                                    boost::json::object{{"p50", median(dead)}, {"max", quantile(dead, 1)}}},
                                   {"low_share", share},
                                   {"high", boost::json::object{{"fair", high(fair_median, fair)},
                                                                {"strict", high(strict_median, strict)}}},
                                   {"poison",
                                    boost::json::object{{"alone", median(alone)}, {"with_poison", median(poisoned)}}},
                                   {"true_job", median(trues)}}
            << '\n';
}

/// Durable jobs: accepted when committed, ended when committed, each counted exactly once.
///
///   hotwell-bench-durable WORKER [JOBS]      prints one JSON object
///
/// For every durability: `per_second`, jobs that do nothing through two warm processes of an engine, with a window of
/// them under way, from the first submit to the last end, and `fed_per_second`, the same with pool.feed_ahead at 8;
/// `p50` and `p99` in seconds from submit to end, one at a time; `start_p50` and `start_p99` from submit to the start,
/// at 1,000 jobs a second. Uncached, so that every job runs.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <stdlib.h>
#include <boost/json.hpp>
#include <hotwell/engine.hpp>

namespace {

using Clock = std::chrono::steady_clock;
namespace json = boost::json;

constexpr std::size_t window = 500;
constexpr std::size_t burst = 250;
constexpr std::size_t alone = 1'000;
constexpr std::size_t paced = 2'000;

double since(Clock::time_point began) { return std::chrono::duration<double>(Clock::now() - began).count(); }

[[noreturn]] void give_up(const std::string& what) {
  std::cerr << "hotwell-bench-durable: " << what << '\n';
  std::exit(1);
}

/// Counts ends by job, and lets the submitter wait for room in the window.
class Deliveries {
 public:
  void ended(const hotwell::Result<hotwell::JobRecord>& job) {
    if (!job || job->state != hotwell::JobState::completed) give_up("a job did not complete");
    const std::lock_guard lock(mutex_);
    if (++by_id_[job->id] != 1) give_up("job " + job->id + " ended twice");
    if (job->started_at) starts_.push_back(std::chrono::duration<double>(*job->started_at - job->created_at).count());
    if (by_id_.size() >= wanted_) changed_.notify_one();
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    wanted_ = count;
    changed_.wait(lock, [&] { return by_id_.size() >= count; });
  }
  /// Seconds from submit to start, the shortest first. Call it when all have ended.
  [[nodiscard]] std::vector<double> starts() {
    std::ranges::sort(starts_);
    return starts_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::string, int> by_id_;
  std::size_t wanted_ = 0;
  std::vector<double> starts_;
};

void submit(hotwell::Engine& engine, hotwell::Durability durability, Deliveries& deliveries) {
  engine.submit({.operation = "noop", .durability = durability}, [&](hotwell::Result<hotwell::JobRecord> accepted) {
    if (!accepted) give_up(hotwell::to_string(accepted.error()));
    engine.wait(accepted->id, std::chrono::hours{1},
                [&](hotwell::Result<hotwell::JobRecord> job) { deliveries.ended(job); });
  });
}

double per_second(hotwell::Engine& engine, hotwell::Durability durability, std::size_t jobs, double feed_ahead) {
  if (!engine.knobs().set("pool.feed_ahead", feed_ahead, "bench", "measured")) give_up("no such knob");
  Deliveries many;
  const auto began = Clock::now();
  for (std::size_t i = 0; i < jobs; ++i) {
    if (i >= window && i % burst == 0) many.wait_for(i - window + burst);
    submit(engine, durability, many);
  }
  many.wait_for(jobs);
  return static_cast<double>(jobs) / since(began);
}

json::object measure(hotwell::Engine& engine, hotwell::Durability durability, std::size_t jobs) {
  const double fed = per_second(engine, durability, jobs, 8);
  const double single = per_second(engine, durability, jobs, 1);

  std::vector<double> each;
  for (std::size_t i = 0; i < alone; ++i) {
    const auto start = Clock::now();
    Deliveries one;
    submit(engine, durability, one);
    one.wait_for(1);
    each.push_back(since(start));
  }
  std::ranges::sort(each);

  Deliveries steady;
  auto next = Clock::now();
  for (std::size_t i = 0; i < paced; ++i) {
    std::this_thread::sleep_until(next += std::chrono::milliseconds{1});
    submit(engine, durability, steady);
  }
  steady.wait_for(paced);
  const auto starts = steady.starts();
  if (starts.size() != paced) give_up("a job ended that was never started");
  return {{"per_second", single},          {"fed_per_second", fed},          {"p50", each[alone / 2]},
          {"p99", each[alone * 99 / 100]}, {"start_p50", starts[paced / 2]}, {"start_p99", starts[paced * 99 / 100]}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) give_up("which worker?");
  const std::size_t jobs = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 20'000;
  std::string folder = (std::filesystem::temp_directory_path() / "hotwell-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) give_up("no temporary directory");
  json::object results;
  {
    hotwell::Config config;
    config.data_dir = folder;
    config.media = false;
    config.monitor.enabled = false;
    config.server.result_hold = std::chrono::milliseconds{1};
    config.pool.max_workers = 2;
    hotwell::OperationConfig noop{.name = "noop", .kind = hotwell::WorkerKind::frames, .argv = {argv[1]}};
    noop.cache = false;
    noop.inline_result = true;
    noop.min_workers = 2;
    config.operations.push_back(std::move(noop));
    hotwell::Engine engine{config};
    for (const auto durability :
         {hotwell::Durability::memory, hotwell::Durability::process, hotwell::Durability::power})
      results[hotwell::to_string(durability)] = measure(engine, durability, jobs);
  }
  std::filesystem::remove_all(folder);
  std::cout << json::serialize(results) << '\n';
}

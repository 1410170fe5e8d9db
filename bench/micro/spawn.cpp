/// What a new worker costs: the round trip of a job that does nothing to a process made for it, by exec and forked from
/// a template, from a small process and from one with 2 GiB resident. Rounds of all alternate in one run.
///
///   hotwell-bench-spawn WORKER      prints one JSON object; times in nanoseconds, medians over the rounds
#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <memory>
#include <string_view>
#include <vector>

#include <boost/json.hpp>
#include <hotwell/pool.hpp>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int rounds = 5;
constexpr int spawns = 60;
constexpr std::size_t resident = std::size_t{2} << 30;

[[noreturn]] void give_up(std::string_view what) {
  std::cerr << "hotwell-bench-spawn: " << what << '\n';
  std::exit(1);
}

enum class Made { executed, forked };

hotwell::PoolOptions pool_options(const char* worker, Made made) {
  hotwell::PoolOptions options;
  options.worker = {.kind = hotwell::WorkerKind::frames, .argv = {worker}};
  options.worker.from_template = made == Made::forked;
  options.min_workers = 0;
  options.max_workers = 4;  // the next one need not wait until the last one is gone
  options.reuse_workers = false;
  return options;
}

double quantile(std::vector<double> values, double q) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

/// One way of making workers.
class Case {
 public:
  Case(const char* worker, Made made) : pool_(pool_options(worker, made)) { round(); }

  void measure() {
    const auto times = round();
    p50_.push_back(quantile(times, 0.5));
    p99_.push_back(quantile(times, 0.99));
  }
  [[nodiscard]] boost::json::object json() const {
    return {{"p50", quantile(p50_, 0.5)}, {"p99", quantile(p99_, 0.5)}, {"rounds", p50_.size()}};
  }
  void start_anew() { p50_.clear(), p99_.clear(); }

 private:
  std::vector<double> round() {
    std::vector<double> times;
    for (int i = 0; i < spawns; ++i) {
      const auto began = Clock::now();
      if (const auto result = pool_.execute({.operation = "noop"}); !result) give_up(to_string(result.error()));
      times.push_back(static_cast<double>(std::chrono::nanoseconds(Clock::now() - began).count()));
    }
    return times;
  }

  hotwell::WorkerPool pool_;
  std::vector<double> p50_, p99_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) give_up("say which worker to run");
  Case executed{argv[1], Made::executed};
  Case forked{argv[1], Made::forked};
  boost::json::object results;
  const auto measure = [&](std::string_view engine) {
    for (int i = 0; i < rounds; ++i) {
      executed.measure();
      forked.measure();
    }
    results[engine] = {{"executed", executed.json()}, {"forked", forked.json()}};
    executed.start_anew();
    forked.start_anew();
  };
  measure("small");
  const std::vector<char> ballast(resident, 1);
  measure("2 GiB");
  results["resident"] = ballast.size();
  std::cout << results << '\n';
}

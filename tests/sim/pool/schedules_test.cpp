// Thousands of random lives of a pool: everything that can happen, in any order, against what Plan promises. The
// promises themselves stand in sim::Processes, which throws where one is broken.
//
// HOTWELL_SIM_SCHEDULES says how many; a schedule is one seed, and its failure prints how to run it alone.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "sim/processes.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::pool {
namespace {

using sim::Processes;
using sim::Temper;
using std::chrono::milliseconds;

constexpr std::uint64_t default_schedules = 10'000;
constexpr std::uint64_t parts = 5;  ///< that may run beside each other

std::uint64_t schedules() {
  const char* said = std::getenv("HOTWELL_SIM_SCHEDULES");
  return said != nullptr ? std::strtoull(said, nullptr, 10) : default_schedules;
}

struct Dice {
  std::mt19937_64 random;

  std::uint64_t below(std::uint64_t n) { return random() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  double up_to(double most) { return static_cast<double>(below(1000)) / 1000.0 * most; }
  unsigned number(unsigned least, unsigned most) { return static_cast<unsigned>(least + below(most - least + 1)); }
};

Tuning random_tuning(Dice& dice) {
  Tuning tuning{.max_workers = dice.number(1, 6)};
  if (dice.one_in(5)) tuning.queue_limit = 5;
  if (dice.one_in(3)) tuning.strict = true;
  if (dice.one_in(2)) tuning.ageing = milliseconds{dice.below(3000)};
  if (dice.one_in(2)) tuning.feed_ahead = dice.number(1, 8);
  if (dice.one_in(3)) tuning.retry_share = 0.01 + dice.up_to(0.9);
  if (dice.one_in(4)) tuning.kill_grace = milliseconds{dice.below(500)};
  if (dice.one_in(4)) tuning.idle_after = milliseconds{dice.below(5000)};
  if (dice.one_in(4)) tuning.start_limit = milliseconds{50 + dice.below(100)};
  if (dice.one_in(3)) tuning.start_failures = dice.number(0, 3);
  if (dice.one_in(2)) tuning.breaker_crashes = dice.number(0, 3);
  if (dice.one_in(3)) tuning.recycle_jobs = dice.number(1, 4);
  if (dice.one_in(4)) tuning.recycle_age = milliseconds{dice.below(5000)};
  return tuning;
}

Rules random_rules(Dice& dice) {
  Rules rules{.reuse_workers = !dice.one_in(4), .tuning = random_tuning(dice)};
  const unsigned types = dice.number(1, 3);
  for (unsigned t = 0; t < types; ++t) {
    TypeRules type{.name = "t", .style = dice.one_in(3) ? Style::per_job : Style::warm};
    if (dice.one_in(2)) type.min = dice.number(0, rules.tuning.max_workers);
    if (dice.one_in(3)) type.max = std::max(type.min, 1U);
    rules.types.push_back(type);
  }
  rules.types.push_back({.name = "function", .style = Style::thread});
  return rules;
}

Temper random_temper(Dice& dice) {
  Temper temper{.crash = dice.up_to(0.3),
                .transient = dice.up_to(0.3),
                .full_disk = dice.up_to(0.1),
                .permanent = dice.up_to(0.1),
                .out_of_memory = dice.up_to(0.1),
                .hang = dice.up_to(0.2),
                .deaf = dice.up_to(0.5),
                .bad_start = dice.up_to(0.3),
                .slow_sink = dice.up_to(0.5),
                .silent = dice.up_to(0.3),
                .untold = dice.up_to(0.5),
                .leaks = dice.up_to(0.3),
                .window = dice.number(1, 8)};
  if (dice.one_in(2)) {  // brief jobs, which are fed ahead
    temper.longest_run = std::chrono::microseconds{800};
    temper.hang /= 10;
    temper.crash /= 2;
  }
  return temper;
}

PlannedJob random_job(Dice& dice, JobNumber number, const Processes& world, std::size_t types) {
  PlannedJob job{.number = number,
                 .type = static_cast<TypeIndex>(dice.below(types)),
                 .operation = dice.one_in(2) ? "a" : "b",
                 .priority = static_cast<Priority>(dice.below(3)),
                 .retries = dice.number(0, 4),
                 .timeout = milliseconds{100 + dice.below(3000)},
                 .affinity = dice.below(4)};
  if (dice.one_in(5)) job.deadline = world.now() + milliseconds{dice.below(5000)};
  if (dice.one_in(2)) job.tenant = dice.one_in(2) ? "one" : "two";
  if (dice.one_in(3)) job.no_progress = milliseconds{100 + dice.below(1000)};
  if (dice.one_in(10)) job.past = Past{.attempts = dice.number(0, 3), .crashes = dice.number(0, 1)};
  return job;
}

void disturb(Dice& dice, Processes& world, JobNumber jobs, bool& up) {
  switch (dice.below(8)) {
    case 0: return world.advance(Duration{static_cast<std::int64_t>(dice.below(3'000'000'000))});
    case 1: return world.advance(Duration{static_cast<std::int64_t>(dice.below(2'000'000))});
    case 2: return world.feed(CancelJob{1 + dice.below(jobs)});
    case 3: return world.feed(RaiseJob{1 + dice.below(jobs), static_cast<Priority>(dice.below(3))});
    case 4:
      if (const auto living = world.processes(); !living.empty() && dice.one_in(2))
        world.lose(living[dice.below(living.size())], true);
      return;
    case 5:
      if (!dice.one_in(4)) return;
      up = !up;
      world.feed(SpawnerState{up});
      if (!up)
        for (const auto id : world.processes()) world.lose(id, false);
      return;
    case 6:
      if (dice.one_in(4)) world.feed(Retune{random_tuning(dice)});
      return;
    default: return world.feed(Tick{});
  }
}

void live(std::uint64_t seed) {
  Dice dice{std::mt19937_64{seed}};
  const Rules rules = random_rules(dice);
  Processes world{rules, dice.random(), random_temper(dice)};
  const JobNumber jobs = 1 + dice.below(30);
  const bool hurried = dice.one_in(2);
  JobNumber submitted = 0;
  bool up = true;
  while (submitted < jobs) {
    if (dice.one_in(hurried ? 8 : 2)) {
      disturb(dice, world, jobs, up);
    } else {
      world.feed(Submit{random_job(dice, submitted + 1, world, rules.types.size())});
      ++submitted;
    }
  }
  world.feed(SpawnerState{true});
  world.feed(Retune{{.max_workers = 6}});
  if (dice.one_in(2)) {
    world.feed(DrainRequest{milliseconds{dice.below(5000)}});
    world.run();
    if (!world.drained()) throw std::logic_error("it never came to rest");
  } else {
    world.run();
  }
  if (world.ends().size() != jobs)
    throw std::logic_error(fmt::format("{} of {} jobs ended", world.ends().size(), jobs));
  const auto& f = world.plan().figures();
  std::size_t refused = 0;
  for (const auto& [number, end] : world.ends()) refused += end.refused;
  if (f.completed + f.failed + f.cancelled != f.accepted || f.accepted + refused != jobs)
    throw std::logic_error("the figures do not add up");
  if (f.pending != std::array<std::uint64_t, 3>{} || f.busy != 0) throw std::logic_error("something is left behind");
}

class PoolSchedules : public testing::TestWithParam<std::uint64_t> {};

TEST_P(PoolSchedules, KeepThePlansPromises) {
  for (std::uint64_t i = GetParam(); i < schedules(); i += parts) {
    const auto seed = test::seed() + i;
    try {
      live(seed);
    } catch (const std::exception& e) {
      FAIL() << e.what() << "\nagain: HOTWELL_TEST_SEED=" << seed
             << " HOTWELL_SIM_SCHEDULES=1 hotwell_pool_sim_test --gtest_filter=*PoolSchedules*/0";
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Part, PoolSchedules, testing::Range<std::uint64_t>(0, parts));

}  // namespace
}  // namespace hotwell::pool

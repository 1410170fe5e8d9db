// Random histories of the disk tier against an oracle, over a disk that stops at any write or sync: the process dies
// (what the kernel has, stays), the machine dies (what was not synced may be lost, sector by sector), bits flip, the
// disk is full, calls fail. Whatever happened, at the next start:
// - no value is served that the key did not have at or after its last durable state: never wrong bytes;
// - a deletion that was durable when it was acknowledged stays: after a process's death every one, after the machine's
//   every one before the last sync();
// - where nothing had to be evicted and no bit flipped, everything durable is there.
#include <fstream>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "cache/disk/disk_tier.hpp"
#include "sim/disk.hpp"
#include "tests/crash/cache/points.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::cache {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;

constexpr WallTime start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

enum class Death { process, power };

struct Scenario {
  Death death = Death::process;
  bool flips = false;
  bool tight = false;   ///< so small that regions are evicted all the time
  bool errors = false;  ///< calls fail and the disk fills up before it stops
};

struct Tally {
  std::uint64_t points = 0;
  std::uint64_t expected = 0;  ///< entries that were durable
  std::uint64_t found = 0;     ///< of these
};

class Life {
 public:
  Life(std::uint64_t seed, Scenario scenario) : random_(seed), scenario_(scenario), disk_({}, seed) {}

  void run(Tally& tally) {
    open();
    if (::testing::Test::HasFatalFailure()) return;
    const auto operations = 20 + random_() % 150;
    disk_.set_faults_after(random_() % 60, {.crash_at_step = disk_.steps() + 60 + random_() % (operations * 2),
                                            .capacity = scenario_.errors ? 100000 + random_() % 300000 : UINT64_MAX,
                                            .io_error = scenario_.errors ? 0.05 : 0,
                                            .torn_write = random_() % 2 == 0});
    for (std::uint64_t i = 0; i < operations && !disk_.crashed(); ++i) step();
    tier_.reset();
    disk_.heal();
    if (scenario_.death == Death::power) disk_.lose_power(directory_.path());
    if (scenario_.flips) flip_bits();
    check(tally);
    // A second start finds what the first one left: what that one killed stays dead.
    tier_.reset();
    check(tally);
    ++tally.points;
  }

 private:
  using Value = std::optional<std::string>;

  void open() {
    auto opened = DiskTier::open(
        disk_, {.directory = directory_.path(), .limit = scenario_.tight ? 512_KiB : 8_MiB, .region_size = 64 << 10},
        start);
    ASSERT_TRUE(opened) << to_string(opened.error());
    tier_ = std::move(*opened);
  }

  void step() {
    const auto key = "key" + std::to_string(random_() % 40);
    auto& states = states_.try_emplace(key, std::vector<Value>{std::nullopt}).first->second;
    Removals removed;
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2: settle(states, tier_->erase(key, start, removed).has_value(), std::nullopt); break;
      case 3: {
        auto found = tier_->find(key, start, {}, removed);
        if (found) see(key, states, *found);
        break;
      }
      case 4:
        // The entry is written anew: until it is synced, a loss of power may take it.
        if (scenario_.death == Death::power && !states.empty()) states.push_back(states.back());
        (void)tier_->touch(key, start, start + 2h);
        break;
      case 5: tier_->sweep(start, removed); break;
      case 6:
        if (tier_->sync() && scenario_.death == Death::power)
          for (auto& [name, all] : states_) all.erase(all.begin(), all.end() - 1);
        break;
      default: {
        auto value = key + " " + std::to_string(++values_) + " ";
        value.resize(value.size() + (random_() % 4 == 0 ? random_() % 30000 : random_() % 600),
                     static_cast<char>('a' + values_ % 26));
        settle(states,
               tier_
                   ->put({.key = key, .generation = values_, .created = start, .expires = start + 1h},
                         Buffer::copy_of(value), removed)
                   .has_value(),
               value);
      }
    }
    for (const auto& one : removed)
      if (one.cause == Cause::capacity) forgotten_.insert(one.key);
  }

  /// The states that a key may be found in: the last one is what is there now. A process that dies leaves the last
  /// acknowledged one, or that of an operation which never came to its end.
  void settle(std::vector<Value>& states, bool acknowledged, Value value) {
    // What the tier says after its disk has stopped, a process that stopped with it would not have said.
    if (acknowledged && !disk_.crashed()) {
      if (scenario_.death == Death::process) states.clear();
      states.push_back(std::move(value));
    } else {
      // It may have happened; what is there now is still the state before.
      states.insert(states.end() - 1, std::move(value));
    }
  }

  void see(const std::string& key, const std::vector<Value>& states, const std::optional<Found>& found) {
    const auto value = found ? Value(std::string(found->object.bytes().text())) : Value();
    // A replacement that was not synced may take what it replaced with it.
    const bool replaced = scenario_.death == Death::power && states.size() > 1;
    const bool lost =
        !value && (replaced || scenario_.tight || scenario_.errors || scenario_.flips || forgotten_.contains(key));
    EXPECT_TRUE(lost || std::find(states.begin(), states.end(), value) != states.end())
        << key << " answers with " << (value ? value->substr(0, 20) : "nothing");
  }

  void flip_bits() {
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      if (entry.file_size() == 0) continue;  // a loss of power cut it off
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      for (int i = 0; i < 3; ++i) {
        const auto at = static_cast<std::streamoff>(random_() % entry.file_size());
        file.seekg(at);
        const auto was = file.get();
        file.seekp(at);
        file.put(static_cast<char>(was ^ (1 << random_() % 8)));
      }
    }
  }

  void check(Tally& tally) {
    open();
    if (::testing::Test::HasFatalFailure()) return;
    EXPECT_LE(tier_->space(), (scenario_.tight ? 512_KiB : 8_MiB).count);
    Removals removed;
    for (auto& [key, states] : states_) {
      auto found = tier_->find(key, start, {.count = Count::no}, removed);
      ASSERT_TRUE(found) << to_string(found.error());
      see(key, states, *found);
      const bool durable = states.size() == 1 && states[0];
      if (scenario_.tight || scenario_.errors || !durable) continue;
      ++tally.expected;
      if (*found) ++tally.found;
    }
  }

  std::mt19937_64 random_;
  const Scenario scenario_;
  test::TempDir directory_;
  sim::LossyDisk disk_;
  std::unique_ptr<DiskTier> tier_;
  std::map<std::string, std::vector<Value>> states_;
  std::set<std::string> forgotten_;
  std::uint64_t values_ = 0;
};

void run_points(const std::vector<Scenario>& scenarios, double least) {
  std::mt19937_64 seeds(test::seed());
  Tally tally;
  const auto points = test::crash_points(60, 4);
  for (std::uint64_t i = 0; i < points; ++i) {
    const auto seed = seeds();
    SCOPED_TRACE("point " + std::to_string(i) + " of seed " + std::to_string(seed));
    Life(seed, scenarios[i % scenarios.size()]).run(tally);
    if (::testing::Test::HasFailure()) return;
  }
  std::printf("%llu points, %llu of %llu durable entries back\n", static_cast<unsigned long long>(tally.points),
              static_cast<unsigned long long>(tally.found), static_cast<unsigned long long>(tally.expected));
  EXPECT_GE(static_cast<double>(tally.found), least * static_cast<double>(tally.expected));
}

TEST(DiskCrash, ADyingProcessLosesNothingThatWasAcknowledged) {
  run_points({{.death = Death::process}, {.death = Death::process, .tight = true}}, 1);
}

TEST(DiskCrash, ADyingMachineLosesNothingThatWasSynced) {
  run_points({{.death = Death::power}, {.death = Death::power, .tight = true}}, 1);
}

TEST(DiskCrash, FlippedBitsAreNeverServedAndCostOnlyWhatTheyHit) {
  run_points({{.death = Death::process, .flips = true},
              {.death = Death::power, .flips = true},
              {.death = Death::process, .flips = true, .tight = true}},
             0.75);  // three flips a region of a few dozen entries, the largest of which are half of it
}

TEST(DiskCrash, FailingCallsAndAFullDiskBeforeTheEnd) {
  run_points({{.death = Death::process, .errors = true},
              {.death = Death::power, .errors = true},
              {.death = Death::process, .tight = true, .errors = true}},
             0);
}

}  // namespace
}  // namespace hotwell::cache

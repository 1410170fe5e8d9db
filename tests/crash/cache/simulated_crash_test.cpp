// Random histories against an oracle, over a disk that stops at any step. Whatever happens, a look-up answers with a
// value that the key may have: the last acknowledged one, or that of an operation which never came to its end.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "cache/tiered_cache.hpp"
#include "sim/clock.hpp"
#include "sim/disk.hpp"
#include "tests/crash/cache/points.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

using namespace hotwell::literals;

/// What a key may answer: the absent value is nullopt. One element after an acknowledged operation, more after an
/// operation that failed or was cut off.
using Possible = std::set<std::optional<std::string>>;

class History {
 public:
  History(std::uint64_t seed, std::filesystem::path directory) : random_(seed), directory_(std::move(directory)) {}

  /// One life of a process: opens, does `operations` things, stops.
  void live(sim::LossyDisk& disk, int operations) {
    auto opened = Cache::Impl::open({.directory = directory_,
                                     .memory_limit = 64_KiB,
                                     .disk_limit = 64_MiB,
                                     .promote_after = 1,
                                     .stream_over = 100_KiB},
                                    {clock_, disk, {}});
    if (!opened) {
      EXPECT_TRUE(disk.crashed()) << to_string(opened.error());
      return;
    }
    cache_ = std::move(*opened);
    for (int i = 0; i < operations && !disk.crashed(); ++i) step();
    cache_.reset();
  }

  /// From here on the cache may have to drop objects: the disk fills up.
  void may_forget() { may_forget_ = true; }

  /// Opens once more on a good disk and looks at everything.
  void check() {
    sim::LossyDisk good({}, 0);
    {
      const auto first = Cache::Impl::open({.directory = directory_, .disk_limit = 64_MiB}, {clock_, good, {}});
      ASSERT_TRUE(first) << to_string(first.error());
      EXPECT_EQ((*first)->recovery().damaged, 0U) << "what a dying process leaves is whole or no object";
    }
    auto opened = Cache::Impl::open({.directory = directory_, .disk_limit = 64_MiB}, {clock_, good, {}});
    ASSERT_TRUE(opened) << to_string(opened.error());
    EXPECT_EQ((*opened)->recovery().left_overs, 0U) << "the start before had removed them";
    for (auto& [key, possible] : oracle_) {
      auto found = (*opened)->get(key);
      ASSERT_TRUE(found);
      const auto value = *found ? std::optional(std::string((*found)->bytes().text())) : std::nullopt;
      observe(key, possible, value);
    }
  }

 private:
  std::string make_value() {
    std::string value = std::to_string(++values_) + ":";
    const auto size = random_() % 3 == 0 ? random_() % 200000 : random_() % 300;
    value.resize(value.size() + size, static_cast<char>('a' + values_ % 26));
    return value;
  }

  void observe(const std::string& key, Possible& possible, const std::optional<std::string>& value) {
    EXPECT_TRUE(possible.contains(value) || (may_forget_ && !value))
        << key << " answers with " << (value ? value->substr(0, 20) : "nothing");
    // What failed may show and hide again, until an operation on the key succeeds.
    if (!doubtful_.contains(key)) possible = {value};
  }

  void step() {
    const auto key = "key" + std::to_string(random_() % 5);
    auto& possible = oracle_.try_emplace(key, Possible{std::nullopt}).first->second;
    const auto settle = [&](bool acknowledged, std::optional<std::string> value) {
      if (acknowledged) {
        possible.clear();
        doubtful_.erase(key);
      } else {
        doubtful_.insert(key);
      }
      possible.insert(std::move(value));
    };
    switch (random_() % 8) {
      case 0:
      case 1: {
        auto value = make_value();
        settle(cache_->set(key, value, {}).has_value(), value);
        break;
      }
      case 2: settle(cache_->erase(key).has_value(), std::nullopt); break;
      case 3: {
        auto value = make_value();
        auto writer = cache_->begin(key, {});
        if (!writer) break;
        const auto half = value.size() / 2;
        if (!(*writer)->write(std::string_view(value).substr(0, half))) break;
        if (random_() % 4 == 0) break;  // given up half-way
        if (!(*writer)->write(std::string_view(value).substr(half))) break;
        settle((*writer)->seal(value.size()).has_value(), value);
        break;
      }
      case 4: (void)cache_->touch(key, std::chrono::hours{5}); break;
      default: {
        const auto found = cache_->get(key);
        ASSERT_TRUE(found) << to_string(found.error());
        const auto value = *found ? std::optional(std::string((*found)->bytes().text())) : std::nullopt;
        observe(key, possible, value);
        break;
      }
    }
  }

  std::mt19937_64 random_;
  std::filesystem::path directory_;
  sim::FakeClock clock_;
  std::unique_ptr<Cache::Impl> cache_;
  std::map<std::string, Possible> oracle_;
  std::set<std::string> doubtful_;
  std::uint64_t values_ = 0;
  bool may_forget_ = false;
};

TEST(SimulatedCrash, AtEveryStepOfOneHistory) {
  std::uint64_t steps = UINT64_MAX;
  for (std::uint64_t at = 0; at <= steps; ++at) {
    SCOPED_TRACE("crash at step " + std::to_string(at));
    test::TempDir directory;
    History history(7, directory.path() / "cache");
    sim::LossyDisk disk({.crash_at_step = at, .torn_write = at % 2 == 0}, at);
    history.live(disk, 16);
    if (!disk.crashed()) steps = 0;
    history.check();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

TEST(SimulatedCrash, ManyLivesOneAfterTheOther) {
  std::mt19937_64 random(test::seed());
  const auto rounds = test::crash_points(6, 8);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    test::TempDir directory;
    History history(random(), directory.path() / "cache");
    for (int life = 0; life < 8; ++life) {
      sim::LossyDisk disk({.crash_at_step = random() % 200, .torn_write = true}, random());
      history.live(disk, 60);
      history.check();
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }
}

TEST(SimulatedCrash, ErrorsAndAFullDiskInBetween) {
  std::mt19937_64 random(test::seed());
  for (int round = 0; round < 10; ++round) {
    test::TempDir directory;
    History history(random(), directory.path() / "cache");
    sim::LossyDisk first({}, 0);
    history.live(first, 10);
    history.may_forget();
    for (int life = 0; life < 4; ++life) {
      sim::LossyDisk disk({}, random());
      // The start must succeed: faults come after it.
      disk.set_faults_after(40, {.capacity = random() % 1000000, .io_error = 0.1});
      history.live(disk, 60);
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
  }
}

// A small object lives in the disk tier, a large one in the stream tier: a replacement by the other kind may be there
// and fail to remove what it replaced.
TEST(SimulatedCrash, AfterAFailedReplacementAStartFindsWhatWasFoundBefore) {
  const std::string small(100, 's');
  const std::string large(200'000, 'l');
  for (const auto& [first, second] : {std::pair{small, large}, std::pair{large, small}}) {
    bool replaced = false;
    for (std::uint64_t steps = 0; !replaced; ++steps) {
      SCOPED_TRACE("failing from step " + std::to_string(steps) + " on");
      test::TempDir directory;
      sim::FakeClock clock;
      sim::LossyDisk disk({}, 0);
      const auto open = [&] {
        auto cache =
            Cache::Impl::open({.directory = directory.path() / "cache", .stream_over = 100_KiB}, {clock, disk, {}});
        EXPECT_TRUE(cache);
        return std::move(*cache);
      };
      const auto value = [](Cache::Impl& cache) {
        const auto found = cache.get("key");
        return found && *found ? std::string((*found)->bytes().text()) : std::string();
      };
      auto cache = open();
      ASSERT_TRUE(cache->set("key", first, {}));
      disk.set_faults_after(steps, {.io_error = 1});
      replaced = cache->set("key", second, {}).has_value();
      disk.heal();
      const auto before = value(*cache);
      EXPECT_TRUE(before == second || (!replaced && before == first));
      cache.reset();
      EXPECT_TRUE(value(*open()) == before) << "found before: " << before.substr(0, 1);
      if (HasFailure()) return;
    }
  }
}

TEST(PowerLoss, NeverServesBytesThatWereNotStored) {
  std::mt19937_64 random(test::seed());
  sim::FakeClock clock;
  for (int round = 0; round < 10; ++round) {
    test::TempDir directory;
    const auto value_of = [](int i) {
      return std::to_string(i) + std::string(static_cast<std::size_t>(i) * 9000, 'v');
    };
    sim::LossyDisk disk({}, random());
    {
      auto cache = Cache::Impl::open({.directory = directory.path()}, {clock, disk, {}});
      ASSERT_TRUE(cache);
      for (int i = 0; i < 30; ++i) ASSERT_TRUE((*cache)->set("key" + std::to_string(i), value_of(i), {}));
    }
    disk.lose_power(directory.path());
    auto cache = Cache::Impl::open({.directory = directory.path()}, {clock, disk, {}});
    ASSERT_TRUE(cache) << to_string(cache.error());
    for (int i = 0; i < 30; ++i) {
      const auto object = (*cache)->get("key" + std::to_string(i));
      ASSERT_TRUE(object);
      EXPECT_TRUE(!*object || (*object)->bytes().text() == value_of(i));
    }
  }
}

}  // namespace
}  // namespace hotwell

// The disk tier's index against a map, and what it costs.
#include "cache/disk/index.hpp"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "cache/disk/eviction.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::cache {
namespace {

using namespace std::chrono_literals;

TEST(DiskIndex, DoesWhatAMapWouldDo) {
  std::mt19937_64 random(test::seed());
  DiskIndex index;
  std::map<Place, std::pair<std::uint64_t, unsigned>> model;
  for (int i = 0; i < 30000; ++i) {
    // Few hashes, so that their cells collide and wrap around.
    const auto hash = (random() % 2000) << 20 | random() % 2;
    const auto place = 1 + random() % 4000;
    const auto known = model.find(place);
    switch (random() % 6) {
      case 0:
      case 1:
        if (known != model.end()) break;
        if (index.insert(hash, {place, 2})) model[place] = {hash, 0};
        break;
      case 2:
        if (known == model.end()) break;
        index.erase(known->second.first, place);
        model.erase(known);
        break;
      case 3: {
        const auto to = 1 + random() % 4000;
        if (known == model.end() || model.contains(to)) break;
        index.move(known->second.first, place, {to, 3}, 3);
        model[to] = {known->second.first, 3};
        model.erase(place);
        break;
      }
      case 4:
        if (known != model.end()) {
          EXPECT_EQ(index.hit(known->second.first, place), ++known->second.second);
        }
        break;
      default:
        EXPECT_EQ(index.contains(hash, place), known != model.end() && known->second.first == hash);
        if (random() % 2000 == 0) {
          index.age();
          for (auto& [where, one] : model) one.second /= 2;
        }
    }
  }
  EXPECT_EQ(index.size(), model.size());
  for (const auto& [place, one] : model) {
    const auto where = place;
    EXPECT_TRUE(index.contains(one.first, place));
    EXPECT_EQ(index.hits(one.first, place), one.second);
    const auto found = index.find(one.first);
    EXPECT_NE(std::find_if(found.begin(), found.end(), [&](const auto& entry) { return entry.place == where; }),
              found.end());
  }
  const auto below = static_cast<std::uint64_t>(std::distance(model.begin(), model.lower_bound(2000)));
  EXPECT_EQ(index.erase_between(1, 2000), below);
  EXPECT_EQ(index.size(), model.size() - below);
}

TEST(DiskIndex, CountsMoreHitsThanACellHolds) {
  DiskIndex index;
  ASSERT_TRUE(index.insert(5, {9, 2}));
  for (unsigned i = 1; i <= 100; ++i) EXPECT_EQ(index.hit(5, 9), i);
  index.age();
  EXPECT_EQ(index.hits(5, 9), 50U);
  index.move(5, 9, {10, 2}, index.hits(5, 9));
  EXPECT_EQ(index.hit(5, 10), 51U);
  index.forget_hits(5, 10);
  EXPECT_EQ(index.hit(5, 10), 1U);
  EXPECT_EQ(index.hit(5, 9), 0U) << "nothing is there";
}

TEST(DiskIndex, CostsAtMostTwelveBytesAnEntry) {
  std::mt19937_64 random(test::seed());
  DiskIndex index;
  for (std::uint64_t place = 1; place <= 300000; ++place) {
    ASSERT_TRUE(index.insert(random(), {place, 2}));
    if (place > 100000 && place % 1000 == 0) {
      ASSERT_LE(index.memory(), place * 12) << place;
    }
  }
}

TEST(DiskIndex, ManyKeysWithOneHashAreRefusedNotLost) {
  DiskIndex index;
  for (Place place = 1; place <= DiskIndex::most_candidates; ++place) ASSERT_TRUE(index.insert(77, {place, 2}));
  EXPECT_FALSE(index.insert(77, {100, 2}));
  EXPECT_EQ(index.find(77).count, DiskIndex::most_candidates);
}

TEST(DiskIndex, KnowsHowLongAnEntryIsAtMost) {
  DiskIndex index;
  for (std::uint64_t units = 2; units < 2000; ++units) {
    ASSERT_TRUE(index.insert(units << 20, {units, units}));
    const auto most = index.find(units << 20).begin()->most_units;
    if (units > 1028)
      EXPECT_EQ(most, 0U) << units;
    else
      EXPECT_TRUE(most >= units && most <= std::max<std::uint64_t>(20, 2 * units)) << units << " of " << most;
  }
}

constexpr WallTime eviction_time{100s};

TEST(DiskEviction, TheExpiredGoFirstThenTheMostlyDeadThenTheLeastWorth) {
  std::vector<RegionFigures> regions{
      {.id = 1, .live_bytes = 1000, .stored_bytes = 1000, .hits = 50, .latest_expiry = eviction_time + 1s},
      {.id = 2, .live_bytes = 100, .stored_bytes = 1000, .hits = 50, .latest_expiry = eviction_time + 1s},
      {.id = 3, .live_bytes = 1000, .stored_bytes = 1000, .hits = 500, .latest_expiry = eviction_time},
      {.id = 4, .live_bytes = 1000, .stored_bytes = 1000, .hits = 1, .latest_expiry = eviction_time + 1s},
      {.id = 5, .live_bytes = 1000, .stored_bytes = 1000, .hits = 0, .latest_expiry = eviction_time + 1s}};
  EXPECT_EQ(choose_victim(regions, 5, eviction_time), 2U);
  regions.erase(regions.begin() + 2);
  EXPECT_EQ(choose_victim(regions, 5, eviction_time), 1U);
  regions.erase(regions.begin() + 1);
  EXPECT_EQ(choose_victim(regions, 25, eviction_time), 2U);
  // The youngest was asked for by nobody, and yet it had no time to be: the older one's single hit is worth less.
  regions[1].id = 1;
  EXPECT_EQ(choose_victim(regions, 5, eviction_time), 1U);
  EXPECT_EQ(choose_victim({}, 5, eviction_time), std::nullopt);
}

TEST(DiskEviction, AmongEqualsTheOldestGoes) {
  std::vector<RegionFigures> regions;
  for (std::uint64_t id = 9; id > 0; --id)
    regions.push_back({.id = id, .live_bytes = 10, .stored_bytes = 10, .latest_expiry = eviction_time + 1s});
  EXPECT_EQ(choose_victim(regions, 9, eviction_time), 8U);
}

}  // namespace
}  // namespace hotwell::cache

#include "apps/hotwell/replay/simulation.hpp"

#include <algorithm>
#include <list>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/seed.hpp"

namespace hotwell::replay {
namespace {

using Unit = ReplayCapacity::Unit;

ReplayCounts run(std::string_view policy, ReplayCapacity capacity, const std::vector<TraceRequest>& requests) {
  Simulation simulation(capacity, cache::make_policy(policy).value());
  for (const auto& request : requests) simulation.request(request);
  return simulation.counts();
}

/// LRU and FIFO written down as plainly as they can be.
std::uint64_t misses_of_reference(bool recency, std::uint64_t capacity, const std::vector<TraceRequest>& requests) {
  std::list<TraceRequest> cached;
  std::uint64_t used = 0;
  std::uint64_t misses = 0;
  for (const auto& request : requests) {
    const auto found = std::ranges::find(cached, request.key, &TraceRequest::key);
    if (found != cached.end()) {
      if (recency) cached.splice(cached.begin(), cached, found);
      continue;
    }
    ++misses;
    if (request.size > capacity) continue;
    while (used + request.size > capacity) {
      used -= cached.back().size;
      cached.pop_back();
    }
    cached.push_front(request);
    used += request.size;
  }
  return misses;
}

TEST(Simulation, LruAndFifoDoWhatTheirNamesSay) {
  std::mt19937_64 random(test::seed());
  std::vector<TraceRequest> requests;
  for (int i = 0; i < 20000; ++i) {
    const auto key = std::min(random() % 300, random() % 300);
    requests.push_back({key, 1 + key * 7919 % 97});
  }
  for (const std::uint64_t capacity : {1U, 96U, 500U, 4000U, 20000U}) {
    EXPECT_EQ(run("lru", {capacity, Unit::bytes}, requests).misses, misses_of_reference(true, capacity, requests));
    EXPECT_EQ(run("fifo", {capacity, Unit::bytes}, requests).misses, misses_of_reference(false, capacity, requests));
  }
}

TEST(Simulation, CountsObjectsOrBytes) {
  const std::vector<TraceRequest> requests{{1, 10}, {2, 30}, {1, 10}, {3, 100}};
  const auto objects = run("lru", {2, Unit::objects}, requests);
  EXPECT_EQ(objects.requests, 4U);
  EXPECT_EQ(objects.hits(), 1U);
  EXPECT_DOUBLE_EQ(objects.miss_ratio(), 0.75);
  EXPECT_EQ(objects.miss_bytes, 140U);
  EXPECT_DOUBLE_EQ(objects.byte_miss_ratio(), 140.0 / 150);
  const auto bytes = run("lru", {35, Unit::bytes}, requests);
  EXPECT_EQ(bytes.misses, 4U);
}

TEST(Simulation, NoPolicyKeepsMoreThanItsCapacity) {
  std::mt19937_64 random(test::seed());
  for (const auto* policy : {"default", "wtinylfu", "s3fifo", "sieve", "lru", "fifo"}) {
    // As many objects as fit are all hits the second time; nothing evicts what needs no room.
    Simulation fits({10, Unit::objects}, cache::make_policy(policy).value());
    for (int round = 0; round < 3; ++round)
      for (std::uint64_t key = 0; key < 10; ++key) fits.request({key, 1});
    EXPECT_EQ(fits.counts().misses, 10U) << policy;
    // Objects of 40 in 100: never more than two of three at once.
    Simulation over({100, Unit::bytes}, cache::make_policy(policy).value());
    for (int i = 0; i < 3000; ++i) over.request({random() % 3, 40});
    EXPECT_GT(over.counts().misses, 300U) << policy;
  }
}

TEST(Simulation, WhatIsLargerThanAllNeverComesIn) {
  const auto counts = run("default", {100, Unit::bytes}, {{1, 50}, {2, 101}, {2, 101}, {1, 50}});
  EXPECT_EQ(counts.misses, 3U);
}

TEST(Simulation, ObjectsWithoutBytesTakeNoRoom) {
  for (const auto* policy : {"default", "s3fifo", "sieve", "lru", "fifo"})
    EXPECT_EQ(run(policy, {1, Unit::bytes}, {{1, 0}, {2, 0}, {3, 1}, {1, 0}, {2, 0}, {3, 1}}).misses, 3U) << policy;
}

TEST(ReplayCapacity, ABareNumberCountsObjects) {
  EXPECT_EQ(parse_replay_capacity("4096")->unit, Unit::objects);
  EXPECT_EQ(parse_replay_capacity("4096B")->unit, Unit::bytes);
  EXPECT_EQ(parse_replay_capacity("64MiB")->amount, 64U << 20);
  for (const auto* wrong : {"", "0", "-1", "many", "0B"}) EXPECT_FALSE(parse_replay_capacity(wrong)) << wrong;
}

}  // namespace
}  // namespace hotwell::replay

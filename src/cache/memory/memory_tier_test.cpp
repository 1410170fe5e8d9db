#include "cache/memory/memory_tier.hpp"

#include <atomic>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/allocations.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::cache {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;

constexpr WallTime start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

class MemoryTierTest : public ::testing::Test {
 protected:
  Result<Object> put(std::string key, std::string_view bytes) {
    return tier_.put({.key = std::move(key), .generation = ++generation_, .created = start, .expires = start + 1h},
                     Buffer::copy_of(bytes), removed_);
  }
  [[nodiscard]] std::uint64_t used() const { return tier_.stats().size.count; }

  MemoryTier tier_{1_MiB, make_policy("lru").value()};
  std::uint64_t generation_ = 0;
  Removals removed_;
};

TEST_F(MemoryTierTest, CountsKeyDescriptionAndOverheadNotOnlyTheValue) {
  ASSERT_TRUE(put("k", ""));
  const auto bare = used();
  EXPECT_GT(bare, 100U);
  ASSERT_TRUE(put(std::string(4000, 'k'), ""));
  EXPECT_GE(used() - bare, bare + 4000);
  ASSERT_TRUE(tier_.clear(removed_));

  Details details{.key = "k", .generation = 9, .created = start, .expires = start + 1h};
  details.metadata = {{"name", std::string(1000, 'v')}};
  ASSERT_TRUE(tier_.put(details, {}, removed_));
  EXPECT_GE(used(), bare + 1000);
}

TEST(Regression, OverwritingAKeyLeakedAccountedMemory) {
  MemoryTier tier{1_MiB, make_policy("lru").value()};
  Removals removed;
  const auto put = [&](std::size_t size) {
    static std::uint64_t generation = 0;
    ASSERT_TRUE(tier.put({.key = "key", .generation = ++generation, .created = start, .expires = start + 1h},
                         Buffer::copy_of(std::string(size, 'x')), removed));
  };
  put(1000);
  const auto once = tier.stats().size;
  for (int i = 0; i < 1000; ++i) put(1000);
  EXPECT_EQ(tier.stats().size, once);
  put(10);
  EXPECT_LT(tier.stats().size, once);
}

TEST_F(MemoryTierTest, AnOverwrittenValueThatIsReadIsCountedUntilItIsLetGo) {
  ASSERT_TRUE(put("key", std::string(100000, 'a')));
  std::optional<Buffer> kept = std::get<Buffer>(tier_.try_find("key", start, Count::yes)->body);
  ASSERT_TRUE(put("key", "short"));
  EXPECT_GT(used(), 100000U);
  EXPECT_EQ(kept->size(), 100000U);
  kept.reset();
  EXPECT_LT(used(), 1000U);
}

TEST_F(MemoryTierTest, WhatIsReadIsNotEvictedForNothing) {
  ASSERT_TRUE(put("read", std::string(500000, 'a')));
  const auto held = tier_.try_find("read", start, Count::yes);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(200000, 'b')));
  EXPECT_TRUE(tier_.try_find("read", start, Count::yes));
  EXPECT_LE(used(), (1_MiB).count);
}

TEST_F(MemoryTierTest, AHeldObjectIsCountedButNotFound) {
  auto held = tier_.hold({.generation = 1, .created = start, .expires = start + 1h},
                         Buffer::copy_of(std::string(100000, 'x')), removed_);
  ASSERT_TRUE(held);
  EXPECT_GT(used(), 100000U);
  EXPECT_EQ(tier_.stats().entries, 0U);
  held = Object{};
  EXPECT_EQ(used(), 0U);
}

TEST_F(MemoryTierTest, RoomForDraftsIsMadeByEviction) {
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(100000, 'x')));
  auto charge = tier_.charge();
  ASSERT_TRUE(tier_.reserve(*charge, 500000, removed_));
  EXPECT_LE(used(), (1_MiB).count);
  EXPECT_LT(tier_.stats().entries, 6U);
  EXPECT_EQ(tier_.reserve(*charge, 2 << 20, removed_).error().code, Code::too_large);
  charge.reset();
  EXPECT_LT(used(), 600000U);
}

TEST_F(MemoryTierTest, AHitAllocatesNothing) {
  ASSERT_TRUE(put("key", std::string(1000, 'x')));
  EXPECT_TRUE(tier_.try_find("key", start, Count::yes)) << "the thread's first look-up finds it a place";
  const auto before = test::allocations();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(tier_.try_find("key", start, Count::yes));
    EXPECT_FALSE(tier_.try_find("absent", start, Count::yes));
  }
  EXPECT_EQ(test::allocations(), before);
}

TEST_F(MemoryTierTest, MoreThreadsThanThereArePlacesReadAllTheSame) {
  ASSERT_TRUE(put("key", "bytes"));
  std::atomic<unsigned> found{0};
  std::atomic<unsigned> ready{0};
  constexpr unsigned threads = Readers::most + 8;
  std::vector<std::jthread> running;
  for (unsigned i = 0; i < threads; ++i) {
    running.emplace_back([&] {
      if (tier_.try_find("key", start, Count::yes)) ++found;
      // Keeps its place until all have asked.
      ++ready;
      ready.notify_all();
      for (auto seen = ready.load(); seen < threads; seen = ready.load()) ready.wait(seen);
    });
  }
  running.clear();
  EXPECT_EQ(found, threads);
  EXPECT_EQ(tier_.stats().hits, threads);
}

class EveryPolicyInMemory : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Policies, EveryPolicyInMemory,
                         ::testing::Values("wtinylfu", "s3fifo", "sieve", "lru", "fifo"));

TEST_P(EveryPolicyInMemory, ReadersSeeWholeValuesAndTheCapHoldsWhileWritersReplaceEvictAndErase) {
  constexpr Bytes limit{200000};
  MemoryTier tier{limit, make_policy(GetParam()).value()};
  std::atomic<std::uint64_t> generation{0};
  std::atomic<bool> writing{true};
  std::vector<std::jthread> readers;
  for (unsigned t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      std::mt19937_64 random(test::seed() + t);
      std::optional<Object> kept;
      while (writing) {
        const auto key = std::to_string(random() % 100);
        auto object = tier.try_find(key, start, Count::yes);
        if (!object) continue;
        ASSERT_EQ(object->key, key);
        const auto text = object->bytes().text();
        ASSERT_FALSE(text.empty());
        ASSERT_EQ(text.find_first_not_of(key.back()), std::string_view::npos);
        if (random() % 16 == 0) kept = std::move(object);
      }
    });
  }
  std::mt19937_64 random(test::seed() + 100);
  Removals removed;
  for (int i = 0; i < 5000; ++i) {
    const auto key = std::to_string(random() % 100);
    if (random() % 10 == 0) {
      ASSERT_TRUE(tier.erase(key, start, removed));
    } else {
      (void)tier.put({.key = key, .generation = ++generation, .created = start, .expires = start + 1h},
                     Buffer::copy_of(std::string(1 + random() % 6000, key.back())), removed);
    }
    ASSERT_LE(tier.stats().size, limit);
    removed.clear();
  }
  writing = false;
  readers.clear();
  ASSERT_TRUE(tier.clear(removed));
  EXPECT_EQ(tier.stats().size, 0_B);
}

TEST(EntryTable, FindsWhatIsThereWhileItGrowsAndShrinks) {
  struct Entry {
    std::string key;
    std::uint64_t key_hash = 0;
  };
  std::mt19937_64 random(test::seed());
  // Few different hashes: long runs, many of the same tag.
  std::vector<Entry> entries(3000);
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i] = {std::to_string(i), (i % 97) << 48 | i % 11};
  EntryTable<Entry> table;
  std::vector<bool> there(entries.size());
  std::size_t count = 0;
  for (int step = 0; step < 6000; ++step) {
    const auto i = random() % entries.size();
    if (there[i]) {
      table.erase(entries[i]);
      --count;
    } else {
      (void)table.insert(entries[i]);
      ++count;
    }
    there[i] = !there[i];
    const auto other = random() % entries.size();
    ASSERT_EQ(table.find(entries[other].key, entries[other].key_hash), there[other] ? &entries[other] : nullptr);
  }
  EXPECT_EQ(table.entries(), count);
}

}  // namespace
}  // namespace hotwell::cache

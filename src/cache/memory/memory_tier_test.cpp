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
  constexpr unsigned threads = ThreadPlace::most + 8;
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

TEST_F(MemoryTierTest, WhatIsHeldInManyWaysIsFreedWithTheLast) {
  ASSERT_TRUE(put("key", std::string(100000, 'a')));
  // More than a thread has slots.
  std::vector<Object> held;
  for (int i = 0; i < 40; ++i) held.push_back(*tier_.try_find("key", start, Count::yes));
  Buffer part = std::get<Buffer>(held.front().body).slice(10, 20);
  auto copy = held.back();
  std::jthread([moved = std::move(held)]() mutable { moved.clear(); }).join();
  ASSERT_TRUE(tier_.erase("key", start, removed_));
  EXPECT_GT(used(), 100000U);
  EXPECT_EQ(part.text(), std::string(20, 'a'));
  copy = Object{};
  EXPECT_GT(used(), 100000U);
  part = Buffer{};
  EXPECT_EQ(used(), 0U);
}

TEST(MemoryTier, WhatIsHeldOutlivesTheTier) {
  std::optional<Object> in_slot;
  std::optional<Object> counted;
  {
    MemoryTier tier{1_MiB, make_policy("lru").value()};
    Removals removed;
    for (const char* key : {"a", "b"}) {
      Details details{
          .key = key, .generation = 7, .content_type = "video/mp4", .created = start, .expires = start + 1h};
      details.metadata = {{"name", "value"}};
      ASSERT_TRUE(tier.put(details, Buffer::copy_of(std::string(100000, 'x')), removed));
    }
    in_slot = tier.try_find("a", start, Count::yes);
    const auto found = tier.try_find("b", start, Count::yes);
    counted = *found;
  }
  for (const auto* object : {&*in_slot, &*counted}) {
    EXPECT_EQ(object->bytes().text(), std::string(100000, 'x'));
    EXPECT_EQ(object->content_type, "video/mp4");
    EXPECT_EQ(object->metadata.at("name"), "value");
  }
}

TEST(MemoryTier, WhatOutlivesItIsFreedWithItsLastReader) {
  // Large bytes stay where they are: their owner tells when they are let go.
  auto owner = std::make_shared<const std::string>(2 << 20, 'x');
  const std::weak_ptr<const std::string> bytes = owner;
  std::optional<Object> held;
  {
    MemoryTier tier{8_MiB, make_policy("lru").value()};
    Removals removed;
    ASSERT_TRUE(tier.put({.key = "large", .generation = 1, .created = start, .expires = start + 1h},
                         Buffer::wrap(owner, *owner), removed));
    owner.reset();
    held = tier.try_find("large", start, Count::yes);
    ASSERT_TRUE(held);
  }
  EXPECT_FALSE(bytes.expired());
  EXPECT_EQ(held->bytes().size(), 2U << 20);
  std::jthread elsewhere([&] { held.reset(); });
  elsewhere.join();
  EXPECT_TRUE(bytes.expired());
}

TEST_F(MemoryTierTest, WhatWasReplacedWhileReadGivesItsRoomToWhoComesAfterTheReader) {
  const std::string half(450 << 10, 'x');
  ASSERT_TRUE(put("a", half));
  auto reader = tier_.try_find("a", start, Count::yes);
  ASSERT_TRUE(reader);
  ASSERT_TRUE(put("a", "small"));
  tier_.sweep(start, removed_);  // the old value waits for its reader alone now
  ASSERT_TRUE(put("b", half));
  reader.reset();
  ASSERT_TRUE(put("c", half));
  EXPECT_TRUE(tier_.try_find("b", start, Count::yes))
      << "the room of what nobody reads is taken before anybody is evicted";
  EXPECT_TRUE(tier_.try_find("c", start, Count::yes));
}

TEST_F(MemoryTierTest, ManyContentTypesAreKeptAndCounted) {
  for (int i = 0; i < 2000; ++i) {
    Details details{.key = std::to_string(i),
                    .generation = 1,
                    .content_type = "text/" + std::to_string(i),
                    .created = start,
                    .expires = start + 1h};
    ASSERT_TRUE(tier_.put(details, {}, removed_));
  }
  for (const auto i : {0, 511, 512, 1999}) {
    const auto object = tier_.try_find(std::to_string(i), start, Count::yes);
    ASSERT_TRUE(object);
    EXPECT_EQ(object->content_type, "text/" + std::to_string(i));
  }
  ASSERT_TRUE(tier_.clear(removed_));
  EXPECT_EQ(used(), 0U);
}

TEST_F(MemoryTierTest, ExpiredEntriesAreFreedWithoutBeingRead) {
  for (int i = 0; i < 1000; ++i) {
    const Details details{
        .key = std::to_string(i), .generation = 1, .created = start, .expires = start + std::chrono::seconds{i}};
    ASSERT_TRUE(tier_.put(details, {}, removed_));
  }
  ASSERT_TRUE(tier_.touch("10", start, start + 1h));
  tier_.sweep(start + 99500ms, removed_);
  EXPECT_EQ(tier_.stats().entries, 901U);
  EXPECT_EQ(removed_.size(), 99U);
  EXPECT_TRUE(tier_.generation("10", start + 100s));
  const auto before = used();
  tier_.sweep(start + 30min, removed_);
  EXPECT_EQ(tier_.stats().entries, 1U);
  EXPECT_LT(used(), before / 500);
}

TEST_F(MemoryTierTest, HitsOfAnEntryAreCountedAndFade) {
  ASSERT_TRUE(put("key", "bytes"));
  const auto hits = [&] { return tier_.find("key", start, {.count = Count::no}, removed_).value()->hits; };
  for (int i = 0; i < 40; ++i) (void)tier_.try_find("key", start, Count::yes);
  EXPECT_EQ(hits(), 40U);
  ASSERT_TRUE(put("key", "other bytes"));
  EXPECT_EQ(hits(), 40U) << "they are the key's";
  tier_.sweep(start + 1s, removed_);
  const auto now = hits();
  tier_.sweep(start + 10min, removed_);
  EXPECT_EQ(hits(), now / 2);
  tier_.sweep(start + 50min, removed_);
  EXPECT_EQ(hits(), now / 32);
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

struct alignas(16) TableEntry {
  std::string name;
  std::uint64_t key_hash = 0;
  std::uint32_t hash = 0;
  std::uint32_t second = 0;
  [[nodiscard]] std::string_view key() const { return name; }
  [[nodiscard]] std::uint32_t due() const { return second; }
};

TEST(EntryTable, FindsWhatIsThereWhileItGrowsAndShrinks) {
  std::mt19937_64 random(test::seed());
  // Few different hashes: long runs, many of the same tag.
  std::vector<TableEntry> entries(3000);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = {.name = std::to_string(i), .key_hash = (i % 97) << 48 | (i % 11) << 29};
    entries[i].hash = static_cast<std::uint32_t>(entries[i].key_hash);
  }
  EntryTable<TableEntry> table;
  std::vector<bool> there(entries.size());
  std::size_t count = 0;
  for (int step = 0; step < 6000; ++step) {
    const auto i = random() % entries.size();
    if (there[i]) {
      table.erase(entries[i]);
      --count;
    } else {
      (void)table.insert(entries[i], entries[i].key_hash);
      ++count;
    }
    there[i] = !there[i];
    const auto other = random() % entries.size();
    ASSERT_EQ(table.find(entries[other].name, entries[other].key_hash), there[other] ? &entries[other] : nullptr);
  }
  EXPECT_EQ(table.entries(), count);
}

TEST(EntryTable, VisitsWhatIsDueAndFewOthers) {
  std::mt19937_64 random(test::seed());
  std::vector<TableEntry> entries(5000);
  EntryTable<TableEntry> table;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = {.name = std::to_string(i), .key_hash = random(), .second = static_cast<std::uint32_t>(i)};
    entries[i].hash = static_cast<std::uint32_t>(entries[i].key_hash);
    (void)table.insert(entries[i], entries[i].key_hash);
  }
  // One lives longer than it was to, one shorter.
  entries[10].second = 9000;
  table.changed_due(entries[10]);
  entries[4000].second = 20;
  table.changed_due(entries[4000]);
  std::vector<std::string> gone;
  std::size_t visited = 0;
  table.each_due(99, [&](TableEntry& entry) {
    ++visited;
    if (entry.second > 99) return;
    gone.push_back(entry.name);
    table.erase(entry);
  });
  EXPECT_EQ(gone.size(), 100U);
  EXPECT_LT(visited, 900U);
  EXPECT_EQ(table.find("10", entries[10].key_hash), &entries[10]);
  visited = 0;
  table.each_due(99, [&](TableEntry&) { ++visited; });
  EXPECT_EQ(visited, 0U) << "nothing is due any more";
}

}  // namespace
}  // namespace hotwell::cache

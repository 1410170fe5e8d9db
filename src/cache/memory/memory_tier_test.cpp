#include "cache/memory/memory_tier.hpp"

#include <gtest/gtest.h>

#include "cache/memory/lru.hpp"

namespace hotwell::cache {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;

constexpr WallTime start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

TEST(Lru, GivesTheLeastRecentlyUsed) {
  Lru lru;
  std::array<PolicyNode, 3> nodes;
  EXPECT_EQ(lru.victim(), nullptr);
  for (auto& node : nodes) lru.inserted(node);
  EXPECT_EQ(lru.victim(), &nodes[0]);
  lru.hit(nodes[0]);
  EXPECT_EQ(lru.victim(), &nodes[1]);
  lru.removed(nodes[1], Departure::evicted);
  EXPECT_EQ(lru.victim(), &nodes[2]);
  lru.removed(nodes[2], Departure::erased);
  EXPECT_EQ(lru.victim(), &nodes[0]);
  lru.removed(nodes[0], Departure::erased);
  EXPECT_EQ(lru.victim(), nullptr);
}

TEST(Policy, AnUnknownOneIsRefusedWithTheNamesOfThoseThereAre) {
  EXPECT_TRUE(make_policy("lru"));
  const auto refused = make_policy("magic");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_NE(refused.error().message.find("lru"), std::string::npos);
}

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

}  // namespace
}  // namespace hotwell::cache

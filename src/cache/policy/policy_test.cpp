#include "cache/policy/policy.hpp"

#include <deque>
#include <random>
#include <set>
#include <unordered_map>

#include <gtest/gtest.h>

#include "cache/policy/ghosts.hpp"
#include "cache/policy/lru_shadow.hpp"
#include "cache/policy/sketch.hpp"
#include "cache/policy/w_tiny_lfu.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::cache {
namespace {

std::uint32_t hash_of(std::uint64_t key) { return static_cast<std::uint32_t>(key * 0x9e3779b97f4a7c15ULL >> 32); }

/// A cache of keys that counts objects and brings in what it misses.
class Keys {
 public:
  Keys(std::unique_ptr<EvictionPolicy> policy, Weight capacity) : policy_(std::move(policy)), capacity_(capacity) {
    policy_->set_capacity(capacity);
  }
  explicit Keys(std::string_view policy, Weight capacity) : Keys(make_policy(policy).value(), capacity) {}

  bool ask(std::uint64_t key) {
    if (const auto found = nodes_.find(key); found != nodes_.end()) {
      policy_->hit(found->second);
      return true;
    }
    while (nodes_.size() >= capacity_) evict();
    auto& node = nodes_[key];
    node.key = key;
    node.hash = hash_of(key);
    node.weight = 1;
    policy_->inserted(node);
    return false;
  }
  std::uint64_t evict() {
    auto* victim = policy_->victim(1);
    if (victim == nullptr) throw std::logic_error("nothing left");
    const auto key = static_cast<Key*>(victim)->key;
    policy_->removed(*victim, Departure::evicted);
    nodes_.erase(key);
    return key;
  }
  void erase(std::uint64_t key) {
    policy_->removed(nodes_.at(key), Departure::erased);
    nodes_.erase(key);
  }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] bool has(std::uint64_t key) const { return nodes_.contains(key); }
  EvictionPolicy& policy() { return *policy_; }
  PolicyNode& node(std::uint64_t key) { return nodes_.at(key); }

 private:
  struct Key : PolicyNode {
    std::uint64_t key = 0;
  };
  std::unique_ptr<EvictionPolicy> policy_;
  Weight capacity_;
  std::unordered_map<std::uint64_t, Key> nodes_;
};

double hit_ratio(Keys& keys, const std::vector<std::uint64_t>& asked) {
  std::size_t hits = 0;
  for (const auto key : asked) hits += keys.ask(key) ? 1U : 0U;
  return static_cast<double>(hits) / static_cast<double>(asked.size());
}

class EveryPolicy : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Policies, EveryPolicy, ::testing::Values("wtinylfu", "s3fifo", "sieve", "lru", "fifo"));

TEST_P(EveryPolicy, GivesBackEveryNodeExactlyOnceWhateverHappens) {
  std::mt19937_64 random(test::seed());
  Keys keys(GetParam(), 50);
  std::set<std::uint64_t> expected;
  for (int i = 0; i < 20000; ++i) {
    const auto key = random() % 200;
    switch (random() % 10) {
      case 0:
        if (keys.has(key)) {
          keys.erase(key);
          expected.erase(key);
        }
        break;
      case 1:
        if (auto* victim = keys.policy().victim(1); victim != nullptr) keys.policy().spared(*victim);
        break;
      case 2: keys.policy().set_capacity(40 + random() % 20); break;
      default: (void)keys.ask(key); expected.insert(key);
    }
    std::erase_if(expected, [&](std::uint64_t one) { return !keys.has(one); });
    ASSERT_LE(keys.size(), 50U);
  }
  while (keys.size() > 0) ASSERT_EQ(expected.erase(keys.evict()), 1U);
  EXPECT_TRUE(expected.empty());
  EXPECT_EQ(keys.policy().victim(1), nullptr);
}

TEST_P(EveryPolicy, SparesWhatCannotGoAndOffersAllOthers) {
  Keys keys(GetParam(), 10);
  for (std::uint64_t key = 0; key < 10; ++key) (void)keys.ask(key);
  std::set<std::uint64_t> offered;
  const PolicyNode* held = keys.policy().victim(1);
  for (int i = 0; i < 200 && keys.size() > 1; ++i) {
    auto* victim = keys.policy().victim(1);
    ASSERT_NE(victim, nullptr);
    if (victim == held)
      keys.policy().spared(*victim);
    else
      offered.insert(keys.evict());
  }
  EXPECT_EQ(offered.size(), 9U);
}

TEST_P(EveryPolicy, AReplacedNodeKeepsItsPlace) {
  Keys keys(GetParam(), 3);
  for (std::uint64_t key = 0; key < 3; ++key) (void)keys.ask(key);
  PolicyNode other;
  other.hash = keys.node(1).hash;
  other.weight = 2;
  keys.policy().replaced(keys.node(1), other);
  std::set<const PolicyNode*> left{&keys.node(0), &other, &keys.node(2)};
  while (!left.empty()) {
    auto* victim = keys.policy().victim(1);
    ASSERT_EQ(left.erase(victim), 1U);
    keys.policy().removed(*victim, Departure::evicted);
  }
}

TEST(Policy, LruGivesTheLeastRecentlyUsed) {
  Keys keys("lru", 3);
  for (const auto key : {1, 2, 3, 1}) (void)keys.ask(static_cast<std::uint64_t>(key));
  EXPECT_EQ(keys.evict(), 2U);
  EXPECT_EQ(keys.evict(), 3U);
  EXPECT_EQ(keys.evict(), 1U);
}

TEST(Policy, FifoGivesTheFirstThatCame) {
  Keys keys("fifo", 3);
  for (const auto key : {1, 2, 3, 1}) (void)keys.ask(static_cast<std::uint64_t>(key));
  EXPECT_EQ(keys.evict(), 1U);
}

TEST(Policy, SieveKeepsWhatWasUsedInItsPlace) {
  // The paper's example in small: A and B are used, so the hand passes them and takes C; it goes on from there.
  Keys keys("sieve", 4);
  for (const auto key : {1, 2, 3, 4, 1, 2}) (void)keys.ask(static_cast<std::uint64_t>(key));
  EXPECT_EQ(keys.evict(), 3U);
  (void)keys.ask(5);
  EXPECT_EQ(keys.evict(), 4U);
  EXPECT_EQ(keys.evict(), 5U);
  EXPECT_EQ(keys.evict(), 1U);
}

TEST(Policy, S3FifoLetsScansPassAndRemembersWhoComesBack) {
  Keys keys("s3fifo", 100);
  for (int round = 0; round < 3; ++round)
    for (std::uint64_t key = 0; key < 50; ++key) (void)keys.ask(key);
  for (std::uint64_t key = 1000; key < 2000; ++key) (void)keys.ask(key);
  std::size_t kept = 0;
  for (std::uint64_t key = 0; key < 50; ++key) kept += keys.has(key) ? 1U : 0U;
  EXPECT_EQ(kept, 50U);
  // Evicted a moment ago and back: its second stay is not a newcomer's.
  ASSERT_FALSE(keys.has(1895));
  (void)keys.ask(1895);
  for (std::uint64_t key = 3000; key < 3030; ++key) (void)keys.ask(key);
  EXPECT_TRUE(keys.has(1895));
}

TEST(Policy, WTinyLfuKeepsTheFrequentAgainstAScan) {
  Keys keys("wtinylfu", 100);
  for (int round = 0; round < 8; ++round)
    for (std::uint64_t key = 0; key < 60; ++key) (void)keys.ask(key);
  for (std::uint64_t key = 1000; key < 1700; ++key) (void)keys.ask(key);
  std::size_t kept = 0;
  for (std::uint64_t key = 0; key < 60; ++key) kept += keys.has(key) ? 1U : 0U;
  EXPECT_GT(kept, 50U);
}

TEST(Policy, WTinyLfuKeepsPartOfALoopThatLruLosesWhole) {
  std::vector<std::uint64_t> loop;
  for (int round = 0; round < 100; ++round)
    for (std::uint64_t key = 0; key < 500; ++key) loop.push_back(key);
  Keys lru("lru", 200);
  Keys adaptive("wtinylfu", 200);
  EXPECT_EQ(hit_ratio(lru, loop), 0);
  EXPECT_GT(hit_ratio(adaptive, loop), 0.2);
}

TEST(Policy, WTinyLfuOpensItsWindowWhereOnlyRecencyTells) {
  // Each key is asked for three times within a short while and never again.
  std::vector<std::uint64_t> bursts;
  for (std::uint64_t key = 0; key < 20000; ++key)
    for (const auto back : {0U, 20U, 40U})
      if (key >= back) bursts.push_back(key - back);
  auto policy = std::make_unique<WTinyLfu>();
  const auto& watched = *policy;
  Keys adaptive(std::move(policy), 100);
  Keys lru("lru", 100);
  const double best = hit_ratio(lru, bursts);
  EXPECT_GT(best, 0.6);
  EXPECT_GT(hit_ratio(adaptive, bursts), best - 0.01);
  EXPECT_GT(watched.window_limit(), 50U);
}

TEST(Policy, AnUnknownOneIsRefusedWithTheNamesOfThoseThereAre) {
  EXPECT_TRUE(make_policy("default"));
  const auto refused = make_policy("magic");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_NE(refused.error().message.find("lru"), std::string::npos);
}

TEST(Sketch, CountsRoughlyAndForgetsHalf) {
  FrequencySketch sketch;
  sketch.expect(1000);
  for (std::uint64_t key = 0; key < 500; ++key)
    for (std::uint64_t times = 0; times <= key % 10; ++times) sketch.add(hash_of(key));
  std::size_t exact = 0;
  for (std::uint64_t key = 0; key < 500; ++key) {
    EXPECT_GE(sketch.count(hash_of(key)), key % 10 + 1);
    exact += sketch.count(hash_of(key)) == key % 10 + 1 ? 1U : 0U;
  }
  EXPECT_GT(exact, 450U);
  // What was counted is still there when it grows.
  const auto before = sketch.count(hash_of(9));
  sketch.expect(100000);
  EXPECT_EQ(sketch.count(hash_of(9)), before);
  sketch.expect(10);
  for (int i = 0; i < 640; ++i) sketch.add(hash_of(static_cast<std::uint64_t>(1'000'000 + i)));
  EXPECT_LE(sketch.count(hash_of(9)), before / 2 + 1);
}

TEST(Ghosts, RememberAsMuchAsTheySpanAndEachOnce) {
  Ghosts ghosts;
  ghosts.set_span(100);
  ghosts.expect(200);
  for (std::uint32_t key = 0; key < 150; ++key) ghosts.remember(hash_of(key), 1);
  EXPECT_TRUE(ghosts.recall(hash_of(149)));
  EXPECT_FALSE(ghosts.recall(hash_of(149)));
  EXPECT_FALSE(ghosts.recall(hash_of(10)));
  ghosts.expect(5000);
  EXPECT_TRUE(ghosts.recall(hash_of(148)));
}

TEST(LruShadow, HoldsExactlyWhatLruHolds) {
  std::mt19937_64 random(test::seed());
  LruShadow shadow;
  shadow.set_capacity(100);
  Keys lru("lru", 100);
  for (int i = 0; i < 20000; ++i) {
    const auto key = std::min(random() % 400, random() % 400);
    ASSERT_EQ(shadow.access(hash_of(key), 1), lru.ask(key));
  }
  shadow.forget(hash_of(1));
  EXPECT_FALSE(shadow.access(hash_of(1), 1));
}

TEST(LruShadow, FollowsASampleOfManyKeysThatSeesTheSameHitRatio) {
  std::mt19937_64 random(test::seed());
  LruShadow shadow;
  constexpr std::uint64_t capacity = 50000;
  shadow.set_capacity(capacity);
  Keys lru("lru", capacity);
  std::uint64_t followed = 0;
  std::uint64_t shadow_hits = 0;
  std::uint64_t hits = 0;
  constexpr int warm_up = 200000;
  constexpr int asked = 200000;
  for (int i = 0; i < warm_up + asked; ++i) {
    const auto key = random() % 100000;
    const bool hit = lru.ask(key);
    const bool follows = shadow.follows(hash_of(key));
    const bool shadow_hit = follows && shadow.access(hash_of(key), 1);
    if (i < warm_up) continue;
    hits += hit ? 1U : 0U;
    followed += follows ? 1U : 0U;
    shadow_hits += shadow_hit ? 1U : 0U;
  }
  EXPECT_GE(shadow.rate(), 8U);
  EXPECT_LE(followed, 30000U);
  EXPECT_NEAR(static_cast<double>(shadow_hits) / static_cast<double>(followed), static_cast<double>(hits) / asked,
              0.04);
}

}  // namespace
}  // namespace hotwell::cache

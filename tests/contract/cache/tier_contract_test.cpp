// What every tier promises, whatever it is made of. A new tier adds itself to `Tiers` below.
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "cache/disk/disk_tier.hpp"
#include "cache/memory/memory_tier.hpp"
#include "cache/stream/stream_tier.hpp"
#include "sim/disk.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::cache {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;

constexpr WallTime origin{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

struct MemoryMaker {
  static constexpr Bytes limit = 1_MiB;
  static constexpr bool readers_pin = true;
  static std::unique_ptr<Tier> make(const std::filesystem::path&) {
    return std::make_unique<MemoryTier>(limit, make_policy("lru").value());
  }
};

/// Its space goes by whole regions, so its limit is sixteen of them. What a look-up hands out is a copy, or keeps a
/// region.
struct DiskMaker {
  static constexpr Bytes limit = 8_MiB;
  static constexpr bool readers_pin = false;
  static std::unique_ptr<Tier> make(const std::filesystem::path& directory) {
    return DiskTier::open(host::system_disk(), {.directory = directory, .limit = limit, .region_size = 512 << 10},
                          origin)
        .value();
  }
};

struct StreamMaker {
  static constexpr Bytes limit = 1_MiB;
  static constexpr bool readers_pin = true;
  static std::unique_ptr<Tier> make(const std::filesystem::path& directory) {
    return StreamTier::open(host::system_disk(), {.directory = directory, .limit = limit}, origin).value();
  }
};

template <class Maker>
class TierContract : public ::testing::Test {
 protected:
  static constexpr Bytes limit = Maker::limit;
  static constexpr std::size_t scale = Maker::limit.count >> 20;
  Details named(std::string key, WallTime expires = origin + 1h) {
    return {.key = std::move(key), .generation = ++generation_, .created = origin, .expires = expires};
  }
  Result<Object> put(std::string key, std::string_view bytes, WallTime expires = origin + 1h) {
    return tier_->put(named(std::move(key), expires), Buffer::copy_of(bytes), removed_);
  }
  std::optional<Object> get(std::string_view key, WallTime now = origin) {
    auto found = tier_->find(key, now, {}, removed_);
    EXPECT_TRUE(found.has_value());
    if (!found || !*found) return std::nullopt;
    return (*found)->object;
  }

  test::TempDir directory_;
  std::unique_ptr<Tier> tier_ = Maker::make(directory_.path());
  std::uint64_t generation_ = 0;
  Removals removed_;
};

using Tiers = ::testing::Types<MemoryMaker, DiskMaker, StreamMaker>;
class TierNames {
 public:
  template <class T>
  static std::string GetName(int) {
    return std::is_same_v<T, MemoryMaker> ? "Memory" : std::is_same_v<T, DiskMaker> ? "Disk" : "Stream";
  }
};
TYPED_TEST_SUITE(TierContract, Tiers, TierNames);

TYPED_TEST(TierContract, FindsWhatWasPutWithAllItsDescription) {
  auto details = this->named("a key", origin + 2h);
  details.content_type = "video/mp4";
  details.type = "processed-video";
  details.metadata = {{"resolution", "1080p"}, {"empty", ""}};
  ASSERT_TRUE(this->tier_->put(details, Buffer::copy_of("bytes"), this->removed_));

  const auto object = this->get("a key");
  ASSERT_TRUE(object);
  EXPECT_EQ(object->bytes().text(), "bytes");
  EXPECT_EQ(object->size(), 5U);
  EXPECT_EQ(object->key, "a key");
  EXPECT_EQ(object->generation, details.generation);
  EXPECT_EQ(object->content_type, "video/mp4");
  EXPECT_EQ(object->type, "processed-video");
  EXPECT_EQ(object->metadata.map(), details.metadata);
  EXPECT_EQ(object->created, origin);
  EXPECT_EQ(object->expires, origin + 2h);
  EXPECT_EQ(object->level, this->tier_->level());
}

TYPED_TEST(TierContract, AMissIsEmptyAndNoError) {
  const auto found = this->tier_->find("absent", origin, {}, this->removed_);
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

TYPED_TEST(TierContract, AnyBytesMakeAKeyOrAValue) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::vector<std::string> keys{all,
                                      "../../etc/passwd",
                                      "/",
                                      ".",
                                      std::string("a\0b", 3),
                                      std::string("a\0c", 3),
                                      std::string(4096, 'k'),
                                      "line\nbreak"};
  for (const auto& key : keys) ASSERT_TRUE(this->put(key, key + all));
  for (const auto& key : keys) {
    const auto object = this->get(key);
    ASSERT_TRUE(object) << key;
    EXPECT_EQ(object->key, key);
    EXPECT_EQ(object->bytes().text(), key + all);
  }
}

TYPED_TEST(TierContract, AnEmptyValueIsThere) {
  ASSERT_TRUE(this->put("empty", ""));
  const auto object = this->get("empty");
  ASSERT_TRUE(object);
  EXPECT_EQ(object->size(), 0U);
  EXPECT_TRUE(object->bytes().empty());
}

TYPED_TEST(TierContract, SizesAroundEveryBoundaryComeBackWhole) {
  std::uint64_t n = 0;
  for (const auto size : {1U, 4095U, 4096U, 4097U, 65535U, 65536U, 65537U, 300000U}) {
    std::string bytes(size, '\0');
    for (auto& c : bytes) c = static_cast<char>(n++ * 2654435761U >> 13);
    ASSERT_TRUE(this->put("sized", bytes));
    const auto object = this->get("sized");
    ASSERT_TRUE(object) << size;
    EXPECT_EQ(object->bytes().text(), bytes) << size;
  }
}

TYPED_TEST(TierContract, AnOverwriteReplacesAndLeavesWhatIsHeldAsItWas) {
  ASSERT_TRUE(this->put("key", std::string(100000, 'a')));
  const auto old = this->get("key");
  ASSERT_TRUE(this->put("key", std::string(100000, 'b')));
  EXPECT_EQ(this->get("key")->bytes().text(), std::string(100000, 'b'));
  EXPECT_EQ(old->bytes().text(), std::string(100000, 'a'));
  EXPECT_NE(this->get("key")->etag(), old->etag());
  EXPECT_EQ(this->tier_->stats().entries, 1U);
}

TYPED_TEST(TierContract, NothingIsFoundAfterErase) {
  ASSERT_TRUE(this->put("key", "bytes"));
  EXPECT_EQ(this->tier_->erase("key", origin, this->removed_), Result<bool>(true));
  EXPECT_FALSE(this->get("key"));
  EXPECT_FALSE(this->tier_->generation("key", origin));
  EXPECT_EQ(this->tier_->erase("key", origin, this->removed_), Result<bool>(false));
  EXPECT_EQ(this->tier_->stats().entries, 0U);
  EXPECT_EQ(this->tier_->stats().size, 0_B);
}

TYPED_TEST(TierContract, ClearLeavesNothing) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(this->put(std::to_string(i), "bytes"));
  ASSERT_TRUE(this->tier_->clear(this->removed_));
  EXPECT_EQ(this->removed_.size(), 20U);
  EXPECT_EQ(this->tier_->stats().entries, 0U);
  EXPECT_EQ(this->tier_->stats().size, 0_B);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(this->get(std::to_string(i)));
}

TYPED_TEST(TierContract, WhatHasExpiredIsAbsentAtOnceAndGoneAfterASweep) {
  ASSERT_TRUE(this->put("short", "bytes", origin + 1s));
  ASSERT_TRUE(this->put("long", "bytes", origin + 1h));
  EXPECT_TRUE(this->get("short", origin + 999ms));
  EXPECT_FALSE(this->get("short", origin + 1s));
  EXPECT_FALSE(this->tier_->generation("short", origin + 1s));
  EXPECT_EQ(this->tier_->touch("short", origin + 1s, origin + 9h), Result<bool>(false));
  this->tier_->sweep(origin + 1s, this->removed_);
  ASSERT_EQ(this->removed_.size(), 1U);
  EXPECT_EQ(this->removed_[0].key, "short");
  EXPECT_EQ(this->removed_[0].cause, Cause::expired);
  EXPECT_EQ(this->tier_->stats().entries, 1U);
}

TYPED_TEST(TierContract, TouchGivesANewTimeToLive) {
  ASSERT_TRUE(this->put("key", "bytes", origin + 1s));
  EXPECT_EQ(this->tier_->touch("key", origin, origin + 5s), Result<bool>(true));
  const auto object = this->get("key", origin + 4s);
  ASSERT_TRUE(object);
  EXPECT_EQ(object->expires, origin + 5s);
  this->tier_->sweep(origin + 4s, this->removed_);
  EXPECT_TRUE(this->get("key", origin + 4s));
  EXPECT_FALSE(this->get("key", origin + 5s));
  EXPECT_EQ(this->tier_->touch("absent", origin, origin + 5s), Result<bool>(false));
}

TYPED_TEST(TierContract, HitsAndMissesAreExactAndUncountedLooksAreNot) {
  ASSERT_TRUE(this->put("key", "bytes"));
  for (int i = 0; i < 3; ++i) (void)this->get("key");
  (void)this->get("absent");
  (void)this->tier_->find("key", origin, {.count = Count::no}, this->removed_);
  (void)this->tier_->find("absent", origin, {.count = Count::no}, this->removed_);
  const auto stats = this->tier_->stats();
  EXPECT_EQ(stats.hits, 3U);
  EXPECT_EQ(stats.misses, 1U);
  EXPECT_DOUBLE_EQ(stats.hit_rate, 0.75);
}

TYPED_TEST(TierContract, NeverHoldsMoreThanItsLimitAndEvictsTheLeastRecentlyUsed) {
  const std::string bytes(50000 * this->scale, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(this->put(std::to_string(i), bytes));
    ASSERT_LE(this->tier_->stats().size, this->limit);
    ASSERT_TRUE(this->get("0")) << "0 is used all the time, and yet it went at " << i;
  }
  EXPECT_GT(this->tier_->stats().entries, 10U);
  EXPECT_FALSE(this->get("1"));
  EXPECT_TRUE(this->get("99"));
  EXPECT_EQ(this->tier_->stats().entries + this->removed_.size(), 100U);
  for (const auto& one : this->removed_) EXPECT_EQ(one.cause, Cause::capacity);
}

TYPED_TEST(TierContract, MoreThanTheLimitIsTooLargeAndDisturbsNothing) {
  ASSERT_TRUE(this->put("small", "bytes"));
  const auto refused = this->put("huge", std::string(this->limit.count + 1, 'x'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::too_large);
  EXPECT_TRUE(this->get("small"));
  EXPECT_FALSE(this->get("huge"));
}

TYPED_TEST(TierContract, WhatReadersHoldStaysCountedAndWhereNothingElseIsLeftItIsOverloaded) {
  if (!TypeParam::readers_pin) GTEST_SKIP() << "readers of this tier hold copies";
  const std::string bytes(300000, 'x');
  std::vector<Object> held;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(this->put(std::to_string(i), bytes));
    held.push_back(*this->get(std::to_string(i)));
  }
  // Deleted, and yet there as long as somebody reads it.
  ASSERT_TRUE(this->tier_->erase("0", origin, this->removed_).value());
  EXPECT_GE(this->tier_->stats().size, Bytes{900000});
  const auto refused = this->put("next", bytes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::overloaded);
  EXPECT_LE(this->tier_->stats().size, this->limit);
  EXPECT_EQ(held[0].bytes().text(), bytes);

  held.erase(held.begin());
  EXPECT_TRUE(this->put("next", bytes));
  EXPECT_LE(this->tier_->stats().size, this->limit);
}

TYPED_TEST(TierContract, ALowerLimitEvictsAtOnce) {
  const std::string bytes(50000 * this->scale, 'x');
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(this->put(std::to_string(i), bytes));
  this->tier_->set_limit(200_KiB * this->scale, this->removed_);
  EXPECT_LE(this->tier_->stats().size, 200_KiB * this->scale);
  EXPECT_TRUE(this->get("14"));
  EXPECT_FALSE(this->get("0"));
}

TYPED_TEST(TierContract, ForEachShowsWhatIsThereUntilToldToStop) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(this->put(std::to_string(i), std::string(static_cast<std::size_t>(i), 'x')));
  ASSERT_TRUE(this->put("expired", "bytes", origin));
  std::set<std::string> keys;
  this->tier_->for_each(origin, [&](const Object& object) {
    EXPECT_EQ(object.size(), std::stoull(std::string(object.key)));
    return keys.insert(std::string(object.key)).second;
  });
  EXPECT_EQ(keys, (std::set<std::string>{"0", "1", "2", "3", "4"}));
  int visits = 0;
  this->tier_->for_each(origin, [&](const Object&) { return ++visits < 2; });
  EXPECT_EQ(visits, 2);
}

TYPED_TEST(TierContract, ManyThreadsSeeOnlyWholeValues) {
  constexpr int threads = 4;
  std::atomic<std::uint64_t> generation{100};
  std::vector<std::jthread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      std::mt19937_64 random(test::seed() + static_cast<std::uint64_t>(t));
      Removals removed;
      for (int i = 0; i < 150; ++i) {
        const auto key = std::to_string(random() % 8);
        switch (random() % 5) {
          case 0: (void)this->tier_->erase(key, origin, removed); break;
          case 1:
            (void)this->tier_->put({.key = key, .generation = ++generation, .created = origin, .expires = origin + 1h},
                                   Buffer::copy_of(std::string(1 + random() % 70000, key[0])), removed);
            break;
          default: {
            auto found = this->tier_->find(key, origin, {}, removed);
            ASSERT_TRUE(found);
            if (!*found) break;
            const auto text = (*found)->object.bytes().text();
            EXPECT_FALSE(text.empty());
            EXPECT_EQ(text.find_first_not_of(key[0]), std::string_view::npos);
          }
        }
        EXPECT_LE(this->tier_->stats().size, this->limit);
      }
    });
  }
  running.clear();
  ASSERT_TRUE(this->tier_->clear(this->removed_));
  EXPECT_EQ(this->tier_->stats().size, 0_B);
}

}  // namespace
}  // namespace hotwell::cache

// What the cache tells of one key: where it is, how it came there, and what made it leave.
#include <algorithm>

#include "cache/chronicle.hpp"
#include "cache/testing/cache.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;
using test::CacheTest;
using What = CacheExplanation::Step::What;

class ExplainTest : public CacheTest {
 protected:
  CacheExplanation explained(std::string_view key) {
    auto told = impl_->explain(key);
    EXPECT_TRUE(told) << to_string(told.error());
    return told ? std::move(*told) : CacheExplanation{};
  }
  static bool tells(const CacheExplanation& told, std::string_view words) {
    return std::ranges::any_of(told.story, [&](const auto& line) { return line.find(words) != std::string::npos; });
  }
};

TEST_F(ExplainTest, WhereAnObjectIsAndSinceWhen) {
  open();
  ASSERT_TRUE(impl_->set("film", "bytes", {.type = "processed-video", .ttl = 1h, .content_type = "video/mp4"}));
  const auto told = explained("film");
  ASSERT_EQ(told.copies.size(), 2U);
  EXPECT_EQ(told.copies[0].level, Level::memory);
  EXPECT_EQ(told.copies[1].level, Level::disk);
  EXPECT_EQ(told.copies[1].size.count, 5U);
  EXPECT_TRUE(told.steps.empty());
  EXPECT_TRUE(tells(told, "It was stored at 2026-01-01T00:00:00"));
  EXPECT_TRUE(tells(told, "video/mp4, tagged \"processed-video\""));
  EXPECT_TRUE(tells(told, "in the memory tier and the disk tier, until 2026-01-01T01:00:00"));
  // Being explained is no use.
  EXPECT_EQ(impl_->stats().total.hits + impl_->stats().total.misses, 0U);
}

TEST_F(ExplainTest, WhatMadeItLeaveMemoryAndBroughtItBack) {
  open();
  ASSERT_TRUE(impl_->set("key", "bytes", {}));
  flood_memory();
  auto told = explained("key");
  ASSERT_EQ(told.copies.size(), 1U);
  EXPECT_EQ(told.copies[0].level, Level::disk);
  ASSERT_EQ(told.steps.size(), 1U);
  EXPECT_EQ(told.steps[0].what, What::evicted);
  EXPECT_EQ(told.steps[0].level, Level::memory);
  EXPECT_TRUE(told.steps[0].because_of.starts_with("flood"));
  EXPECT_TRUE(tells(told, "the memory tier let it go to make room, while \"flood"));
  clock_.advance(1min);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(get("key"));
  told = explained("key");
  EXPECT_EQ(told.copies[0].hits, 3U);
  EXPECT_TRUE(tells(told, "asked for 3 times"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(get("key"));
  told = explained("key");
  EXPECT_EQ(told.copies.size(), 2U);
  EXPECT_EQ(told.steps.back().what, What::promoted);
  EXPECT_EQ(told.steps.back().level, Level::disk);
  EXPECT_TRUE(tells(told, "so often in the disk tier that memory took it up"));
}

TEST_F(ExplainTest, WhatTheDiskTierEvictedIsKnownWhoeverListens) {
  auto small = options();
  small.disk_limit = 4_MiB;
  small.memory_limit = 1_MiB;
  open(small);
  ASSERT_TRUE(impl_->set("first", std::string(1000, 'x'), {}));
  for (int i = 0; i < 300 && impl_->contains("first"); ++i)
    ASSERT_TRUE(impl_->set("more" + std::to_string(i), std::string(100 << 10, 'x'), {}));
  const auto told = explained("first");
  EXPECT_TRUE(told.copies.empty());
  const auto from_disk = std::ranges::find(told.steps, Level::disk, &CacheExplanation::Step::level);
  ASSERT_NE(from_disk, told.steps.end());
  EXPECT_EQ(from_disk->what, What::evicted);
  EXPECT_TRUE(from_disk->because_of.starts_with("more"));
  EXPECT_TRUE(tells(told, "No tier has it."));
}

TEST_F(ExplainTest, WhatWasDeletedExpiredOrWarmed) {
  open();
  ASSERT_TRUE(impl_->set("deleted", "x", {}));
  ASSERT_TRUE(impl_->erase("deleted"));
  EXPECT_EQ(explained("deleted").steps.back().what, What::erased);
  ASSERT_TRUE(impl_->set("short", "x", {.ttl = 1s}));
  clock_.advance(2s);
  impl_->sweep();
  EXPECT_EQ(explained("short").steps.back().what, What::expired);
  ASSERT_TRUE(impl_->set("warm", "x", {}));
  open();  // memory is empty again
  const std::string keys[] = {"warm"};
  ASSERT_EQ(impl_->warm(keys).warmed, 1U);
  EXPECT_EQ(explained("warm").steps.back().what, What::warmed);
  ASSERT_TRUE(impl_->clear());
  EXPECT_EQ(explained("warm").steps.back().what, What::erased);
}

TEST_F(ExplainTest, ARememberedFailureIsTold) {
  open();
  const auto failing = [](Sink&) -> Result<void> { return fail(Code::not_found, "there is no such picture"); };
  ASSERT_FALSE(impl_->get_or_compute("key", failing, {.negative_ttl = 1h}));
  EXPECT_TRUE(tells(explained("key"), "there is no such picture"));
}

TEST_F(ExplainTest, OfWhatNeverWasNothingIsTold) {
  open();
  EXPECT_EQ(impl_->explain("never").error().code, Code::not_found);
  EXPECT_EQ(impl_->explain("").error().code, Code::invalid_argument);
}

TEST_F(ExplainTest, HowWarmTheStartWas) {
  open();
  ASSERT_TRUE(impl_->set("key", "x", {}));
  open();
  impl_->tend_warmth();
  EXPECT_FALSE(impl_->stats().first_minute);
  EXPECT_TRUE(get("key"));
  EXPECT_FALSE(get("absent"));
  clock_.advance(61s);
  impl_->tend_warmth();
  EXPECT_FALSE(get("absent, but later"));
  const auto first = impl_->stats().first_minute;
  ASSERT_TRUE(first);
  EXPECT_EQ(first->hits, 1U);
  EXPECT_EQ(first->misses, 1U);
}

TEST(Chronicle, KeepsTheLastOfAllKeys) {
  cache::Chronicle chronicle;
  for (std::size_t i = 0; i <= cache::Chronicle::most; ++i)
    cache::Chronicle::Page(chronicle, WallTime{std::chrono::seconds{i}}, std::string(1000, 'r'))
        .note(i == 0 || i == 2 ? "key" : "other", What::evicted, Level::disk);
  const auto steps = chronicle.of("key");
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(steps[0].when, WallTime{2s});
  EXPECT_EQ(steps[0].because_of.size(), 256U);
  EXPECT_EQ(chronicle.of("other").front().when, WallTime{1s});
}

}  // namespace
}  // namespace hotwell

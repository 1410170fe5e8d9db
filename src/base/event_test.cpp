#include <hotwell/event.hpp>

#include <atomic>
#include <latch>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/allocations.hpp"

namespace hotwell {
namespace {

const CacheMiss miss{"video_123"};

TEST(Events, ReachListenersOfTheirTypeAlone) {
  CacheEvents events;
  int hits = 0, misses = 0;
  const auto on_hit = events.on<CacheHit>([&](const CacheHit&) { ++hits; });
  const auto on_miss = events.on<CacheMiss>([&](const CacheMiss& e) { misses += e.key == "video_123" ? 1 : 100; });
  events.publish(miss);
  EXPECT_EQ(hits, 0);
  EXPECT_EQ(misses, 1);
}

TEST(Events, ASubscriptionEndsWithItsScope) {
  CacheEvents events;
  int calls = 0;
  {
    const auto subscription = events.on<CacheMiss>([&](const CacheMiss&) { ++calls; });
    EXPECT_TRUE(events.any<CacheMiss>());
    events.publish(miss);
  }
  EXPECT_FALSE(events.any<CacheMiss>());
  events.publish(miss);
  EXPECT_EQ(calls, 1);
}

TEST(Events, EndingOneSubscriptionLeavesTheOthers) {
  CacheEvents events;
  int first = 0, second = 0;
  auto a = events.on<CacheMiss>([&](const CacheMiss&) { ++first; });
  const auto b = events.on<CacheMiss>([&](const CacheMiss&) { ++second; });
  events.publish(miss);
  a.reset();
  a.reset();  // twice is once
  events.publish(miss);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

TEST(Events, AListenerMayEndItselfAndSubscribeAnother) {
  CacheEvents events;
  Subscription mine, other;
  int calls = 0, others = 0;
  mine = events.on<CacheMiss>([&](const CacheMiss&) {
    ++calls;
    mine.reset();
    other = events.on<CacheMiss>([&](const CacheMiss&) { ++others; });
  });
  events.publish(miss);
  events.publish(miss);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(others, 1);
}

TEST(Events, ASubscriptionMayOutliveItsHub) {
  Subscription subscription;
  {
    CacheEvents events;
    subscription = events.on<CacheMiss>([](const CacheMiss&) {});
  }
  subscription.reset();
}

TEST(Events, AListenersCapturesEndWithItsSubscription) {
  CacheEvents events;
  auto captured = std::make_shared<int>(1);
  auto subscription = events.on<CacheMiss>([captured](const CacheMiss&) {});
  EXPECT_EQ(captured.use_count(), 2);
  subscription.reset();
  EXPECT_EQ(captured.use_count(), 1);
}

TEST(Events, ThreadsMayPublishAndSubscribeAtOnce) {
  CacheEvents events;
  constexpr int rounds = 2'000;
  std::atomic<int> steady{0}, passing{0};
  const auto always = events.on<CacheMiss>([&](const CacheMiss&) { ++steady; });
  std::latch start(4);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t)
      threads.emplace_back([&] {
        start.arrive_and_wait();
        for (int i = 0; i < rounds; ++i) events.publish(miss);
      });
    for (int t = 0; t < 2; ++t)
      threads.emplace_back([&] {
        start.arrive_and_wait();
        for (int i = 0; i < rounds; ++i) {
          const auto briefly = events.on<CacheMiss>([&](const CacheMiss&) { ++passing; });
        }
      });
  }
  EXPECT_EQ(steady, 2 * rounds);
  const int before = passing;
  events.publish(miss);
  EXPECT_EQ(passing, before) << "a subscription was left behind";
}

TEST(Events, AListenerMayPublishTheSameEventElsewhereMeanwhile) {
  CacheEvents events;
  CacheEvents others;
  int outer = 0, inner = 0, last = 0;
  const auto other = others.on<CacheMiss>([&](const CacheMiss&) { ++inner; });
  const auto a = events.on<CacheMiss>([&](const CacheMiss& e) {
    if (++outer < 3) events.publish(e);
    others.publish(e);
  });
  const auto b = events.on<CacheMiss>([&](const CacheMiss&) { ++last; });
  events.publish(miss);
  EXPECT_EQ(outer, 3);
  EXPECT_EQ(inner, 3);
  EXPECT_EQ(last, 3);
  // A channel in the place of one that is gone is another.
  for (int i = 0; i < 10; ++i) {
    CacheEvents passing;
    int calls = 0;
    const auto mine = passing.on<CacheMiss>([&](const CacheMiss&) { ++calls; });
    passing.publish(miss);
    EXPECT_EQ(calls, 1);
  }
}

TEST(Events, WhoListensCostsNoAllocationEach) {
  CacheEvents events;
  int calls = 0;
  const auto subscription = events.on<CacheMiss>([&](const CacheMiss&) { ++calls; });
  events.publish(miss);
  const auto before = test::allocations();
  for (int i = 0; i < 100; ++i) events.publish(miss);
  EXPECT_EQ(test::allocations(), before);
  EXPECT_EQ(calls, 101);
}

TEST(Events, WithoutAListenerPublishingAllocatesNothing) {
  CacheEvents events;
  {
    const auto ended = events.on<CacheMiss>([](const CacheMiss&) {});
  }
  const auto before = test::allocations();
  for (int i = 0; i < 100; ++i) events.publish(miss);
  EXPECT_EQ(test::allocations(), before);
  const std::string counted(100, 'x');
  EXPECT_GT(test::allocations(), before) << "the counter does not count";
}

TEST(EventNames, RoundTrip) {
  for (const auto priority : {Priority::high, Priority::normal, Priority::low})
    EXPECT_EQ(parse_priority(to_string(priority)).value(), priority);
  const auto wrong = parse_priority("HIGH");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "expected a priority (high, normal or low), got \"HIGH\"");
  EXPECT_EQ(to_string(Level::memory), "memory");
  EXPECT_EQ(to_string(Level::disk), "disk");
  EXPECT_EQ(to_string(Level::stream), "stream");
  EXPECT_EQ(to_string(Level::remote), "remote");
  EXPECT_EQ(to_string(Severity::info), "info");
  EXPECT_EQ(to_string(Severity::warning), "warning");
  EXPECT_EQ(to_string(Severity::critical), "critical");
}

}  // namespace
}  // namespace hotwell

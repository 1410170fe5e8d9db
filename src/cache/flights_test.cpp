#include "cache/flights.hpp"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "cache/growth.hpp"
#include "cache/object.hpp"

namespace hotwell::cache {
namespace {

Object object(std::string_view bytes) {
  return Description::object(describe({.key = "key"}), Level::memory, Buffer::copy_of(bytes));
}

TEST(Flights, TheFirstLeadsAndAllGetItsEnd) {
  Flights flights;
  std::vector<std::string> ends;
  const Waiter waiter{.on_growing = {},
                      .on_end = [&](const Result<Object>& end) { ends.emplace_back(end->bytes().text()); }};
  const auto first = flights.join("key", waiter);
  const auto second = flights.join("key", waiter);
  EXPECT_TRUE(first.leader);
  EXPECT_FALSE(second.leader);
  EXPECT_EQ(first.flight, second.flight);
  EXPECT_TRUE(flights.join("other").leader);
  EXPECT_EQ(flights.size(), 2U);

  first.flight->complete(object("made"));
  EXPECT_EQ(ends, (std::vector<std::string>{"made", "made"}));
  EXPECT_EQ(flights.size(), 1U);
  first.flight->complete(object("again"));
  EXPECT_EQ(ends.size(), 2U);
  EXPECT_TRUE(flights.join("key").leader);
}

TEST(Flights, AnErrorReachesEveryWaiterAndIsNotRemembered) {
  Flights flights;
  std::vector<Code> ends;
  const Waiter waiter{.on_growing = {}, .on_end = [&](const Result<Object>& end) { ends.push_back(end.error().code); }};
  const auto joined = flights.join("key", waiter);
  (void)flights.join("key", waiter);
  joined.flight->complete(fail(Code::crashed, "died"));
  EXPECT_EQ(ends, (std::vector<Code>{Code::crashed, Code::crashed}));
  EXPECT_TRUE(flights.join("key").leader);
}

TEST(Flights, TheFirstAskersLeavingFailsNobody) {
  Flights flights;
  int abandoned = 0;
  int ends = 0;
  const auto leader = flights.join("key", {.on_growing = {}, .on_end = [&](const Result<Object>&) { ends += 100; }});
  leader.flight->on_abandoned([&] { ++abandoned; });
  const auto other = flights.join("key", {.on_growing = {}, .on_end = [&](const Result<Object>& end) {
                                            EXPECT_TRUE(end);
                                            ++ends;
                                          }});
  leader.flight->leave(leader.seat);
  EXPECT_EQ(abandoned, 0);
  EXPECT_EQ(other.flight->waiting(), 1U);
  EXPECT_FALSE(flights.join("key").leader);
  leader.flight->complete(object("made"));
  EXPECT_EQ(ends, 1);
}

TEST(Flights, TheLastToLeaveCancelsTheWorkAndTheNextAskerStartsAnew) {
  Flights flights;
  int abandoned = 0;
  const auto leader = flights.join("key");
  const auto other = flights.join("key");
  leader.flight->on_abandoned([&] { ++abandoned; });
  leader.flight->leave(leader.seat);
  leader.flight->leave(leader.seat);
  EXPECT_EQ(abandoned, 0);
  other.flight->leave(other.seat);
  EXPECT_EQ(abandoned, 1);
  const auto next = flights.join("key");
  EXPECT_TRUE(next.leader);
  EXPECT_NE(next.flight, leader.flight);
  // The abandoned work ends late: that concerns nobody.
  leader.flight->complete(fail(Code::cancelled, "nobody wanted it"));
  EXPECT_FALSE(flights.join("key").leader);
}

TEST(Flights, WhoIsAskedToCancelAfterEverybodyLeftIsToldAtOnce) {
  Flights flights;
  const auto leader = flights.join("key");
  leader.flight->leave(leader.seat);
  bool told = false;
  leader.flight->on_abandoned([&] { told = true; });
  EXPECT_TRUE(told);
}

TEST(Flights, FollowersSeeEachAttemptAndLateOnesTheCurrent) {
  Flights flights;
  std::vector<std::uint64_t> early;
  std::vector<std::uint64_t> late;
  const auto follow = [](std::vector<std::uint64_t>& into) {
    return Waiter{
        .on_growing = [&into](const std::shared_ptr<Growing>& growing) { into.push_back(growing->generation()); },
        .on_end = {}};
  };
  const auto file = std::make_shared<const FileHandle>();
  const auto leader = flights.join("key", follow(early));
  leader.flight->publish(std::make_shared<Growth>(1, file, "text/plain"));
  leader.flight->publish(std::make_shared<Growth>(2, file, "text/plain"));
  (void)flights.join("key", follow(late));
  EXPECT_EQ(early, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(late, (std::vector<std::uint64_t>{2}));
}

TEST(Flights, ManyThreadsMakeOneLeader) {
  Flights flights;
  constexpr int askers = 64;
  std::latch ready(askers);
  std::latch joined(askers);
  std::atomic<int> leaders{0};
  std::atomic<int> ends{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < askers; ++i) {
    threads.emplace_back([&] {
      ready.arrive_and_wait();
      const auto mine = flights.join("key", {.on_growing = {}, .on_end = [&](const Result<Object>&) { ++ends; }});
      joined.arrive_and_wait();
      if (!mine.leader) return;
      ++leaders;
      mine.flight->complete(object("made"));
    });
  }
  threads.clear();
  EXPECT_EQ(leaders, 1);
  EXPECT_EQ(ends, askers);
  EXPECT_EQ(flights.size(), 0U);
}

}  // namespace
}  // namespace hotwell::cache

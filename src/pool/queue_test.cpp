#include "pool/queue.hpp"

#include <gtest/gtest.h>

namespace hotwell::pool {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<unsigned, priority_count> weights{8, 3, 1};

Place place(Priority priority, std::uint64_t order, TypeIndex type = 0) {
  return {.priority = priority, .type = type, .order = order};
}

std::string order_of(const Queue& queue) {
  std::string order;
  auto scan = queue.scan();
  while (const auto job = scan.next()) order += static_cast<char>(*job);
  return order;
}

TEST(Queue, HighIsFirstInAShortQueue) {
  Queue queue{1, weights};
  std::uint64_t order = 0;
  for (const char c : {'l', 'n', 'h', 'l', 'n', 'h'}) {
    const auto priority = c == 'h' ? Priority::high : c == 'n' ? Priority::normal : Priority::low;
    queue.push(static_cast<JobNumber>(c), place(priority, ++order), milliseconds{100});
  }
  EXPECT_EQ(order_of(queue), "hhnnll");
}

TEST(Queue, DeadlinesAreFirstAmongEquals) {
  Queue queue{2, weights};
  queue.push('a', place(Priority::normal, 1), milliseconds{1});
  auto urgent = place(Priority::normal, 2, 1);
  urgent.deadline = host::MonoTime{seconds{5}};
  queue.push('b', urgent, milliseconds{1});
  queue.push('c', place(Priority::high, 3), milliseconds{1});
  EXPECT_EQ(order_of(queue), "cba");
}

TEST(Queue, ALastingFloodIsSharedByWeight) {
  Queue queue{1, weights};
  std::map<JobNumber, Place> places;
  std::uint64_t number = 0;
  for (int i = 0; i < 4000; ++i)
    for (const auto priority : {Priority::low, Priority::normal, Priority::high}) {
      const auto p = place(priority, ++number);
      places[number] = p;
      queue.push(number, p, milliseconds{100});
    }
  std::array<double, priority_count> used{};
  for (int i = 0; i < 3000; ++i) {
    auto scan = queue.scan();
    const auto& taken = places.at(*scan.next());
    const auto charged = queue.take(taken);
    // LOW's jobs turn out three times as long as was thought.
    const auto real = taken.priority == Priority::low ? charged * 3 : charged;
    queue.settle(taken, charged, real);
    used[static_cast<std::size_t>(taken.priority)] += std::chrono::duration<double>(real).count();
  }
  const double all = used[0] + used[1] + used[2];
  EXPECT_NEAR(used[0] / all, 8.0 / 12, 0.02);
  EXPECT_NEAR(used[1] / all, 3.0 / 12, 0.02);
  EXPECT_NEAR(used[2] / all, 1.0 / 12, 0.02);
}

TEST(Queue, ATypeThatCannotRunIsPassedOver) {
  Queue queue{2, weights};
  queue.push('a', place(Priority::high, 1, 0), milliseconds{1});
  queue.push('b', place(Priority::low, 2, 1), milliseconds{1});
  auto scan = queue.scan();
  scan.exclude(0);
  EXPECT_EQ(scan.next(), JobNumber{'b'});
  EXPECT_EQ(scan.next(), std::nullopt);
}

TEST(Queue, AVeryLongJobIsADebtAndNotTheEnd) {
  Queue queue{1, weights};
  queue.push('l', place(Priority::low, 1), std::chrono::hours{1});
  queue.take(place(Priority::low, 1));
  queue.push('m', place(Priority::low, 2), milliseconds{1});
  queue.push('h', place(Priority::high, 3), milliseconds{1});
  EXPECT_EQ(order_of(queue), "hm");
}

}  // namespace
}  // namespace hotwell::pool

#include "server/loop.hpp"

#include <future>
#include <thread>

#include <gtest/gtest.h>

namespace hotwell::server {
namespace {

class LoopTest : public testing::Test {
 protected:
  ~LoopTest() override { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    loop_.end();
    thread_.join();
  }
  template <class F>
  auto on_loop(F work) {
    std::promise<std::invoke_result_t<F>> promise;
    loop_.post([&] { promise.set_value(work()); });
    return promise.get_future().get();
  }

  Loop loop_;
  std::thread thread_{[this] { loop_.run(); }};
};

TEST_F(LoopTest, BringsAnswersHomeFromOtherThreads) {
  Ticket ticket;
  std::promise<std::pair<int, std::thread::id>> got;
  auto home = on_loop([&] {
    return loop_.bring_home<int>(ticket, Loop::Landing::posted,
                                 [&](int value) { got.set_value({value, std::this_thread::get_id()}); });
  });
  home(7);
  const auto [value, thread] = got.get_future().get();
  EXPECT_EQ(value, 7);
  EXPECT_EQ(thread, thread_.get_id());
}

TEST_F(LoopTest, DropsAnswersNobodyAwaitsAnyMore) {
  bool called = false;
  auto home = on_loop([&] {
    Ticket ticket;
    return loop_.bring_home<int>(ticket, Loop::Landing::posted, [&](int) { called = true; });
  });
  home(1);
  EXPECT_FALSE(on_loop([&] { return called; }));
}

TEST_F(LoopTest, ADirectAnswerRunsAtOnceOnItsOwnThreadAlone) {
  Ticket ticket;
  const auto order = on_loop([&] {
    std::string seen;
    auto posted = loop_.bring_home<>(ticket, Loop::Landing::posted, [&] { seen += "never: its ticket was replaced"; });
    posted();
    auto direct = loop_.bring_home<>(ticket, Loop::Landing::direct, [&] { seen += "direct,"; });
    direct();
    return seen + "after";
  });
  EXPECT_EQ(order, "direct,after");
  std::promise<std::thread::id> got;
  auto home = on_loop([&] {
    return loop_.bring_home<>(ticket, Loop::Landing::direct, [&] { got.set_value(std::this_thread::get_id()); });
  });
  home();
  EXPECT_EQ(got.get_future().get(), thread_.get_id());
}

TEST_F(LoopTest, AnswersAfterTheEndFindNobody) {
  Ticket ticket;
  bool called = false;
  auto home = on_loop([&] {
    return loop_.bring_home<std::string>(ticket, Loop::Landing::posted, [&](const std::string&) { called = true; });
  });
  stop();
  home("late");
  EXPECT_FALSE(called);
}

TEST_F(LoopTest, GoesOnAfterAnException) {
  loop_.post([] { throw std::bad_alloc(); });
  EXPECT_TRUE(on_loop([] { return true; }));
}

TEST_F(LoopTest, DatesAreThoseOfHttp) {
  const auto date = on_loop([&] { return std::string(loop_.date()); });
  EXPECT_EQ(date.size(), 29U) << date;
  EXPECT_TRUE(date.ends_with(" GMT")) << date;
}

}  // namespace
}  // namespace hotwell::server

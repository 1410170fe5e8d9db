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
    return loop_.bring_home<int>(ticket, [&](int value) { got.set_value({value, std::this_thread::get_id()}); });
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
    return loop_.bring_home<int>(ticket, [&](int) { called = true; });
  });
  home(1);
  EXPECT_FALSE(on_loop([&] { return called; }));
}

TEST_F(LoopTest, AnswersAfterTheEndFindNobody) {
  Ticket ticket;
  bool called = false;
  auto home =
      on_loop([&] { return loop_.bring_home<std::string>(ticket, [&](const std::string&) { called = true; }); });
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

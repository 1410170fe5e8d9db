#include "pool/loop.hpp"

#include <future>
#include <semaphore>
#include <thread>

#include <gtest/gtest.h>

namespace hotwell::pool {
namespace {

using namespace std::chrono_literals;

/// A loop on a thread of its own, and a job count that says whether it rests.
class LoopTest : public ::testing::Test {
 protected:
  LoopTest()
      : thread_([this] {
          own_ = std::this_thread::get_id();
          loop_.run([this] { return jobs_ == 0; });
        }) {}
  ~LoopTest() override {
    loop_.post([this] { loop_.stop(); });
    thread_.join();
  }

  /// A blocking call as the pool makes it: leads where it may, else is served by the loop's own thread. Says who ran
  /// it.
  std::thread::id call() {
    std::thread::id ran;
    std::binary_semaphore served{0};
    bool done = false;
    const auto serve = [&] {
      ran = std::this_thread::get_id();
      EXPECT_TRUE(loop_.here());
      loop_.expect_caller();
      done = true;
    };
    if (!loop_.lead([&] { boost::asio::post(loop_.context(), serve); }, [&] { return done; })) {
      loop_.post([&] {
        serve();
        served.release();
      });
      served.acquire();
    }
    return ran;
  }

  /// Calls until the own thread had time to step aside and let this one lead.
  bool leads_at_last() {
    for (int i = 0; i < 100'000; ++i)
      if (call() == std::this_thread::get_id()) return true;
    return false;
  }

  Loop loop_;
  int jobs_ = 0;  ///< on the loop
  std::thread::id own_;
  std::thread thread_;
};

TEST_F(LoopTest, ACallerThatComesBackLeads) {
  EXPECT_FALSE(loop_.here());
  EXPECT_TRUE(leads_at_last());
  EXPECT_FALSE(loop_.here());
}

TEST_F(LoopTest, WhatOthersPostIsRunByTheOwnThreadOnceTheCallerHasLeft) {
  ASSERT_TRUE(leads_at_last());
  for (int i = 0; i < 100; ++i) {
    std::promise<std::thread::id> ran;
    loop_.post([&] { ran.set_value(std::this_thread::get_id()); });
    EXPECT_EQ(ran.get_future().get(), own_);
    ASSERT_TRUE(leads_at_last());
  }
}

TEST_F(LoopTest, TheOwnThreadComesBackWhereWorkIsLeft) {
  ASSERT_TRUE(leads_at_last());
  std::promise<std::thread::id> ran;
  bool left_behind = false;
  while (!left_behind) {  // the first calls may find the own thread at work
    bool done = false;
    left_behind = loop_.lead(
        [&] {
          jobs_ = 1;
          boost::asio::post(loop_.context(), [&] { done = true; });
        },
        [&] { return done; });
    if (!left_behind) call();
  }
  // Straight to the context, past attend(): nobody but the thread that came back runs it.
  boost::asio::post(loop_.context(), [&] {
    jobs_ = 0;
    ran.set_value(std::this_thread::get_id());
  });
  EXPECT_EQ(ran.get_future().get(), own_);
}

TEST_F(LoopTest, WhereOthersPostToTheContextNobodyElseLeads) {
  ASSERT_TRUE(leads_at_last());
  loop_.keep_own_thread();
  call();  // the own thread may have had its place taken once more
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(call(), own_);
}

TEST_F(LoopTest, ManyCallersAndPostersNeverRunAtTheSameTime) {
  int plain = 0;  // touched by every handler, guarded by nothing
  const auto caller = [&] {
    for (int i = 0; i < 2'000; ++i) {
      std::atomic<bool> done{false};
      const auto serve = [&] {
        ++plain;
        loop_.expect_caller();
        done = true;
        done.notify_one();
      };
      if (!loop_.lead([&] { boost::asio::post(loop_.context(), serve); }, [&] { return done.load(); })) {
        std::binary_semaphore served{0};
        loop_.post([&] {
          serve();
          served.release();
        });
        served.acquire();
      }
    }
  };
  {
    std::jthread first{caller}, second{caller};
    std::jthread poster{[&] {
      for (int i = 0; i < 2'000; ++i) loop_.post([&] { ++plain; });
    }};
  }
  std::promise<int> sum;
  loop_.post([&] { sum.set_value(plain); });
  EXPECT_EQ(sum.get_future().get(), 6'000);
}

TEST_F(LoopTest, SpinningFindsWhatComes) {
  loop_.post([this] { loop_.set_spin(50us); });
  for (int i = 0; i < 1000; ++i) call();
  EXPECT_TRUE(leads_at_last());
}

}  // namespace
}  // namespace hotwell::pool

// Computing what is absent: one computation however many ask, patience, stale objects and remembered failures.
#include <atomic>
#include <future>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "cache/failures.hpp"
#include "cache/testing/cache.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;
using test::CacheTest;

std::function<Result<void>(Sink&)> writing(std::string text) {
  return [text = std::move(text)](Sink& sink) { return sink.write(text); };
}

class ComputeTest : public CacheTest {
 protected:
  std::string made(std::string_view key, std::function<Result<void>(Sink&)> compute, ComputeOptions options = {}) {
    const auto object = impl_->get_or_compute(key, std::move(compute), std::move(options));
    return object ? std::string(object->bytes().text()) : to_string(object.error());
  }
  /// Ready once something more is stored.
  std::future<void> next_set() {
    auto promise = std::make_shared<std::promise<void>>();
    set_told_ = impl_->events().on<CacheSet>([promise, once = std::make_shared<std::once_flag>()](const CacheSet&) {
      std::call_once(*once, [&] { promise->set_value(); });
    });
    return promise->get_future();
  }
  Subscription set_told_;
};

TEST_F(ComputeTest, AThousandAskersCauseOneComputation) {
  open();
  constexpr int askers = 1000;
  std::atomic<int> computations{0};
  std::latch ready(askers);
  std::atomic<int> good{0};
  std::vector<std::jthread> threads;
  threads.reserve(askers);
  for (int i = 0; i < askers; ++i) {
    threads.emplace_back([&] {
      ready.arrive_and_wait();
      const auto object = impl_->get_or_compute("key",
                                                [&](Sink& sink) {
                                                  ++computations;
                                                  return sink.write("the one result");
                                                },
                                                {});
      if (object && object->bytes().text() == "the one result") ++good;
    });
  }
  threads.clear();
  EXPECT_EQ(computations, 1);
  EXPECT_EQ(good, askers);
}

TEST_F(ComputeTest, AFailedComputationIsNotRemembered) {
  open();
  const auto failing = [](Sink& sink) -> Result<void> {
    if (auto written = sink.write("half"); !written) return written;
    return fail(Code::corrupt_input, "this cannot be computed");
  };
  for (int i = 0; i < 2; ++i) {
    const auto failed = impl_->get_or_compute("key", failing, {});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::corrupt_input);
    EXPECT_FALSE(impl_->contains("key"));
  }
  const auto threw = impl_->get_or_compute("key", [](Sink&) -> Result<void> { throw std::runtime_error("boom"); }, {});
  ASSERT_FALSE(threw);
  EXPECT_NE(threw.error().message.find("boom"), std::string::npos);
  const auto made = impl_->get_or_compute("key",
                                          [](Sink& sink) {
                                            if (auto written = sink.write("good"); !written) return written;
                                            return sink.seal(4);
                                          },
                                          {});
  EXPECT_EQ(made->bytes().text(), "good");
}

TEST_F(ComputeTest, WhoWaitsNoLongerIsToldAndFailsNobodyElse) {
  open();
  std::latch begun(1);
  std::latch go_on(1);
  auto leader = std::async(std::launch::async, [&] {
    return made("key", [&](Sink& sink) {
      begun.count_down();
      go_on.wait();
      return sink.write("late, but whole");
    });
  });
  begun.wait();
  const auto impatient = impl_->get_or_compute("key", writing("never called"), {.wait = 0ms});
  ASSERT_FALSE(impatient);
  EXPECT_EQ(impatient.error().code, Code::timeout);
  auto patient = std::async(std::launch::async, [&] { return made("key", writing("never called"), {.wait = 1h}); });
  go_on.count_down();
  EXPECT_EQ(leader.get(), "late, but whole");
  EXPECT_EQ(patient.get(), "late, but whole");
}

TEST_F(ComputeTest, TimesThatAreNegativeAreRefused) {
  open();
  for (const ComputeOptions& wrong :
       {ComputeOptions{.wait = -1ms}, {.negative_ttl = -1s}, {.stale_while_revalidate = -1s}})
    EXPECT_EQ(impl_->get_or_compute("key", writing("x"), wrong).error().code, Code::invalid_argument);
}

TEST_F(ComputeTest, AStaleObjectIsReturnedAtOnceAndMadeAnewBehindTheBack) {
  open();
  const ComputeOptions options{.store = {.ttl = 60s}, .stale_while_revalidate = 30s};
  EXPECT_EQ(made("page", writing("first"), options), "first");
  clock_.advance(59s);
  EXPECT_EQ(made("page", writing("never called"), options), "first");
  clock_.advance(2s);
  auto set = next_set();
  EXPECT_EQ(made("page", writing("second"), options), "first");
  set.wait();
  EXPECT_EQ(made("page", writing("never called"), options), "second");
}

TEST_F(ComputeTest, WhereNobodyAskedInTimeThereIsNothingToReturnMeanwhile) {
  open();
  const ComputeOptions options{.store = {.ttl = 60s}, .stale_while_revalidate = 30s};
  EXPECT_EQ(made("page", writing("first"), options), "first");
  clock_.advance(91s);
  EXPECT_EQ(made("page", writing("second"), options), "second");
}

TEST_F(ComputeTest, OneMakesAStaleObjectAnewHoweverManyAsk) {
  open();
  const ComputeOptions options{.store = {.ttl = 60s}, .stale_while_revalidate = 30s};
  EXPECT_EQ(made("page", writing("first"), options), "first");
  clock_.advance(61s);
  std::latch go_on(1);
  std::atomic<int> computations{0};
  auto set = next_set();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(made(
                  "page",
                  [&](Sink& sink) {
                    ++computations;
                    go_on.wait();
                    return sink.write("second");
                  },
                  options),
              "first");
  }
  go_on.count_down();
  set.wait();
  EXPECT_EQ(computations, 1);
  EXPECT_EQ(made("page", writing("never called"), options), "second");
}

TEST_F(ComputeTest, AFailedRefreshLeavesTheStaleObject) {
  open();
  const ComputeOptions options{.store = {.ttl = 60s}, .negative_ttl = 10s, .stale_while_revalidate = 30s};
  EXPECT_EQ(made("page", writing("first"), options), "first");
  clock_.advance(61s);
  std::promise<void> failed;
  EXPECT_EQ(made(
                "page",
                [&](Sink&) -> Result<void> {
                  failed.set_value();
                  return fail(Code::io, "the source is down");
                },
                options),
            "first");
  failed.get_future().wait();
  // While the flight lasts nobody computes, and when it is over the failure is remembered.
  EXPECT_EQ(made("page", writing("never called"), options), "first");
  EXPECT_EQ(get("page"), "first");
}

TEST_F(ComputeTest, ACacheThatEndsWhileItRefreshesLeavesNothingBehind) {
  const ComputeOptions options{.store = {.ttl = 60s}, .stale_while_revalidate = 30s};
  open();
  EXPECT_EQ(made("page", writing("first"), options), "first");
  clock_.advance(61s);
  EXPECT_EQ(made("page", writing("second"), options), "first");
  open();
  const auto found = get("page");
  EXPECT_TRUE(found == "first" || found == "second") << found.value_or("nothing");
}

TEST_F(ComputeTest, AFailureIsRememberedAsLongAsAsked) {
  open();
  std::atomic<int> computations{0};
  const auto failing = [&](Sink&) -> Result<void> {
    ++computations;
    return fail(Code::not_found, "there is no such picture");
  };
  const ComputeOptions options{.negative_ttl = 10s};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(impl_->get_or_compute("key", failing, options).error().code, Code::not_found);
  EXPECT_EQ(computations, 1);
  clock_.advance(10s);
  EXPECT_EQ(impl_->get_or_compute("key", failing, options).error().code, Code::not_found);
  EXPECT_EQ(computations, 2);
  // What somebody stores, and what somebody deletes, ends it.
  ASSERT_TRUE(impl_->set("key", "there it is", {}));
  EXPECT_EQ(made("key", failing, options), "there it is");
  ASSERT_TRUE(impl_->erase("key"));
  EXPECT_FALSE(impl_->get_or_compute("key", failing, options));
  EXPECT_EQ(computations, 3);
  ASSERT_TRUE(impl_->erase("key"));
  EXPECT_EQ(made("key", writing("anew"), options), "anew");
}

TEST_F(ComputeTest, AnEmptyResultIsAHitFromThenOn) {
  open();
  EXPECT_EQ(made("empty", [](Sink&) { return Result<void>{}; }), "");
  EXPECT_EQ(made("empty", writing("computed again")), "");
}

TEST_F(ComputeTest, AMissHasTheTypeThatWasToBeStored) {
  open();
  ASSERT_TRUE(impl_->set("plain", "untyped", {}));
  EXPECT_EQ(made("a", writing("12345"), {.store = {.type = "page"}}), "12345");
  EXPECT_EQ(made("a", writing("12345"), {.store = {.type = "page"}}), "12345");
  EXPECT_TRUE(impl_->try_get("a"));
  EXPECT_TRUE(impl_->get("plain").value());
  const auto stats = impl_->stats();
  ASSERT_EQ(stats.types.size(), 1U);
  const auto& page = stats.types.at("page");
  EXPECT_EQ(page.sets, 1U);
  EXPECT_EQ(page.stored.count, 5U);
  EXPECT_EQ(page.hits, 2U);
  EXPECT_EQ(page.misses, 1U);
  EXPECT_EQ(page.served.count, 10U);
  EXPECT_EQ(stats.memory.served.count, 10U + 7U);
  EXPECT_EQ(stats.total.served, stats.memory.served);
}

TEST_F(ComputeTest, TypesBeyondTheTableShareOne) {
  open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(impl_->set("key", "x", {.type = "type" + std::to_string(i)}));
  const auto types = impl_->stats().types;
  EXPECT_EQ(types.size(), 65U);
  EXPECT_EQ(types.at("__other__").sets, 36U);
  EXPECT_EQ(types.at("type7").sets, 1U);
}

TEST_F(ComputeTest, JitterLetsWhatWasStoredTogetherExpireApart) {
  auto jittered = options();
  jittered.ttl_jitter = 0.5;
  open(jittered);
  const auto now = clock_.wall();
  WallTime soonest = WallTime::max();
  WallTime latest = WallTime::min();
  for (int i = 0; i < 200; ++i) {
    const auto key = "key" + std::to_string(i);
    ASSERT_TRUE(impl_->set(key, "x", {.ttl = 100s}));
    const auto expires = impl_->get(key).value()->expires;
    soonest = std::min(soonest, expires);
    latest = std::max(latest, expires);
  }
  EXPECT_GE(soonest - now, 50s);
  EXPECT_LT(soonest - now, 60s);
  EXPECT_GT(latest - now, 90s);
  EXPECT_LE(latest - now, 100s);
  jittered.ttl_jitter = 1.5;
  EXPECT_EQ(Cache::open(jittered).error().code, Code::invalid_argument);
}

TEST(Failures, TheFirstToBeForgottenMakesRoom) {
  cache::Failures failures;
  const WallTime now{1000h};
  for (std::size_t i = 0; i <= cache::Failures::most; ++i)
    failures.remember(std::to_string(i), {Code::io, "down"}, now + std::chrono::seconds{i + 1});
  EXPECT_FALSE(failures.find("0", now));
  EXPECT_TRUE(failures.find("1", now));
  EXPECT_FALSE(failures.find("1", now + 2s));
  failures.clear();
  EXPECT_FALSE(failures.find("9999", now));
}

}  // namespace
}  // namespace hotwell

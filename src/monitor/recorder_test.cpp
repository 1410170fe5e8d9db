#include "monitor/recorder.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;

struct Both {
  Tally tally;
  Histogram histogram;
};

Both read(const Recorder& recorder, std::size_t series, Recorder::Extremes extremes = Recorder::Extremes::peek) {
  Both both;
  recorder.read(series, extremes, both.tally, both.histogram);
  return both;
}

std::map<std::string, std::uint64_t> totals(const Recorder& recorder) {
  std::map<std::string, std::uint64_t> all;
  for (std::size_t i = 0; i < recorder.series_count(); ++i)
    if (const auto count = recorder.count(i); count != 0) all[recorder.name(i)] = count;
  return all;
}

using Totals = std::map<std::string, std::uint64_t>;

TEST(Recorder, CountsByEndpointAndOutcome) {
  Recorder recorder;
  recorder.record(1ms, RequestOutcome::ok, "a");
  recorder.record(3ms, RequestOutcome::failed, "a");
  recorder.record(2ms, RequestOutcome::client_error, "a");
  recorder.record(5ms, RequestOutcome::ok, "b");
  EXPECT_EQ(totals(recorder), (Totals{{"a", 3}, {"b", 1}}));
  const Both a = read(recorder, 1);
  EXPECT_EQ(recorder.name(1), "a");
  EXPECT_EQ(a.tally.outcomes, (std::array<std::uint64_t, 3>{1, 1, 1}));
  EXPECT_EQ(a.tally.failed(), 1U);
  EXPECT_EQ(a.tally.sum, 6'000'000U);
  EXPECT_EQ(a.tally.min, 1'000'000U);
  EXPECT_EQ(a.tally.max, 3'000'000U);
  EXPECT_EQ(a.histogram.total(), 3U);
}

TEST(Recorder, NoCountIsLostWithTwoWritersAndAReader) {
  Recorder recorder;
  constexpr std::uint64_t each = 500'000;
  std::atomic<int> running{2};
  const auto write = [&](std::uint64_t offset) {
    for (std::uint64_t i = 0; i < each; ++i)
      recorder.record(Duration{static_cast<Duration::rep>(offset + i)}, RequestOutcome::ok, i % 3 == 0 ? "x" : "y");
    running.fetch_sub(1);
  };
  std::jthread one(write, 0);
  std::jthread two(write, each);
  std::uint64_t seen = 0;
  while (running.load() != 0) {
    Both both;
    for (std::size_t i = 0; i < recorder.series_count(); ++i)
      recorder.read(i, Recorder::Extremes::peek, both.tally, both.histogram);
    EXPECT_GE(both.tally.total(), seen) << "counters never fall";
    seen = both.tally.total();
  }
  one.join();
  two.join();
  Both both;
  for (std::size_t i = 0; i < recorder.series_count(); ++i)
    recorder.read(i, Recorder::Extremes::peek, both.tally, both.histogram);
  EXPECT_EQ(both.tally.total(), 2 * each);
  EXPECT_EQ(both.histogram.total(), 2 * each);
  EXPECT_EQ(both.tally.sum, 2 * each * (2 * each - 1) / 2);
  EXPECT_EQ(both.tally.min, 0U);
  EXPECT_EQ(both.tally.max, 2 * each - 1);
}

TEST(Recorder, ThreadsThatEndLeaveTheirCounts) {
  Recorder recorder;
  for (int i = 0; i < 300; ++i)
    std::jthread([&] {
      recorder.record(1us, RequestOutcome::ok, "same");
      recorder.record(1us, RequestOutcome::ok, i % 2 == 0 ? "even" : "odd");
    }).join();
  EXPECT_EQ(totals(recorder), (Totals{{"same", 300}, {"even", 150}, {"odd", 150}}));
}

TEST(Recorder, EndpointsBeyondTheCapAreCountedTogether) {
  Recorder recorder;
  for (std::size_t i = 0; i < Recorder::max_series + 50; ++i)
    recorder.record(1us, RequestOutcome::ok, "/route/" + std::to_string(i));
  EXPECT_EQ(recorder.series_count(), Recorder::max_series + 1);
  EXPECT_EQ(totals(recorder).at("__other__"), 50U);
  // Another thread knows the frozen names too, and sends the rest to the same place.
  std::jthread([&] {
    recorder.record(1us, RequestOutcome::ok, "/route/7");
    recorder.record(1us, RequestOutcome::ok, "/route/999");
  }).join();
  EXPECT_EQ(totals(recorder).at("/route/7"), 2U);
  EXPECT_EQ(totals(recorder).at("__other__"), 51U);
}

TEST(Recorder, NamesThatNoExportCouldCarryAreCountedTogether) {
  Recorder recorder;
  const std::vector<std::string> bad{"",
                                     std::string(Recorder::max_name + 1, 'x'),
                                     "\xff",
                                     "\xc3",
                                     "a\x80z",
                                     "\xed\xa0\x80",
                                     "\xf4\x90\x80\x80",
                                     "\xe0\x80\x80",
                                     "__other__"};
  for (const auto& name : bad) recorder.record(1us, RequestOutcome::ok, name);
  EXPECT_EQ(totals(recorder), (Totals{{"__other__", bad.size()}}));
  for (const std::string name : {"gr\xc3\xb6\xc3\x9f"
                                 "e",
                                 "\xe2\x82\xac", "\xf0\x9f\x94\xa5", "with \"quotes\"\n"})
    recorder.record(1us, RequestOutcome::ok, name);
  EXPECT_EQ(totals(recorder).size(), 5U);
}

TEST(Recorder, ImpossibleDurationsAreClampedAndCounted) {
  Recorder recorder;
  recorder.record(-5ns, RequestOutcome::ok, "a");
  recorder.record(Duration::max(), RequestOutcome::ok, "a");
  recorder.record(0ns, RequestOutcome::ok, "a");
  const Both a = read(recorder, 1);
  EXPECT_EQ(a.tally.total(), 3U);
  EXPECT_EQ(a.tally.clamped, 2U);
  EXPECT_EQ(a.tally.min, 0U);
  EXPECT_EQ(a.histogram.count(0), 2U);
  EXPECT_EQ(a.histogram.count(Buckets::count - 1), 1U);
}

TEST(Recorder, TakingTheExtremesBeginsNewOnes) {
  Recorder recorder;
  recorder.record(1us, RequestOutcome::ok, "a");
  recorder.record(9us, RequestOutcome::ok, "a");
  EXPECT_EQ(read(recorder, 1).tally.max, 9'000U);
  EXPECT_EQ(read(recorder, 1, Recorder::Extremes::take).tally.max, 9'000U);
  recorder.record(4us, RequestOutcome::ok, "a");
  const Both after = read(recorder, 1);
  EXPECT_EQ(after.tally.min, 4'000U);
  EXPECT_EQ(after.tally.max, 4'000U);
  EXPECT_EQ(after.tally.total(), 3U) << "counts go on";
}

TEST(Recorder, SeveralRecordersInOneThreadDoNotMix) {
  std::vector<std::unique_ptr<Recorder>> recorders;
  for (int i = 0; i < 5; ++i) recorders.push_back(std::make_unique<Recorder>());
  for (int round = 0; round < 10; ++round)
    for (std::size_t i = 0; i < recorders.size(); ++i)
      for (std::size_t n = 0; n <= i; ++n) recorders[i]->record(1us, RequestOutcome::ok, "a");
  for (std::size_t i = 0; i < recorders.size(); ++i) EXPECT_EQ(totals(*recorders[i]), (Totals{{"a", 10 * (i + 1)}}));
  // A new recorder may stand at the address of one that is gone.
  for (int i = 0; i < 20; ++i) {
    recorders.front() = std::make_unique<Recorder>();
    recorders.front()->record(1us, RequestOutcome::ok, "b");
    EXPECT_EQ(totals(*recorders.front()), (Totals{{"b", 1}}));
  }
}

TEST(Recorder, AThreadMayOutliveTheRecorder) {
  auto recorder = std::make_unique<Recorder>();
  std::promise<void> recorded;
  std::promise<void> gone;
  std::jthread thread([&, target = recorder.get()] {
    target->record(1us, RequestOutcome::ok, "a");
    recorded.set_value();
    gone.get_future().wait();
  });
  recorded.get_future().wait();
  EXPECT_EQ(totals(*recorder), (Totals{{"a", 1}}));
  recorder.reset();
  gone.set_value();
}

struct RecordsWhenItDies {
  Recorder* recorder = nullptr;
  ~RecordsWhenItDies() {
    if (recorder != nullptr) recorder->record(1us, RequestOutcome::ok, "late");
  }
};
thread_local RecordsWhenItDies records_when_it_dies;

TEST(Recorder, AThreadLocalDestructorMayStillRecord) {
  Recorder recorder;
  std::jthread([&] {
    records_when_it_dies.recorder = &recorder;  // constructed before the thread's lease: destroyed after it
    recorder.record(1us, RequestOutcome::ok, "early");
  }).join();
  EXPECT_EQ(totals(recorder), (Totals{{"early", 1}, {"late", 1}}));
}

}  // namespace
}  // namespace hotwell::monitor

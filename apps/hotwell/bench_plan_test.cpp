#include "apps/hotwell/bench_plan.hpp"

#include <algorithm>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::cli {
namespace {

using namespace std::chrono_literals;

std::vector<Call> all(CallSource& source) {
  std::vector<Call> calls;
  while (auto call = source.next()) calls.push_back(*call);
  return calls;
}
Mix mix_of(std::string_view text) { return parse_mix(text).value(); }

TEST(BenchPlan, ZipfRanksFollowTheirWeights) {
  const Zipf zipf(1000, 1.0);
  std::mt19937_64 random(test::seed());
  std::uniform_real_distribution<double> unit(0, 1);
  std::map<std::size_t, int> seen;
  for (int i = 0; i < 200'000; ++i) ++seen[zipf.rank(unit(random))];
  EXPECT_NEAR(static_cast<double>(seen[1]) / seen[2], 2.0, 0.15);
  EXPECT_NEAR(static_cast<double>(seen[1]) / seen[10], 10.0, 1.2);
  EXPECT_EQ(zipf.rank(0), 1U);
  EXPECT_EQ(zipf.rank(std::nextafter(1.0, 0.0)), 1000U);
}

RC_GTEST_PROP(BenchPlan, EveryRankLiesInRange, ()) {
  const auto count = *rc::gen::inRange<std::size_t>(1, 500);
  const Zipf zipf(count, *rc::gen::inRange(0, 300) / 100.0);
  const auto rank = zipf.rank(*rc::gen::inRange(0, 1'000'000) / 1e6);
  RC_ASSERT(rank >= 1U && rank <= count);
}

TEST(BenchPlan, AMixKeepsItsRateItsPartsAndItsOrder) {
  MixSource source({.rate = 2000, .duration = 10s, .mix = mix_of("get=3,put=1"), .seed = test::seed()});
  const auto calls = all(source);
  EXPECT_NEAR(static_cast<double>(calls.size()), 20'000, 1000);
  EXPECT_NEAR(
      static_cast<double>(std::ranges::count(calls, CallKind::get, &Call::kind)) / static_cast<double>(calls.size()),
      0.75, 0.03);
  EXPECT_TRUE(std::ranges::is_sorted(calls, {}, &Call::at));
  EXPECT_LT(calls.back().at, 10s);
}

TEST(BenchPlan, SteadyCallsAreEvenlyApartAndTheSeedDecides) {
  const MixOptions options{
      .rate = 100, .duration = 1s, .mix = mix_of("get=1,put=1"), .arrivals = Arrivals::steady, .seed = 7};
  MixSource one(options), two(options);
  const auto first = all(one), second = all(two);
  ASSERT_EQ(first.size(), 100U);
  EXPECT_NEAR(std::chrono::duration<double>(first[50].at).count(), 0.5, 1e-6);
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].key, second[i].key);
    EXPECT_EQ(first[i].kind, second[i].kind);
  }
}

TEST(BenchPlan, AKeyHasOneSizeWithinTheRange) {
  const MixSource source({.mix = mix_of("get=1"), .sizes = {Bytes{100}, Bytes{10'000}}});
  std::uint64_t least = 1'000'000, most = 0;
  for (std::uint64_t key = 1; key < 2000; ++key) {
    const auto size = source.size_of(key).count;
    EXPECT_EQ(size, source.size_of(key).count);
    least = std::min(least, size);
    most = std::max(most, size);
  }
  EXPECT_GE(least, 100U);
  EXPECT_LT(least, 110U);
  EXPECT_LE(most, 10'000U);
  EXPECT_GT(most, 9'000U);
}

TEST(BenchPlan, WrongWordsAreRefusedByName) {
  for (const auto* text : {"", "get", "get=x", "fetch=1", "get=0", "get=-1,put=2", "fill=1", "get=nan"}) {
    const auto mix = parse_mix(text);
    ASSERT_FALSE(mix) << text;
    EXPECT_EQ(mix.error().status, status::usage);
    EXPECT_NE(mix.error().message.find("--mix"), std::string::npos);
  }
  for (const auto* text : {"", "x", "2KiB-1KiB", "0", "1KiB-"}) EXPECT_FALSE(parse_sizes(text)) << text;
  EXPECT_EQ(parse_sizes("1KiB-1MiB").value().most.count, 1U << 20U);
}

TEST(BenchPlan, AnAccessLogsLineIsRead) {
  const auto line = parse_log_line(
      R"(83.149.9.216 - - [17/May/2015:10:05:03 +0200] "GET /images/a.png?x=1 HTTP/1.1" 200 203023 "http://x/" "Mozilla/5.0")");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->path, "/images/a.png?x=1");
  EXPECT_EQ(line->size, 203'023U);
  EXPECT_EQ(line->second, 1'431'849'903);
  EXPECT_EQ(parse_log_line(R"(h - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 304 -)")->size, 0U);
  for (const auto* bad : {"", "words", R"(h - - [17/May/2015:10:05:03 +0000] "POST /a HTTP/1.1" 200 1)",
                          R"(h - - [99/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1)",
                          R"(h - - [17/Mai/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1)",
                          R"(h - - [17/May/2015:10:05:03 +0000] "GET a HTTP/1.1" 200 1)"})
    EXPECT_FALSE(parse_log_line(bad)) << bad;
}

TEST(BenchPlan, ALogKeepsItsTimesOrTakesARate) {
  const test::TempDir folder;
  const auto file = folder.path() / "access.log";
  {
    std::ofstream out(file);
    out << R"(h - - [17/May/2015:10:05:00 +0000] "GET /a HTTP/1.1" 200 10)" << "\n"
        << "not a line\n"
        << R"(h - - [17/May/2015:10:05:00 +0000] "GET /b HTTP/1.1" 200 20)" << "\n"
        << R"(h - - [17/May/2015:10:05:10 +0000] "GET /a HTTP/1.1" 200 10)" << "\n";
  }
  auto timed = LogSource::read(file, {.speed = 10}).value();
  EXPECT_EQ(timed.skipped(), 1U);
  const auto calls = all(timed);
  ASSERT_EQ(calls.size(), 3U);
  EXPECT_EQ(calls[0].at, 0s);
  EXPECT_EQ(calls[1].at, 50ms);  // a second's calls are spread over it
  EXPECT_EQ(calls[2].at, 1s);
  EXPECT_EQ(calls[0].key, calls[2].key);
  EXPECT_EQ(timed.name_of(calls[1].key), "/b");

  auto paced = LogSource::read(file, {.rate = 4, .limit = 2}).value();
  const auto two = all(paced);
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[1].at, 250ms);
  EXPECT_EQ(LogSource::read(folder.path() / "none", {}).error().status, status::usage);
}

}  // namespace
}  // namespace hotwell::cli

#include "apps/hotwell/bench_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "apps/hotwell/json.hpp"

namespace hotwell::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

BenchRuns runs_of(std::size_t gets) {
  BenchRuns runs{.server = "http://127.0.0.1:1", .what = "a <plan>", .connections = 3};
  auto& get = runs.tally.kinds[static_cast<std::size_t>(CallKind::get)];
  for (std::size_t i = gets; i > 0; --i) get.latencies.push_back(static_cast<float>(i) / 1000.0F);
  get.hits = gets / 2;
  get.misses = gets - gets / 2;
  runs.tally.planned = gets;
  runs.tally.seconds = 2;
  runs.tally.statuses = {{200, gets / 2}, {404, gets - gets / 2}};
  return runs;
}

TEST(BenchReport, QuantilesAreRanks) {
  const std::vector<float> values{1, 2, 3, 4};
  EXPECT_EQ(quantile(values, 0.5), 2);
  EXPECT_EQ(quantile(values, 0.51), 3);
  EXPECT_EQ(quantile(values, 1), 4);
  EXPECT_EQ(quantile(values, 0), 1);
  EXPECT_EQ(quantile({}, 0.5), 0);
}

TEST(BenchReport, PeopleReadLatenciesHitsAndWhatWentWrong) {
  auto runs = runs_of(1000);
  runs.tally.waited = 5;
  runs.tally.latest = 0.25;
  const auto text = bench_text(runs);
  EXPECT_THAT(text, HasSubstr("500.00 ms"));
  EXPECT_THAT(text, HasSubstr("990.00 ms"));
  EXPECT_THAT(text, HasSubstr("500.0 answers a second over 3 connections"));
  EXPECT_THAT(text, HasSubstr("50.0 % of 1000 look-ups hit"));
  EXPECT_THAT(text, HasSubstr("5 calls found every connection busy"));
  EXPECT_THAT(text, HasSubstr("status 404: 500 times"));
  EXPECT_THAT(text, Not(HasSubstr("put")));
}

TEST(BenchReport, ProgramsReadBaseUnits) {
  auto runs = runs_of(1000);
  const auto json = bench_json(runs);
  EXPECT_NEAR(number_at(json, "/operations/get/latency/p99"), 0.99, 1e-6);
  EXPECT_NEAR(number_at(json, "/operations/get/latency/max"), 1.0, 1e-6);
  EXPECT_EQ(number_at(json, "/statuses/404"), 500);
  EXPECT_EQ(number_at(json, "/rate"), 500);
}

TEST(BenchReport, ThePlotHasALineForEachOperationAndKeepsNamesText) {
  auto runs = runs_of(1000);
  const auto svg = bench_svg(runs);
  EXPECT_THAT(svg, HasSubstr("a &lt;plan&gt;"));
  EXPECT_THAT(svg, HasSubstr("get (1000)"));
  EXPECT_THAT(svg, HasSubstr("p99.9"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  BenchRuns none;
  EXPECT_THAT(bench_svg(none), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace hotwell::cli

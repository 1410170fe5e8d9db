#include "apps/hotwell/top_screen.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <boost/json.hpp>

namespace hotwell::cli {
namespace {

using ::testing::HasSubstr;

TopReading busy() {
  TopReading reading;
  reading.server = "http://127.0.0.1:8080";
  reading.metrics = boost::json::parse(R"({
    "window": 60, "requests": {"total": 1250, "failed": 15, "errorRate": 0.012, "throughput": 20.83, "trend": "steady"},
    "latency": {"p50": 0.04, "p95": 0.12, "p99": 0.25, "max": 0.89}, "system": {"cpu": 0.993, "memory": 0.62, "uptime": 100, "cpuCount": 2},
    "cache": {"memory": {"entries": 45, "size": 93564436, "utilization": 0.89, "hitRate": 0.94, "hits": 960, "misses": 60}},
    "workers": {"max": 8, "idle": 3, "busy": 2, "utilization": 0.25}, "queue": {"pending": 5, "byPriority": {"high": 1, "normal": 3, "low": 1}},
    "jobs": {"total": 150, "completed": 145, "failed": 2, "retried": 3}, "performance": {"avgExecutionTime": 2.34},
    "alerts": {"active": 1, "types": ["cpu"]}, "recommendations": [{"severity": "critical", "message": "lower pool.max_workers"}],
    "endpoints": [{"endpoint": "GET /media/\u0007odd", "failed": 1, "throughput": 3, "p50": 0.04, "p99": 0.25, "max": 0.89}]})");
  reading.jobs = boost::json::parse(
      R"({"jobs": [{"operation": "transcode", "input": "clip.mp4", "priority": "high", "attempts": 2, "progress": 0.5}]})");
  reading.rates = {1, 5, 20.83};
  return reading;
}

std::string text_of(const std::vector<ScreenLine>& lines) {
  std::string text;
  for (const auto& line : lines) {
    for (const auto& piece : line) text += piece.text;
    text += '\n';
  }
  return text;
}
Ink ink_of(const std::vector<ScreenLine>& lines, std::string_view text) {
  for (const auto& line : lines)
    for (const auto& piece : line)
      if (piece.text.find(text) != std::string::npos) return piece.ink;
  ADD_FAILURE() << text << " is not shown";
  return Ink::plain;
}

TEST(TopScreen, AnOrdinaryTerminalShowsWhatMatters) {
  const auto lines = compose_top(busy(), {});
  EXPECT_EQ(lines.size(), 24U);
  const auto text = text_of(lines);
  for (const auto* part :
       {"Alert: cpu", "lower pool.max_workers", "20.8 /s", "p99 250.00 ms", "99.3 %", "2/8", "high 1, normal 3, low 1",
        "94.0 %", "transcode", "clip.mp4", "50 %", "GET /media/.odd", "q quits"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(TopScreen, RedMeansThatSomethingIsWrong) {
  const auto lines = compose_top(busy(), {});
  EXPECT_EQ(ink_of(lines, "99.3 %"), Ink::bad);
  EXPECT_EQ(ink_of(lines, "62.0 %"), Ink::plain);
  EXPECT_EQ(ink_of(lines, "Alert: cpu"), Ink::bad);
  auto calm = busy();
  calm.metrics.at("alerts").at("types").as_array().clear();
  calm.metrics.at("recommendations").as_array().clear();
  EXPECT_EQ(ink_of(compose_top(calm, {}), "Healthy"), Ink::good);
}

TEST(TopScreen, AGoneServerIsToldInTheLastLine) {
  auto reading = busy();
  reading.trouble = "no server at http://127.0.0.1:8080: Connection refused";
  reading.age = 7;
  const auto lines = compose_top(reading, {24, 160});
  EXPECT_THAT(lines.back().front().text, HasSubstr("The server is gone: no server at"));
  EXPECT_THAT(lines.back().front().text, HasSubstr("7 s old"));
}

RC_GTEST_PROP(TopScreen, NothingLeavesTheScreen, ()) {
  const ScreenSize size{*rc::gen::inRange<std::size_t>(0, 60), *rc::gen::inRange<std::size_t>(0, 220)};
  const auto lines = compose_top(*rc::gen::element(busy(), TopReading{}), size);
  RC_ASSERT(lines.size() <= size.lines);
  for (const auto& line : lines) {
    std::size_t columns = 0;
    for (const auto& piece : line) columns += columns_of(piece.text);
    RC_ASSERT(columns <= size.columns);
  }
}

}  // namespace
}  // namespace hotwell::cli

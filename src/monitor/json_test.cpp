#include <chrono>
#include <fstream>
#include <limits>
#include <sstream>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <hotwell/monitor.hpp>

namespace hotwell {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

/// The numbers of the interface's own example.
Metrics example() {
  Metrics m;
  m.window = 60s;
  m.requests = {.total = 1250,
                .successful = 1235,
                .failed = 15,
                .client_errors = 4,
                .error_rate = 0.012,
                .throughput = 1250.0 / 60,
                .trend = Trend::steady};
  m.latency = {.avg = 45'230us, .p50 = 40'010us, .p95 = 120'450us, .p99 = 250'780us, .min = 5'120us, .max = 890'340us};
  m.system = {.cpu = 0.4567, .memory = 0.6234, .uptime = 48h + 5h + 23min + 59s, .cpu_count = 8};
  m.endpoints = {{.endpoint = "GET /media/\"odd\"\n",
                  .total = 1250,
                  .failed = 15,
                  .client_errors = 4,
                  .throughput = 1250.0 / 60,
                  .avg = 45'230us,
                  .p50 = 40'010us,
                  .p95 = 120'450us,
                  .p99 = 250'780us,
                  .min = 5'120us,
                  .max = 890'340us}};
  m.cache.memory = {
      .entries = 45, .size = {93'564'436}, .utilization = 0.8923, .hits = 960, .misses = 60, .hit_rate = 0.9412};
  m.cache.disk = {
      .entries = 230, .size = {3'704'409'293}, .utilization = 0.69, .hits = 100, .misses = 31, .hit_rate = 0.7634};
  m.cache.stream = {.entries = 3, .size = {1'288'490'189}, .utilization = 0, .hits = 1, .misses = 1, .hit_rate = 0.5};
  m.cache.total = {
      .entries = 275, .size = {3'801'046'057}, .utilization = 0, .hits = 1240, .misses = 87, .hit_rate = 0.9344};
  m.workers = {.max = 8, .min = 2, .idle = 3, .busy = 2, .total = 5, .utilization = 0.4};
  m.queue = {.pending = 5, .by_priority = {1, 3, 1}};
  m.jobs = {.total = 150, .completed = 145, .failed = 2, .cancelled = 1, .retried = 3, .success_rate = 145.0 / 150};
  m.performance = {.avg_execution_time = 2340ms, .worker_reuses = 138, .reuse_rate = 138.0 / 145};
  m.recommendations = {{"health", Severity::info, "System operating within normal parameters"}};
  return m;
}

std::string golden(const std::string& name) {
  std::ifstream file(HOTWELL_SOURCE_DIR "/tests/golden/monitor/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

/// Names, values and order are all that counts: the golden files are indented, the answer is not.
std::string canonical(std::string_view text) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (quoted || (c != ' ' && c != '\n')) out += c;
  }
  return out;
}

TEST(MetricsJson, IsTheShapeOfTheInterface) { EXPECT_EQ(to_json(example()), canonical(golden("metrics.json"))); }

TEST(MetricsJson, RawHasTheSameNamesAndPlainNumbers) {
  EXPECT_EQ(to_raw_json(example()), canonical(golden("metrics-raw.json")));
}

/// Every name of `shape` is in `value`, in that order; others may stand between.
void expect_names(const json::value& shape, const json::value& value, const std::string& path) {
  if (const auto* members = shape.if_object()) {
    ASSERT_TRUE(value.is_object()) << path;
    std::size_t at = 0;
    for (const auto& member : *members) {
      const auto found = value.as_object().find(member.key());
      ASSERT_NE(found, value.as_object().end()) << path << "." << member.key();
      const auto position = static_cast<std::size_t>(found - value.as_object().begin());
      EXPECT_GE(position, at) << path << "." << member.key() << " is out of order";
      at = position;
      expect_names(member.value(), found->value(), path + "." + std::string(member.key()));
    }
  } else if (shape.is_number()) {
    EXPECT_TRUE(value.is_number()) << path;
  } else if (shape.is_string()) {
    EXPECT_TRUE(value.is_string()) << path;
    EXPECT_EQ(value, shape) << path;
  }
}

TEST(MetricsJson, HasEveryNameAndFormatOfThePublishedExample) {
  const auto shape = json::parse(R"({"window":"60s",
   "requests":{"total":1250,"successful":1235,"failed":15,"errorRate":"1.20%","throughput":"20.83 req/s","trend":"steady"},
   "latency":{"avg":"45.23ms","p95":"120.45ms","p99":"250.78ms","min":"5.12ms","max":"890.34ms"},
   "system":{"cpu":"45.67%","memory":"62.34%","uptime":"2d 5h 23m","cpuCount":8},
   "cache":{"memory":{"entries":45,"size":"89.23 MB","utilization":"89.23%","hitRate":"94.12%"},
            "disk":{"entries":230,"size":"3.45 GB","utilization":"69.00%","hitRate":"76.34%"},
            "stream":{"entries":3,"size":"1.20 GB","hitRate":"50.00%"},
            "total":{"entries":275,"size":"3.54 GB","hits":1240,"misses":87}},
   "workers":{"max":8,"min":2,"idle":3,"busy":2,"total":5,"queuePending":5,"byPriority":{"high":1,"normal":3,"low":1},"utilization":"40.00%"},
   "queue":{"pending":5,"byPriority":{"high":1,"normal":3,"low":1}},
   "jobs":{"total":150,"completed":145,"failed":2,"retried":3,"successRate":"96.67%"},
   "performance":{"avgExecutionTime":2340,"workerReuses":138,"reuseRate":"95.17%"},
   "alerts":{"active":0,"types":[]},
   "recommendations":[{"type":"health","severity":"info","message":"System operating within normal parameters"}]})");
  expect_names(shape, json::parse(to_json(example())), "");
}

TEST(MetricsJson, RawAndFormattedHaveTheSameNames) {
  const auto people = json::parse(to_json(example())).as_object();
  const auto raw = json::parse(to_raw_json(example())).as_object();
  ASSERT_EQ(people.size(), raw.size());
  for (const auto& member : people) {
    ASSERT_TRUE(raw.contains(member.key()));
    if (!member.value().is_object()) continue;
    ASSERT_EQ(member.value().as_object().size(), raw.at(member.key()).as_object().size()) << member.key();
    for (const auto& inner : member.value().as_object())
      EXPECT_TRUE(raw.at(member.key()).as_object().contains(inner.key())) << member.key() << "." << inner.key();
  }
}

std::string field(const Metrics& metrics, std::string_view section, std::string_view name) {
  return std::string(json::parse(to_json(metrics)).as_object().at(section).as_object().at(name).as_string());
}

TEST(MetricsJson, SizesTakeTheUnitOfTheirMagnitude) {
  const auto shown = [](std::uint64_t bytes) {
    Metrics m;
    m.cache.memory.size = {bytes};
    return std::string(
        json::parse(to_json(m)).as_object().at("cache").as_object().at("memory").as_object().at("size").as_string());
  };
  EXPECT_EQ(shown(0), "0 B");
  EXPECT_EQ(shown(1023), "1023 B");
  EXPECT_EQ(shown(1024), "1.00 KB");
  EXPECT_EQ(shown((1ULL << 20) - 1), "1.00 MB");
  EXPECT_EQ(shown(1ULL << 20), "1.00 MB");
  EXPECT_EQ(shown(1ULL << 30), "1.00 GB");
  EXPECT_EQ(shown(5ULL << 40), "5.00 TB");
  EXPECT_EQ(shown(5'000ULL << 40), "5000.00 TB");
}

TEST(MetricsJson, UptimeShowsItsTwoOrThreeGreatestUnits) {
  const auto shown = [](Duration uptime) {
    Metrics m;
    m.system.uptime = uptime;
    return field(m, "system", "uptime");
  };
  EXPECT_EQ(shown(900ms), "0s");
  EXPECT_EQ(shown(59s), "59s");
  EXPECT_EQ(shown(61s), "1m 1s");
  EXPECT_EQ(shown(3h + 4min + 5s), "3h 4m");
  EXPECT_EQ(shown(24h), "1d 0h 0m");
}

TEST(MetricsJson, WhatIsNoNumberNeverReachesTheReader) {
  Metrics m;
  m.workers.utilization = std::numeric_limits<double>::quiet_NaN();
  m.cache.disk.hit_rate = std::numeric_limits<double>::infinity();
  EXPECT_EQ(field(m, "workers", "utilization"), "0.00%");
  EXPECT_EQ(json::parse(to_raw_json(m)).as_object().at("workers").as_object().at("utilization").to_number<double>(), 0);
}

TEST(MetricsJson, AdviceComesWithWhatItStandsOnAndTheKnobToTurn) {
  Metrics m = example();
  m.recommendations = {{.type = "workers",
                        .severity = Severity::warning,
                        .message = "raise pool.max_workers",
                        .evidence = {{"queue", 12}, {"cpu", 0.25}},
                        .knob = "pool.max_workers",
                        .effect = "half the wait"}};
  for (const auto& text : {to_json(m), to_raw_json(m)}) {
    const auto one = json::parse(text).at("recommendations").at(0);
    EXPECT_EQ(one.at("knob"), "pool.max_workers");
    EXPECT_EQ(one.at("effect"), "half the wait");
    EXPECT_EQ(one.at("evidence").at("cpu"), 0.25);
    EXPECT_EQ(one.at("evidence").at("queue").to_number<double>(), 12);
  }
}

TEST(MetricsJson, ActiveAlertsAreCountedAndNamed) {
  Metrics m;
  m.alerts.active = {"cpu", "queueDepth"};
  const auto alerts = json::parse(to_json(m)).as_object().at("alerts").as_object();
  EXPECT_EQ(alerts.at("active").as_int64(), 2);
  EXPECT_EQ(json::serialize(alerts.at("types")), R"(["cpu","queueDepth"])");
}

}  // namespace
}  // namespace hotwell

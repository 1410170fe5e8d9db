#include "monitor/recommend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotwell::monitor {
namespace {

using ::testing::HasSubstr;

const MonitorOptions options;

std::vector<std::string> types(const Metrics& metrics) {
  std::vector<std::string> all;
  for (const auto& one : recommend(metrics, options)) all.push_back(one.type);
  return all;
}
using Types = std::vector<std::string>;

TEST(Recommend, HealthySaysSo) {
  const auto all = recommend(Metrics{}, options);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].type, "health");
  EXPECT_EQ(all[0].severity, Severity::info);
  EXPECT_EQ(all[0].message, "System operating within normal parameters");
}

TEST(Recommend, HighCpuAndMemoryNameTheirNumbers) {
  Metrics m;
  m.system.cpu = 0.87;
  m.system.cpu_count = 4;
  m.system.memory = 0.97;
  const auto all = recommend(m, options);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].type, "memory") << "the gravest first";
  EXPECT_EQ(all[0].severity, Severity::critical);
  EXPECT_EQ(all[1].type, "cpu");
  EXPECT_THAT(all[1].message, HasSubstr("87.0% of 4 processors"));
}

TEST(Recommend, ErrorsNameTheEndpointThatFailsMost) {
  Metrics m;
  m.requests = {.total = 100, .successful = 92, .failed = 8, .error_rate = 0.08};
  m.endpoints = {{.endpoint = "GET /a", .total = 90, .failed = 1}, {.endpoint = "GET /b", .total = 10, .failed = 7}};
  const auto all = recommend(m, options);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].severity, Severity::warning);
  EXPECT_THAT(all[0].message, HasSubstr("8 of 100 requests failed (8.0%"));
  EXPECT_THAT(all[0].message, HasSubstr("7 of them on GET /b"));
  m.requests = {.total = 9, .successful = 0, .failed = 9, .error_rate = 1};
  EXPECT_EQ(types(m), Types{"health"}) << "too few to judge";
}

TEST(Recommend, WaitingJobsWithIdleProcessorsWantWorkers) {
  Metrics m;
  m.workers = {.max = 2, .min = 2, .idle = 0, .busy = 2, .total = 2, .utilization = 1};
  m.queue.pending = 12;
  m.system.cpu = 0.2;
  EXPECT_EQ(types(m), Types{"workers"});
  m.system.memory = 0.84;
  EXPECT_EQ(types(m), Types{"health"}) << "more workers would need memory that is not there";
  m.system.memory = 0;
  m.system.cpu = 0.79;
  m.queue.pending = 500;
  EXPECT_EQ(types(m), Types{"queueDepth"}) << "no worker helps busy processors";
}

TEST(Recommend, ASmallMemoryTierAndFailingJobsAreSeen) {
  Metrics m;
  m.cache.memory = {.entries = 9, .size = {100}, .utilization = 0.99, .hits = 300, .misses = 900, .hit_rate = 0.25};
  m.jobs = {.total = 50, .completed = 40, .failed = 10, .retried = 30};
  EXPECT_EQ(types(m), (Types{"jobs", "retries", "memoryTier"}));
}

}  // namespace
}  // namespace hotwell::monitor

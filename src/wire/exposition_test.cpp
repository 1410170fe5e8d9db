#include "wire/exposition.hpp"

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace hotwell::wire {
namespace {

using Type = Exposition::Type;

TEST(Exposition, WritesCountersAndGauges) {
  Exposition to;
  to.family("app_jobs_total", Type::counter, "Jobs by end.");
  to.sample(3, {{"end", "completed"}});
  to.sample(std::numeric_limits<std::uint64_t>::max(), {{"end", "failed"}, {"kind", "media"}});
  to.single("app_load_ratio", Type::gauge, "How busy.", 0.25);
  EXPECT_EQ(std::move(to).take(),
            "# HELP app_jobs_total Jobs by end.\n"
            "# TYPE app_jobs_total counter\n"
            "app_jobs_total{end=\"completed\"} 3\n"
            "app_jobs_total{end=\"failed\",kind=\"media\"} 18446744073709551615\n"
            "# HELP app_load_ratio How busy.\n"
            "# TYPE app_load_ratio gauge\n"
            "app_load_ratio 0.25\n");
}

TEST(Exposition, WritesHistograms) {
  Exposition to;
  to.family("app_seconds", Type::histogram, "Time.");
  to.histogram(std::array{Exposition::Bucket{0.1, 2}, Exposition::Bucket{1, 5}}, 3.5, 6, {{"a", "b"}});
  EXPECT_EQ(std::move(to).take(),
            "# HELP app_seconds Time.\n"
            "# TYPE app_seconds histogram\n"
            "app_seconds_bucket{a=\"b\",le=\"0.1\"} 2\n"
            "app_seconds_bucket{a=\"b\",le=\"1\"} 5\n"
            "app_seconds_bucket{a=\"b\",le=\"+Inf\"} 6\n"
            "app_seconds_sum{a=\"b\"} 3.5\n"
            "app_seconds_count{a=\"b\"} 6\n");
}

TEST(Exposition, EscapesLabelsAndHelp) {
  Exposition to;
  to.family("app_info", Type::gauge, "A \"quoted\" \\ word\nand a line.");
  to.sample(1, {{"path", "C:\\a\n\"b\""}});
  EXPECT_EQ(std::move(to).take(),
            "# HELP app_info A \"quoted\" \\\\ word\\nand a line.\n"
            "# TYPE app_info gauge\n"
            "app_info{path=\"C:\\\\a\\n\\\"b\\\"\"} 1\n");
}

TEST(Exposition, WritesWhatIsNoFiniteNumberAsTheFormatWantsIt) {
  Exposition to;
  to.family("app_odd", Type::gauge, "Odd.");
  to.sample(std::nan(""), {{"n", "1"}});
  to.sample(HUGE_VAL, {{"n", "2"}});
  to.sample(-HUGE_VAL, {{"n", "3"}});
  EXPECT_TRUE(std::move(to).take().ends_with("{n=\"1\"} NaN\napp_odd{n=\"2\"} +Inf\napp_odd{n=\"3\"} -Inf\n"));
}

using ExpositionDeathTest = ::testing::Test;

TEST(ExpositionDeathTest, RefusesWhatTheConventionsForbid) {
  EXPECT_DEATH(Exposition().family("app_jobs", Type::counter, "No _total."), "_total");
  EXPECT_DEATH(Exposition().family("app_jobs_total", Type::gauge, "A gauge."), "_total");
  EXPECT_DEATH(Exposition().family("1app", Type::gauge, "A digit first."), "legal_name");
  EXPECT_DEATH(Exposition().family("app-x", Type::gauge, "A dash."), "legal_name");
  Exposition twice;
  twice.family("app_x", Type::gauge, "Once.");
  EXPECT_DEATH(twice.family("app_x", Type::gauge, "Twice."), "is_new");
}

}  // namespace
}  // namespace hotwell::wire

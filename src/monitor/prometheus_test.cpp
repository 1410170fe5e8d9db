#include "monitor/prometheus.hpp"

#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;

/// A parser of the text format 0.0.4 that shares nothing with the writer: one regular expression a line.
struct Scrape {
  struct Family {
    std::string type;
    std::string help;
    std::map<std::string, double> samples;  ///< "suffix{labels}" to value
  };
  std::map<std::string, Family> families;

  explicit Scrape(const std::string& text) {
    static const std::regex comment(R"re(# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*))re");
    static const std::regex sample(
        R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (NaN|[+-]Inf|[-+0-9.eE]+))re");
    EXPECT_TRUE(text.ends_with('\n'));
    std::istringstream lines(text);
    std::string line;
    std::string current;
    while (std::getline(lines, line)) {
      std::smatch match;
      if (std::regex_match(line, match, comment)) {
        if (match[1] == "HELP") {
          EXPECT_TRUE(families.emplace(match[2], Family{"", match[3], {}}).second) << "twice: " << line;
        } else {
          EXPECT_EQ(match[2], current) << "TYPE follows its HELP";
          families[match[2]].type = match[3];
        }
        current = match[2];
      } else if (std::regex_match(line, match, sample)) {
        const std::string name = match[1];
        EXPECT_TRUE(name.starts_with(current)) << line << " outside of its family " << current;
        const std::string key = name.substr(current.size()) + match[2].str();
        const double value = match[3] == "+Inf" ? HUGE_VAL : std::stod(match[3]);
        EXPECT_TRUE(families[current].samples.emplace(key, value).second) << "twice: " << line;
      } else {
        ADD_FAILURE() << "not a line of the format: " << line;
      }
    }
  }
  [[nodiscard]] double value(const std::string& family, const std::string& key = "") const {
    const auto found = families.find(family);
    if (found == families.end() || !found->second.samples.contains(key)) {
      ADD_FAILURE() << "no sample " << family << key;
      return -1;
    }
    return found->second.samples.at(key);
  }
};

std::string exposition() {
  Monitor monitor({.channels = {{.name = "log"}}});
  monitor.track_job(5ms, "probe");
  monitor.track_job(std::nullopt, "probe");
  for (int i = 0; i < 90; ++i) monitor.track_request(2ms, true, "GET /media");
  for (int i = 0; i < 9; ++i) monitor.track_request(200ms, false, "GET /media");
  monitor.track_request(1h, RequestOutcome::client_error, "GET /media");
  monitor.track_request(1ms, true, "odd \"name\" \\ with\nline");
  monitor.add_source([](Metrics& m) {
    m.cache.memory = {.entries = 3, .size = {1000}, .utilization = 0.5, .hits = 8, .misses = 2, .hit_rate = 0.8};
    m.cache.total = m.cache.memory;
    m.workers = {.max = 8, .min = 2, .idle = 1, .busy = 3, .total = 4, .utilization = 0.375};
    m.workers.use = {{.type = "media", .workers = 4, .cpu = 1.5, .memory = {4000}, .largest = {3000}}};
    m.queue = {.pending = 6, .by_priority = {1, 2, 3}};
    m.jobs = {.total = 10, .completed = 7, .failed = 1, .cancelled = 1, .retried = 2, .success_rate = 0.7};
  });
  return monitor.prometheus();
}

TEST(Prometheus, IsWellFormedAndComplete) {
  const Scrape scrape(exposition());
  EXPECT_GE(scrape.families.size(), 40U);
  for (const auto& [name, family] : scrape.families) {
    EXPECT_TRUE(name.starts_with("hotwell_")) << name;
    EXPECT_FALSE(family.help.empty()) << name;
    EXPECT_EQ(name.ends_with("_total"), family.type == "counter") << name;
    EXPECT_FALSE(family.samples.empty()) << name;
  }
  EXPECT_EQ(scrape.value("hotwell_build_info", "{version=\"" HOTWELL_VERSION "\"}"), 1);
  EXPECT_EQ(scrape.value("hotwell_requests_total", R"({endpoint="GET /media",outcome="ok"})"), 90);
  EXPECT_EQ(scrape.value("hotwell_requests_total", R"({endpoint="GET /media",outcome="failed"})"), 9);
  EXPECT_EQ(scrape.value("hotwell_requests_total", R"({endpoint="GET /media",outcome="client_error"})"), 1);
  EXPECT_EQ(scrape.value("hotwell_requests_total", R"({endpoint="odd \"name\" \\ with\nline",outcome="ok"})"), 1);
  EXPECT_EQ(scrape.value("hotwell_cache_hits_total", R"({tier="memory"})"), 8);
  EXPECT_EQ(scrape.value("hotwell_queue_jobs", R"({priority="low"})"), 3);
  EXPECT_EQ(scrape.value("hotwell_workers", R"({state="busy"})"), 3);
  EXPECT_EQ(scrape.value("hotwell_worker_cpu_processors", R"({type="media"})"), 1.5);
  EXPECT_EQ(scrape.value("hotwell_worker_memory_largest_bytes", R"({type="media"})"), 3000);
  EXPECT_EQ(scrape.value("hotwell_jobs_ended_total", R"({end="completed"})"), 7);
  EXPECT_EQ(scrape.value("hotwell_alert_active", R"({type="cpu"})"), 0);
  EXPECT_GT(scrape.value("hotwell_process_resident_memory_bytes"), 1e6);
}

TEST(Prometheus, HistogramsAreCumulativeAndEndInAll) {
  const Scrape scrape(exposition());
  const std::string name = "hotwell_request_duration_seconds";
  const auto bucket = [&](const std::string& le) {
    return scrape.value(name, R"(_bucket{endpoint="GET /media",le=")" + le + "\"}");
  };
  EXPECT_EQ(bucket("0.001"), 0);
  EXPECT_EQ(bucket("0.0025"), 90);
  EXPECT_EQ(bucket("0.1"), 90);
  EXPECT_EQ(bucket("0.25"), 99);
  EXPECT_EQ(bucket("300"), 99);
  EXPECT_EQ(bucket("+Inf"), 100);
  EXPECT_EQ(scrape.value(name, R"(_count{endpoint="GET /media"})"), 100);
  EXPECT_NEAR(scrape.value(name, R"(_sum{endpoint="GET /media"})"), 90 * 0.002 + 9 * 0.2 + 3600, 1e-9);
  double last = 0;
  for (const auto* le : {"0.0001", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "5",
                         "30", "300", "+Inf"}) {
    EXPECT_GE(bucket(le), last) << le;
    last = bucket(le);
  }
}

/// Writes `text` to a program's standard input; its exit status and what it printed, or nothing where it is missing.
std::optional<std::pair<int, std::string>> pipe_to(const std::string& command, const std::string& text) {
  if (std::system(("command -v " + command.substr(0, command.find(' ')) + " >/dev/null 2>&1").c_str()) != 0)
    return std::nullopt;
  const test::TempDir directory;
  const std::string file = (directory.path() / "metrics").string();
  std::ofstream(file) << text;
  std::string printed;
  FILE* program = popen((command + " < " + file + " 2>&1").c_str(), "r");
  for (int c; (c = std::fgetc(program)) != EOF;) printed += static_cast<char>(c);
  const int status = pclose(program);
  return std::pair{WEXITSTATUS(status), printed};
}

TEST(Prometheus, PromtoolFindsNothingToSay) {
  const auto checked = pipe_to("promtool check metrics", exposition());
  if (!checked) GTEST_SKIP() << "promtool (Debian package prometheus) is not installed";
  EXPECT_EQ(checked->first, 0) << checked->second;
  EXPECT_EQ(checked->second, "");
}

/// The guide's list of families, as the program tells them.
std::string reference() {
  std::string page =
      "# Guide: metrics\n\nThe families of `GET /metrics`, in Prometheus text. Written from the program itself "
      "(`HOTWELL_UPDATE_GOLDEN=1\nbuild/dev/bin/hotwell_monitor_test --gtest_filter=MetricsReference.*`).\n\n"
      "| family | type | labels | what |\n| --- | --- | --- | --- |\n";
  const std::regex label("([a-z_]+)=\"");
  for (const auto& [name, family] : Scrape(exposition()).families) {
    std::string labels;
    const std::string sample = family.samples.begin()->first;
    for (std::sregex_iterator at(sample.begin(), sample.end(), label), end; at != end; ++at)
      if ((*at)[1] != "le") labels += (labels.empty() ? "" : ", ") + (*at)[1].str();
    page += "| `" + name + "` | " + family.type + " | " + labels + " | " + family.help + " |\n";
  }
  return page;
}

TEST(MetricsReference, IsCurrent) {
  const std::string file = HOTWELL_SOURCE_DIR "/docs/guide/metrics.md";
  if (std::getenv("HOTWELL_UPDATE_GOLDEN") != nullptr) std::ofstream(file) << reference();
  std::ifstream stream(file);
  const std::string page{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_EQ(page, reference()) << "HOTWELL_UPDATE_GOLDEN=1 writes it anew";
}

}  // namespace
}  // namespace hotwell

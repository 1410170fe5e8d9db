// hotwell bench against a real daemon.
#include <boost/json.hpp>

#include "tests/integration/cli/fixture.hpp"

namespace hotwell::test {
namespace {

using ::testing::HasSubstr;
namespace json = boost::json;

struct Bench : Cli {
  json::value report(std::vector<std::string> args) {
    args.insert(args.begin(), {"bench", "--server", url(), "--json"});
    const auto ended = hotwell(args);
    EXPECT_EQ(ended.status, 0) << ended.err;
    return json::parse(ended.out.empty() ? "{}" : ended.out);
  }
  static double number(const json::value& value, const char* pointer) {
    return value.at_pointer(pointer).to_number<double>();
  }
};

TEST_F(Bench, EveryPlannedCallIsCountedOnce) {
  const auto daemon = serve();
  const auto found = report({"--rate", "300", "--duration", "500ms", "--arrivals", "steady", "--mix", "get=1,put=1",
                             "--keys", "40", "--size", "100-2000", "--plot", "latency.svg"});
  EXPECT_EQ(number(found, "/calls"), 150);
  const double gets = number(found, "/operations/get/answers"), puts = number(found, "/operations/put/answers");
  EXPECT_EQ(gets + puts, 150);
  EXPECT_EQ(number(found, "/operations/get/hits") + number(found, "/operations/get/misses"), gets);
  EXPECT_GT(number(found, "/operations/get/latency/p50"), 0);
  EXPECT_GE(number(found, "/operations/get/latency/max"), number(found, "/operations/get/latency/p99"));
  EXPECT_EQ(number(found, "/unfinished"), 0);
  EXPECT_THAT(read("latency.svg"), HasSubstr("</svg>"));
  stop(*daemon);
}

// A server that is too slow must not look fast because it was asked less often (coordinated omission).
TEST_F(Bench, LatencyCountsFromTheTimeThatWasMeant) {
  const auto daemon = serve();
  const auto found = report({"--rate", "400", "--duration", "300ms", "--arrivals", "steady", "--mix", "job=1", "--zipf",
                             "0", "--job", R"({"operation":"upper","params":{"n":"{n}"}})", "--connections", "1"});
  EXPECT_EQ(number(found, "/operations/job/answers"), 120);
  EXPECT_GT(number(found, "/waited"), 0);
  // The last call was meant to be sent within the duration, whenever its turn came.
  EXPECT_GE(number(found, "/operations/job/latency/max"), number(found, "/seconds") - 0.3 - 0.01);
  stop(*daemon);
}

TEST_F(Bench, PreloadedKeysAllHit) {
  const auto daemon = serve();
  const auto found =
      report({"--rate", "200", "--duration", "300ms", "--mix", "get=1", "--keys", "20", "--size", "1KiB", "--preload"});
  EXPECT_EQ(number(found, "/operations/get/misses"), 0);
  EXPECT_GT(number(found, "/operations/get/hits"), 0);
  stop(*daemon);
}

TEST_F(Bench, AnAccessLogIsReplayedAgainstTheCache) {
  const auto daemon = serve();
  const auto log = write("access.log", R"(h - - [17/May/2015:10:05:00 +0000] "GET /a.png HTTP/1.1" 200 1000 "-" "x")"
                                       "\n"
                                       R"(h - - [17/May/2015:10:05:01 +0000] "POST /b HTTP/1.1" 200 20 "-" "x")"
                                       "\n"
                                       R"(h - - [17/May/2015:10:05:30 +0000] "GET /a.png HTTP/1.1" 200 1000 "-" "x")"
                                       "\n");
  const auto found = report({"--access-log", log, "--speed", "100"});
  EXPECT_EQ(number(found, "/calls"), 2);
  EXPECT_EQ(number(found, "/operations/get/misses"), 1);
  EXPECT_EQ(number(found, "/operations/get/hits"), 1);
  EXPECT_EQ(number(found, "/operations/fill/answers"), 1);
  EXPECT_THAT(found.at("plan").as_string().c_str(), HasSubstr("1 other lines left out"));
  stop(*daemon);
}

TEST_F(Bench, PeopleGetATable) {
  const auto daemon = serve();
  const auto ended = hotwell({"bench", "--server", url(), "--rate", "100", "--duration", "200ms", "--keys", "5"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("p99.9"));
  EXPECT_THAT(ended.out, HasSubstr("answers a second over 64 connections"));
  stop(*daemon);
}

TEST_F(Bench, BadUsageIsToldByName) {
  const auto daemon = serve();
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{"--mix", "fetch=1"}, "--mix: \"fetch=1\""},
      {{"--mix", "media=1"}, "--media says which"},
      {{"--mix", "job=1"}, "--job says which"},
      {{"--mix", "job=1", "--job", "{"}, "--job is no JSON object"},
      {{"--size", "1KiB-"}, "--size is"},
      {{"--duration", "soon"}, "--duration is \"soon\""},
      {{"--rate", "0"}, "--rate"},
      {{"--speed", "2"}, "--access-log"},
      {{"--access-log", "nowhere.log"}, "nowhere.log"},
  };
  for (const auto& [args, words] : wrong) {
    std::vector<std::string> all{"bench", "--server", url()};
    all.insert(all.end(), args.begin(), args.end());
    const auto ended = hotwell(all);
    EXPECT_EQ(ended.status, 2) << args.back();
    EXPECT_THAT(ended.err, HasSubstr(words));
  }
  stop(*daemon);
  EXPECT_EQ(hotwell({"bench", "--server", url()}).status, 3);
}

}  // namespace
}  // namespace hotwell::test

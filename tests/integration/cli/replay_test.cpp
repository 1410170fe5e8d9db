// hotwell replay, from outside: what it prints, draws and refuses.
#include <boost/json.hpp>

#include "tests/integration/cli/fixture.hpp"

namespace hotwell::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct CliReplay : Cli {
  std::string trace() { return write("trace.csv", "id,size\na,10\nb,30\na,10\nc,100\na,10\n"); }
  Ended replay(std::vector<std::string> more, const std::string& format = "columns:1,2") {
    std::vector<std::string> args{"replay", trace(), "--format", format};
    args.insert(args.end(), more.begin(), more.end());
    return hotwell(args);
  }
};

TEST_F(CliReplay, PrintsCountsForScriptsAndForPeople) {
  const auto ended = replay({"--policy", "lru", "--capacity", "2", "--json"});
  ASSERT_EQ(ended.status, 0) << ended.err;
  const auto counts = boost::json::parse(ended.out);
  EXPECT_EQ(counts.at("requests"), 5);
  EXPECT_EQ(counts.at("hits"), 2);
  EXPECT_EQ(counts.at("misses"), 3);
  EXPECT_DOUBLE_EQ(counts.at("miss_ratio").as_double(), 0.6);
  EXPECT_DOUBLE_EQ(counts.at("byte_miss_ratio").as_double(), 140.0 / 160);
  EXPECT_EQ(counts.at("miss_bytes"), 140);

  const auto text = replay({"--capacity", "105B"});
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("miss ratio"));
}

TEST_F(CliReplay, DrawsACurveOnceAndNeverOverAFileUnasked) {
  const auto ended = replay({"--policy", "lru,default", "--curve", "curve.svg"});
  ASSERT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("default"));
  const auto svg = read("curve.svg");
  EXPECT_THAT(svg, StartsWith("<svg "));
  EXPECT_THAT(svg, HasSubstr("trace.csv"));
  EXPECT_EQ(replay({"--curve", "curve.svg"}).status, 2);
  EXPECT_EQ(read("curve.svg"), svg);
  EXPECT_EQ(replay({"--curve", "curve.svg", "--force"}).status, 0);
}

TEST_F(CliReplay, SaysWhatIsWrongWithTheQuestionOrTheTrace) {
  const auto usage = [&](const Ended& ended, const std::string& words) {
    EXPECT_EQ(ended.status, 2) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(words));
    EXPECT_EQ(ended.out, "");
  };
  usage(replay({"--capacity", "2", "--policy", "magic"}), "wtinylfu");
  usage(replay({"--capacity", "none"}), "capacity");
  usage(replay({}), "--capacity");
  usage(replay({"--capacity", "2"}, "csv"), "columns:KEY[,SIZE]");
  usage(replay({"--capacity", "1MiB"}, "columns:1"), "has no sizes");
  const auto broken = replay({"--capacity", "2"}, "arc");
  EXPECT_EQ(broken.status, 1);
  EXPECT_THAT(broken.err, HasSubstr("line 1: expected"));
  EXPECT_EQ(hotwell({"replay", "absent", "--format", "arc", "--capacity", "2"}).status, 1);
}

}  // namespace
}  // namespace hotwell::test

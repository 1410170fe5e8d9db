// The commands that ask a daemon, the doctor, the demo, and the words of the command line itself (golden files).
#include <cstdlib>

#include <boost/json.hpp>

#include "host/process.hpp"
#include "tests/integration/cli/fixture.hpp"

namespace hotwell::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct CliCommands : Cli {
  // Compares with tests/golden/cli/NAME; HOTWELL_UPDATE_GOLDEN=1 writes it anew.
  static void expect_golden(const std::string& name, const std::string& text) {
    const std::filesystem::path path = std::filesystem::path(HOTWELL_SOURCE_DIR) / "tests/golden/cli" / name;
    if (std::getenv("HOTWELL_UPDATE_GOLDEN")) std::ofstream(path) << text;
    std::ifstream file(path);
    std::ostringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(text, golden.str()) << "after a change that is meant: HOTWELL_UPDATE_GOLDEN=1";
  }
};

TEST_F(CliCommands, HelpIsAsAgreed) {
  const std::vector<std::vector<std::string>> commands{{},
                                                       {"serve"},
                                                       {"run"},
                                                       {"status"},
                                                       {"jobs"},
                                                       {"jobs", "show"},
                                                       {"cache"},
                                                       {"cache", "stat"},
                                                       {"cache", "get"},
                                                       {"cache", "put"},
                                                       {"cache", "warm"},
                                                       {"cache", "verify"},
                                                       {"cache", "rm"},
                                                       {"knobs"},
                                                       {"knobs", "set"},
                                                       {"top"},
                                                       {"bench"},
                                                       {"config"},
                                                       {"replay"},
                                                       {"doctor"},
                                                       {"demo"},
                                                       {"version"}};
  std::string text;
  for (auto args : commands) {
    std::string line = "$ hotwell";
    for (const auto& arg : args) line += " " + arg;
    args.push_back("--help");
    const auto ended = hotwell(args);
    EXPECT_EQ(ended.status, 0) << line;
    EXPECT_EQ(ended.err, "") << line;
    text += line + " --help\n" + ended.out + "\n";
  }
  expect_golden("help.txt", text);
}

TEST_F(CliCommands, BadUsageIsToldAsAgreed) {
  const std::vector<std::vector<std::string>> lines{{},
                                                    {"srve"},
                                                    {"frobnicate"},
                                                    {"serve", "--lisen", "127.0.0.1:0"},
                                                    {"serve", "surplus"},
                                                    {"serve", "--listen"},
                                                    {"serve", "--listen", "nowhere"},
                                                    {"serve", "--memory", "lots"},
                                                    {"serve", "--max-workers", "0"},
                                                    {"serve", "--min-workers", "9"},
                                                    {"serve", "--log-level", "loud"},
                                                    {"serve", "--config", "absent.toml"},
                                                    {"run"},
                                                    {"run", "probe", "absent.mp4"},
                                                    {"run", "probe", "--priority", "urgent"},
                                                    {"run", "probe", "--param", "width"},
                                                    {"jobs", "shwo", "1"},
                                                    {"jobs", "show"},
                                                    {"jobs", "--limit", "0"},
                                                    {"cache"},
                                                    {"cache", "put", "key"},
                                                    {"status", "--server", "https://example.org"},
                                                    {"knobs", "set", "pool.max_workers", "many"},
                                                    {"--versoin"}};
  std::string text;
  for (const auto& args : lines) {
    text += "$ hotwell";
    for (const auto& arg : args) text += " " + arg;
    const auto ended = hotwell(args);
    EXPECT_EQ(ended.out, "");
    text += "\n" + ended.err + "[" + std::to_string(ended.status) + "]\n\n";
  }
  expect_golden("usage.txt", text);
}

TEST_F(CliCommands, VersionIsPrinted) {
  EXPECT_THAT(hotwell({"version"}).out, StartsWith("hotwell 0."));
  EXPECT_EQ(hotwell({"--version"}).out, hotwell({"version"}).out);
}

TEST_F(CliCommands, WithoutAServerTheyExitWith3) {
  const auto nobody = hotwell({"status"});
  EXPECT_EQ(nobody.status, 3);
  EXPECT_THAT(nobody.err, HasSubstr("no daemon holds the data directory " + data().string()));
  // A port that was free a moment ago.
  auto daemon = serve();
  const auto gone = url();
  stop(*daemon);
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"status"}, {"jobs"}, {"knobs"}, {"cache", "stat"}, {"jobs", "show", "x"}, {"cache", "get", "x"}}) {
    auto args = command;
    args.insert(args.end(), {"--server", gone});
    const auto ended = hotwell(args);
    EXPECT_EQ(ended.status, 3) << command.front();
    EXPECT_THAT(ended.err, HasSubstr("no server at " + gone));
  }
}

TEST_F(CliCommands, StatusShowsTheFigures) {
  auto daemon = serve();
  const auto text = hotwell({"status"});
  EXPECT_EQ(text.status, 0) << text.err;
  for (const auto* word : {"server", "requests", "latency", "workers", "queue", "jobs", "memory", "stream"})
    EXPECT_THAT(text.out, HasSubstr(word));
  const auto json = boost::json::parse(hotwell({"status", "--json"}).out);
  EXPECT_TRUE(json.at("requests").at("total").is_number());
  EXPECT_TRUE(json.at("system").at("cpu").is_number());
  stop(*daemon);
}

TEST_F(CliCommands, JobsCanBeListedShownAndTriedAgain) {
  write("notes.txt", "x");
  auto daemon = serve();
  EXPECT_EQ(hotwell({"jobs"}).out, "no jobs\n");
  EXPECT_EQ(hotwell({"run", "upper", "notes.txt"}).status, 0);
  EXPECT_EQ(hotwell({"run", "refuse", "notes.txt"}).status, 1);
  const auto jobs = boost::json::parse(hotwell({"jobs", "--json"}).out).at("jobs").as_array();
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_EQ(jobs[0].at("operation").as_string(), "refuse");
  EXPECT_EQ(jobs[0].at("state").as_string(), "failed");
  const auto only = hotwell({"jobs", "--operation", "upper"});
  EXPECT_THAT(only.out, HasSubstr("upper"));
  EXPECT_THAT(only.out, ::testing::Not(HasSubstr("refuse")));
  EXPECT_EQ(hotwell({"jobs", "--state", "lost"}).status, 2);

  const std::string id(jobs[0].at("id").as_string());
  const auto shown = hotwell({"jobs", "show", id});
  EXPECT_EQ(shown.status, 0);
  EXPECT_EQ(boost::json::parse(shown.out).at("id").as_string(), id);
  const auto again = hotwell({"jobs", "retry", id});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(hotwell({"jobs", "cancel", id}).status, 0);
  const auto absent = hotwell({"jobs", "show", "no-such-job"});
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.err, HasSubstr("no-such-job"));
  stop(*daemon);
}

TEST_F(CliCommands, ObjectsCanBePutFetchedAndRemoved) {
  const std::string bytes = std::string("\0\xFF binary", 9) + std::string(300'000, 'x');
  write("object.bin", bytes);
  auto daemon = serve();
  const std::string key = "a/b c?d&e=f%";
  EXPECT_EQ(hotwell({"cache", "put", key, "object.bin", "--ttl", "1h", "--type", "test"}).status, 0);
  EXPECT_EQ(hotwell({"cache", "get", key}).out, bytes);
  EXPECT_EQ(hotwell({"cache", "get", key, "-o", "copy.bin"}).status, 0);
  EXPECT_EQ(read("copy.bin"), bytes);
  EXPECT_EQ(hotwell({"cache", "get", key, "-o", "copy.bin"}).status, 2);
  EXPECT_EQ(hotwell({"cache", "get", key, "-o", "copy.bin", "--force"}).status, 0);
  EXPECT_THAT(hotwell({"cache", "stat"}).out, HasSubstr("hit rate"));
  EXPECT_EQ(hotwell({"cache", "rm", key}).status, 0);
  const auto gone = hotwell({"cache", "get", key, "-o", "gone.bin"});
  EXPECT_EQ(gone.status, 1);
  EXPECT_FALSE(exists("gone.bin"));
  EXPECT_EQ(hotwell({"cache", "rm", key}).status, 1);
  EXPECT_EQ(hotwell({"cache", "put", key, "object.bin", "--ttl", "soon"}).status, 2);
  EXPECT_EQ(hotwell({"cache", "put", key, "absent.bin"}).status, 1);
  stop(*daemon);
}

TEST_F(CliCommands, KnobsCanBeTurnedWithinTheirRange) {
  auto daemon = serve();
  EXPECT_EQ(hotwell({"knobs", "set", "pool.max_workers", "3"}).status, 0);
  EXPECT_THAT(hotwell({"knobs"}).out, ::testing::ContainsRegex("pool\\.max_workers +3 .* api "));
  EXPECT_EQ(hotwell({"knobs", "set", "pool.max_workers", "100000"}).status, 2);
  EXPECT_EQ(hotwell({"knobs", "set", "pool.no_such", "1"}).status, 1);
  stop(*daemon);
}

TEST_F(CliCommands, TheDoctorLooksAtThisMachine) {
  const auto text = hotwell({"doctor"});
  EXPECT_EQ(text.status, 0) << text.out << text.err;
  for (const auto* word : {"kernel", "processors", "memory", "containment", "landlock", "seccomp", "io_uring",
                           "media worker", "decoders", "encoders", "data directory"})
    EXPECT_THAT(text.out, HasSubstr(word));
  EXPECT_THAT(text.out, ::testing::ContainsRegex("containment +(pid namespace|best effort)"));
  EXPECT_THAT(text.out, ::testing::Not(HasSubstr("no worker processes")));
  EXPECT_FALSE(exists("data")) << "looking makes nothing";
  const auto json = boost::json::parse(hotwell({"doctor", "--json"}).out);
  EXPECT_TRUE(json.at("ok").as_bool());
  EXPECT_GT(json.at("findings").as_array().size(), 10U);

  write("file", "");
  const auto ill = hotwell({"doctor", "--data", (folder() / "file" / "data").string(), "--media-root", "absent"},
                           {"HOTWELL_MEDIA_WORKER=/nonexistent"});
  EXPECT_EQ(ill.status, 1);
  EXPECT_THAT(ill.err, HasSubstr("3 things that the daemon needs are missing"));
}

TEST_F(CliCommands, TheDemoShowsTheWholePath) {
  const auto ended = hotwell({"demo", "--out", "results"});
  EXPECT_EQ(ended.status, 0) << ended.out << ended.err << read("results/hotwell.log");
  for (const auto* word : {"probe", "thumbnail", "transcode", "cold", "cached", "the daemon stopped cleanly"})
    EXPECT_THAT(ended.out, HasSubstr(word));
  for (const auto* file :
       {"results/clip.mp4", "results/clip.probe.json", "results/clip.thumbnail.jpg", "results/clip.transcode.mp4"})
    EXPECT_GT(read(file).size(), 100U) << file;
  const auto absent = hotwell({"demo", "--out", "results", "--media", "absent.mp4"});
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.err, HasSubstr("absent.mp4"));
}

TEST_F(CliCommands, TheDemoCanLeaveItsDaemonRunning) {
  const std::string clip = (folder() / "my clip.mp4").string();
  const std::string make = std::string(HOTWELL_BIN_DIR) + "/hotwell-sample-clip --seconds 1 '" + clip + "'";
  ASSERT_EQ(std::system(make.c_str()), 0);
  const auto ended = hotwell({"demo", "--out", "results", "--media", "my clip.mp4", "--keep"});
  ASSERT_EQ(ended.status, 0) << ended.out << ended.err;
  const auto word_after = [&](std::string_view text) {
    const auto at = ended.out.find(text) + text.size();
    return ended.out.substr(at, ended.out.find_first_of(" \n", at) - at);
  };
  EXPECT_GT(read("results/my clip.thumbnail.jpg").size(), 100U);
  const auto pidfd = host::open_pidfd(std::stoi(word_after("stop it with: kill ")));
  ASSERT_TRUE(pidfd) << pidfd.error().message;
  EXPECT_EQ(hotwell({"status", "--server", word_after("is listening on ")}).status, 0);
  EXPECT_TRUE(host::signal_process(pidfd->get(), SIGTERM));
  pollfd wait{pidfd->get(), POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(hang_limit).count())), 1);
  std::filesystem::remove_all(word_after("its data directory: "));
}

}  // namespace
}  // namespace hotwell::test

// The daemon as a process: what it prints, what it refuses, how it stops and reloads.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/integration/cli/fixture.hpp"

namespace hotwell::test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

using CliServe = Cli;

TEST_F(CliServe, SaysWhereItListensAndNothingElseOnStandardOutput) {
  auto daemon = serve();
  EXPECT_EQ(hotwell({"status"}).status, 0);
  EXPECT_EQ(hotwell({"status", "--server", url()}).status, 0);
  daemon->signal(SIGTERM);
  const auto ended = daemon->wait();
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, MatchesRegex("listening on http://127\\.0\\.0\\.1:[0-9]+\n"));
  EXPECT_THAT(ended.err, HasSubstr("stopped"));
}

TEST_F(CliServe, SigintStopsItToo) {
  auto daemon = serve();
  daemon->signal(SIGINT);
  EXPECT_EQ(daemon->wait().status, 0);
}

TEST_F(CliServe, ASecondSignalStopsItAtOnceAndTakesTheWorkersAlong) {
  const auto hold = make_hold();
  auto daemon = serve();
  auto job = start({"run", "hold", "--param", "fifo=" + (folder() / "hold").string()});
  wait_for(hold, POLLIN);
  daemon->signal(SIGTERM);
  daemon->read_err_until("stopping on SIGTERM");
  daemon->signal(SIGTERM);
  EXPECT_EQ(daemon->wait().status, 128 + SIGTERM);
  wait_for(hold, POLLHUP);
  EXPECT_NE(job->wait().status, 0);
}

TEST_F(CliServe, LeavesNoWorkerWhenItIsKilled) {
  const auto hold = make_hold();
  auto daemon = serve();
  auto job = start({"run", "hold", "--param", "fifo=" + (folder() / "hold").string()});
  wait_for(hold, POLLIN);
  daemon->signal(SIGKILL);
  EXPECT_EQ(daemon->wait().status, 128 + SIGKILL);
  wait_for(hold, POLLHUP);
}

TEST_F(CliServe, APortInUseIsNamed) {
  const FileHandle taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(taken.get(), 1), 0);
  ASSERT_EQ(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string listen = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto ended = hotwell({"serve", "--config", write("daemon.toml", plain), "--listen", listen});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("hotwell: " + listen + " is in use"));
  EXPECT_EQ(ended.out, "");
}

TEST_F(CliServe, ADataDirectoryThatAnotherDaemonHoldsIsNamedWithItsHolder) {
  auto daemon = serve();
  const auto second = hotwell({"serve", "--config", write("daemon.toml", plain), "--listen", "127.0.0.1:0"});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr("is held by process " + std::to_string(daemon->pid())));
  EXPECT_THAT(second.err, HasSubstr(url()));
  EXPECT_EQ(hotwell({"status"}).status, 0);
  stop(*daemon);
}

TEST_F(CliServe, ADataDirectoryThatCannotBeMadeIsNamed) {
  write("file", "not a directory");
  const auto ended = hotwell({"serve", "--config", write("daemon.toml", plain), "--listen", "127.0.0.1:0", "--data",
                              (folder() / "file" / "data").string()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr((folder() / "file" / "data").string()));
}

TEST_F(CliServe, AConfigurationTypoIsRefusedWithItsPlace) {
  const auto file = write("typo.toml", "[pool]\nmax_wrokers = 4\n");
  const auto ended = hotwell({"serve", "--config", file});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("\n" + file + ":2:1: unknown key pool.max_wrokers; did you mean \"max_workers\"?"));
  EXPECT_FALSE(exists("data"));
}

TEST_F(CliServe, FlagsGoOverTheEnvironmentAndThatOverTheFile) {
  const auto file = write("x.toml", "[pool]\nmax_workers = 3\nretries = 1\nmin_workers = 1\n");
  const auto shown = hotwell({"config", "--config", file, "--max-workers", "5"},
                             {"HOTWELL_POOL_MAX_WORKERS=4", "HOTWELL_POOL_RETRIES=2"});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("\nmax_workers = 5\n"));
  EXPECT_THAT(shown.out, HasSubstr("\nretries = 2\n"));
  EXPECT_THAT(shown.out, HasSubstr("\nmin_workers = 1\n"));
  const auto wrong = hotwell({"config"}, {"HOTWELL_POOL_MAX_WORKERS=none"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("HOTWELL_POOL_MAX_WORKERS: expected a whole number"));
}

TEST_F(CliServe, APublicAddressWithoutTokensIsRefused) {
  const auto ended = hotwell({"serve", "--listen", "0.0.0.0:0"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("server.tokens"));
}

TEST_F(CliServe, WantsTheTokenWhereOneIsSet) {
  auto daemon = serve({}, {"HOTWELL_SERVER_TOKENS=open-sesame"});
  const auto without = hotwell({"status"});
  EXPECT_EQ(without.status, 1);
  EXPECT_THAT(without.err, HasSubstr("token"));
  EXPECT_EQ(hotwell({"status"}, {"HOTWELL_TOKEN=open-sesame"}).status, 0);
  EXPECT_EQ(hotwell({"status", "--token-file", write("token", "open-sesame\n")}).status, 0);
  EXPECT_EQ(hotwell({"status"}, {"HOTWELL_TOKEN=wrong"}).status, 1);
  EXPECT_EQ(hotwell({"status", "--token-file", "absent"}).status, 2);
  stop(*daemon);
}

TEST_F(CliServe, SighupAppliesWhatCanChangeAndNamesTheRest) {
  auto daemon = serve();
  std::string changed(plain);
  changed.replace(changed.find("[pool]\n"), 7, "[server]\nresult_hold = \"7m\"\n[pool]\nmax_workers = 5\n");
  write("daemon.toml", changed);
  daemon->signal(SIGHUP);
  const auto log = daemon->read_err_until("reloaded the configuration");
  EXPECT_THAT(log, HasSubstr("pool.max_workers = 5"));
  EXPECT_THAT(log, HasSubstr("these take effect at the next start: server.result_hold"));
  const auto knobs = hotwell({"knobs"});
  EXPECT_THAT(knobs.out, ::testing::ContainsRegex("pool\\.max_workers +5 .* config "));

  write("daemon.toml", "[pool]\nmax_workers = 0\n");
  daemon->signal(SIGHUP);
  daemon->read_err_until("nothing was changed");
  EXPECT_THAT(hotwell({"knobs"}).out, ::testing::ContainsRegex("pool\\.max_workers +5 "));
  stop(*daemon);
}

}  // namespace
}  // namespace hotwell::test

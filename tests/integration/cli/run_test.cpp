// hotwell run: whose engine, which output, which exit status, and what a Ctrl-C leaves.
#include "tests/integration/cli/fixture.hpp"

namespace hotwell::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct CliRun : Cli {
  // On an engine of its own unless a daemon holds the data directory.
  Ended run(std::vector<std::string> args, std::vector<std::string> env = {}) {
    args.insert(args.begin(), "run");
    args.insert(args.end(), {"--config", write("daemon.toml", plain)});
    return hotwell(std::move(args), std::move(env));
  }
  [[nodiscard]] std::size_t files_in_folder() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder())) ++count;
    return count;
  }
};

TEST_F(CliRun, TextGoesToStandardOutput) {
  write("notes.txt", "any executable\n");
  const auto ended = run({"upper", "notes.txt"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "ANY EXECUTABLE\n");
  EXPECT_EQ(ended.err, "");
}

TEST_F(CliRun, TheRestGoesToAFileNamedAfterInputAndOperation) {
  write("notes.txt", "bytes");
  const auto ended = run({"blob", "notes.txt"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(read("notes.blob.bin"), "bytes");
}

TEST_F(CliRun, AnOutputThatExistsIsReplacedOnlyByForce) {
  write("notes.txt", "new");
  write("out.txt", "old");
  const auto kept = run({"upper", "notes.txt", "-o", "out.txt"});
  EXPECT_EQ(kept.status, 2);
  EXPECT_THAT(kept.err, HasSubstr("out.txt exists: --force replaces it"));
  EXPECT_EQ(read("out.txt"), "old");
  EXPECT_EQ(run({"upper", "notes.txt", "-o", "out.txt", "--force"}).status, 0);
  EXPECT_EQ(read("out.txt"), "NEW");

  write("notes.blob.bin", "old");
  EXPECT_EQ(run({"blob", "notes.txt"}).status, 2);
  EXPECT_EQ(read("notes.blob.bin"), "old");
}

TEST_F(CliRun, DashIsStandardOutputAndAPipeGetsItToo) {
  write("notes.txt", "x");
  EXPECT_EQ(run({"blob", "notes.txt", "-o", "-"}).out, "x");
  EXPECT_EQ(run({"blob", "notes.txt", "-o", "/dev/stdout"}).out, "x");
}

TEST_F(CliRun, AFailedJobTellsWhyAndLeavesNoOutput) {
  write("notes.txt", "x");
  write("daemon.toml", plain);
  const auto files = files_in_folder();
  const auto ended = run({"refuse", "notes.txt", "-o", "out"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("hotwell: refuse: "));
  EXPECT_THAT(ended.err, HasSubstr("this will never do"));
  EXPECT_EQ(files_in_folder(), files + 1) << "only the data directory may be new";
}

TEST_F(CliRun, WhatIsNotThereIsNamed) {
  const auto input = run({"upper", "absent.txt"});
  EXPECT_EQ(input.status, 1);
  EXPECT_THAT(input.err, HasSubstr("absent.txt"));
  write("notes.txt", "x");
  const auto operation = run({"uper", "notes.txt"});
  EXPECT_EQ(operation.status, 1);
  EXPECT_THAT(operation.err, HasSubstr("uper"));
  const auto folder_input = run({"upper", "."});
  EXPECT_EQ(folder_input.status, 2);
  EXPECT_THAT(folder_input.err, HasSubstr(". is not a file"));
}

TEST_F(CliRun, BadUsageIsStatus2) {
  write("notes.txt", "x");
  EXPECT_EQ(run({}).status, 2);
  EXPECT_THAT(run({"upper", "notes.txt", "--param", "x"}).err, HasSubstr("expected NAME=VALUE"));
  EXPECT_THAT(run({"upper", "notes.txt", "--timeout", "5"}).err, HasSubstr("expected a duration"));
  EXPECT_THAT(run({"upper", "notes.txt", "--no-progress", "0s"}).err, HasSubstr("expected more than no time"));
  EXPECT_THAT(run({"upper", "notes.txt", "--priority", "urgent"}).err, HasSubstr("urgent"));
  EXPECT_THAT(run({"upper", "notes.txt", "--retries", "many"}).err, HasSubstr("expected a whole number"));
  EXPECT_EQ(run({"upper", "notes.txt", "--retries", "-1"}).status, 2);
}

TEST_F(CliRun, ADaemonThatHoldsTheDirectoryIsAsked) {
  write("notes.txt", "through the daemon");
  auto daemon = serve();
  const auto ended = run({"upper", "notes.txt"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "THROUGH THE DAEMON");
  EXPECT_EQ(run({"blob", "notes.txt"}).status, 0);
  EXPECT_EQ(read("notes.blob.bin"), "through the daemon");
  const auto listed = hotwell({"jobs"});
  EXPECT_THAT(listed.out, HasSubstr("upper"));
  EXPECT_THAT(listed.out, HasSubstr("completed"));
  EXPECT_THAT(listed.out, Not(HasSubstr("tenant")));
  write("theirs.txt", "for one of many");
  EXPECT_EQ(run({"upper", "theirs.txt", "--tenant", "anna & co", "--no-progress", "1m"}).out, "FOR ONE OF MANY");
  EXPECT_THAT(hotwell({"jobs"}).out, HasSubstr("anna & co"));
  const auto failed = run({"refuse", "notes.txt"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, HasSubstr("this will never do"));
  EXPECT_EQ(run({"upper", "notes.txt", "--server", url()}).out, "THROUGH THE DAEMON");
  stop(*daemon);
}

TEST_F(CliRun, AnEmptyInputIsAnInput) {
  write("empty", "");
  EXPECT_EQ(run({"upper", "empty"}).status, 0);
  auto daemon = serve();
  const auto ended = run({"upper", "empty"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "");
  stop(*daemon);
}

TEST_F(CliRun, AStoredObjectCanBeTheInput) {
  write("notes.txt", "stored");
  auto daemon = serve();
  EXPECT_EQ(hotwell({"cache", "put", "a key", "notes.txt"}).status, 0);
  EXPECT_EQ(run({"upper", "cache:a key"}).out, "STORED");
  stop(*daemon);
}

TEST_F(CliRun, RunsSideBySideTakeTurnsOnOneDataDirectory) {
  const auto hold = make_hold();
  write("daemon.toml", plain);
  write("notes.txt", "second");
  auto first = start({"run", "hold", "--param", "fifo=" + (folder() / "hold").string(), "--config", "daemon.toml"});
  wait_for(hold, POLLIN);
  auto second = start({"run", "upper", "notes.txt", "--config", "daemon.toml"});
  second->read_err_until("waiting for process " + std::to_string(first->pid()));
  first->signal(SIGTERM);
  EXPECT_EQ(first->wait().status, 1);
  const auto ended = second->wait();
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "SECOND");
}

TEST_F(CliRun, AnInterruptCancelsTheJobOfItsOwnEngine) {
  const auto hold = make_hold();
  auto job = start({"run", "hold", "--param", "fifo=" + (folder() / "hold").string(), "-o", "out", "--config",
                    write("daemon.toml", plain)});
  wait_for(hold, POLLIN);
  job->signal(SIGINT);
  const auto ended = job->wait();
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("cancelled"));
  wait_for(hold, POLLHUP);
  EXPECT_FALSE(exists("out"));
}

TEST_F(CliRun, AnInterruptCancelsTheJobOfADaemon) {
  const auto hold = make_hold();
  auto daemon = serve();
  auto job = start({"run", "hold", "--param", "fifo=" + (folder() / "hold").string()});
  wait_for(hold, POLLIN);
  job->signal(SIGINT);
  EXPECT_EQ(job->wait().status, 1);
  wait_for(hold, POLLHUP);
  EXPECT_THAT(hotwell({"jobs", "--state", "cancelled"}).out, HasSubstr("hold"));
  stop(*daemon);
}

TEST_F(CliRun, AnyProgramThatSpeaksFramesIsAnOperation) {
  const std::string worker = std::string(HOTWELL_BIN_DIR) + "/hotwell-media-worker";
  const auto config = write("frames.toml",
                            "[media]\nenabled = false\n[[operation]]\nname = \"probe\"\nkind = \"frames\"\n"
                            "content_type = \"application/json\"\nargv = [\"" +
                                worker + "\"]\n");
  write("text.mp4", "this is no film");
  const auto ended = hotwell({"run", "probe", "text.mp4", "--config", config});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("hotwell: probe: "));
}

TEST_F(CliRun, TheMediaOperationsWorkOnFilesWhereverTheyLie) {
  const std::string command =
      std::string(HOTWELL_BIN_DIR) + "/hotwell-sample-clip --seconds 2 " + (folder() / "clip.mp4").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto probe = hotwell({"run", "probe", "clip.mp4"});
  EXPECT_EQ(probe.status, 0) << probe.err;
  EXPECT_THAT(probe.out, HasSubstr("\"duration\""));
  const auto thumbnail = hotwell({"run", "thumbnail", "clip.mp4", "--param", "at=1", "--param", "width=160"});
  EXPECT_EQ(thumbnail.status, 0) << thumbnail.err;
  EXPECT_TRUE(read("clip.thumbnail.jpg").starts_with("\xFF\xD8\xFF"));
  const auto wrong = hotwell({"run", "thumbnail", "clip.mp4", "--param", "width=-5", "-o", "wrong.jpg"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("width"));
  write("text.mp4", "this is no film");
  const auto text = hotwell({"run", "probe", "text.mp4"});
  EXPECT_EQ(text.status, 1);
  EXPECT_EQ(text.out, "");
}

}  // namespace
}  // namespace hotwell::test

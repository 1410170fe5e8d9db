// Workers that speak lines of JSON, well and badly. Each is a few words of shell, so that what it says can be read
// here.
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>

#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

using testing::HasSubstr;

/// Runs `script` for each line that it reads, as $line.
PoolOptions answering(const std::string& script) {
  auto options = frames_options(1);
  options.worker = {.kind = WorkerKind::lines,
                    .argv = {"sh", "-c", "while IFS= read -r line; do " + script + "; done"},
                    .name = "script"};
  return options;
}

/// Shell that takes a member out of $line into a variable of its name; `value` is the pattern, its group the text.
std::string member(const std::string& name, const std::string& value) {
  return name + R"sh(=$(echo "$line" | sed 's/.*")sh" + name + R"sh(":)sh" + value + R"sh(.*/\1/'); )sh";
}

JobEnd run(WorkerPool& pool, Job job = {.operation = "do"}, JobOptions options = {.retries = 0}) {
  return start(pool, std::move(job), std::move(options)).get();
}

TEST(LinesPool, AnswersInTheMessageWarm) {
  WorkerPool pool{answering(R"(echo '{"type":"done","content_type":"text/plain","result":"'$$'"}')")};
  const auto first = run(pool);
  ASSERT_TRUE(first.result) << to_string(first.result.error());
  EXPECT_EQ(first.result->content_type, "text/plain");
  EXPECT_EQ(run(pool).result.value().text(), first.result->text());
}

TEST(LinesPool, SilenceIsStoppedAndABeatBreaksIt) {
  WorkerPool silent{answering("sleep 600")};
  EXPECT_EQ(run(silent, {.operation = "do"}, {.retries = 0, .no_progress = 50ms}).result.error().code,
            Code::no_progress);
  WorkerPool beating{answering(R"(while :; do echo '{"type":"beat"}'; done)")};
  EXPECT_EQ(run(beating, {.operation = "do"}, {.retries = 0, .timeout = 1s, .no_progress = 300ms}).result.error().code,
            Code::timeout);
}

TEST(LinesPool, AJobIsOneLine) {
  WorkerPool pool{answering(R"(printf '{"type":"done","result":%s}\n' "$line")")};
  const auto end = run(pool, {.operation = "resize", .payload = R"({"width":320})", .input_identity = "same"},
                       {.retries = 0, .timeout = 1h});
  ASSERT_TRUE(end.result) << to_string(end.result.error());
  const std::string said{end.result->text()};
  EXPECT_EQ(end.result->content_type, "application/json");
  EXPECT_THAT(said, HasSubstr(R"("operation":"resize","payload":{"width":320},"inputs":[])"));
  EXPECT_THAT(said, HasSubstr(R"("input_identity":"same")"));
}

TEST(LinesPool, ReadsInputsAndWritesItsOutputByPath) {
  TemporaryDirectory directory;
  std::ofstream{directory.path() / "input"} << "the input";
  const auto input = std::make_shared<FileHandle>(::open((directory.path() / "input").c_str(), O_RDONLY | O_CLOEXEC));
  WorkerPool pool{answering(member("inputs", R"sh(\["\([^"]*\)")sh") + member("output", R"sh("\([^"]*\)")sh") +
                            R"sh(tr a-z A-Z <"$inputs" >"$output"; echo '{"type":"done","size":9}')sh")};
  for (int i = 0; i < 2; ++i) {
    const auto end = run(pool, {.operation = "upper", .inputs = {input}});
    ASSERT_TRUE(end.result) << to_string(end.result.error());
    EXPECT_EQ(end.result->text(), "THE INPUT");
  }
}

TEST(LinesPool, AFileOfItsOwnIsCopied) {
  TemporaryDirectory directory;
  const std::string made = (directory.path() / "made").string();
  WorkerPool pool{
      answering("printf 'made elsewhere' >" + made + R"(; echo '{"type":"done","path":")" + made + R"("}')")};
  const auto end = run(pool);
  ASSERT_TRUE(end.result) << to_string(end.result.error());
  EXPECT_EQ(end.result->text(), "made elsewhere");
  WorkerPool absent{answering(R"(echo '{"type":"done","path":"/nowhere/at/all"}')")};
  EXPECT_EQ(run(absent).result.error().code, Code::not_found);
}

TEST(LinesPool, FailuresKeepTheirCodeAndMessage) {
  WorkerPool pool{answering(R"(echo '{"type":"failed","code":"corrupt_input","message":"no good"}')")};
  EXPECT_EQ(run(pool, {.operation = "do"}, {.retries = 3}).result.error(), (Error{Code::corrupt_input, "no good"}));
}

TEST(LinesPool, ProgressIsToldAndOthersLinesAreNot) {
  WorkerPool pool{answering(
      R"(echo '{"type":"progress","fraction":0.5}'; echo '{"type":"done","job":"another","result":"late"}'; echo '{"type":"done","result":"right"}')")};
  std::promise<double> told;
  const auto progress = pool.on<JobProgress>([&](const JobProgress& e) { told.set_value(e.progress); });
  EXPECT_EQ(run(pool).result.value().text(), "right");
  auto fraction = told.get_future();
  ASSERT_EQ(fraction.wait_for(hang_limit), std::future_status::ready);
  EXPECT_DOUBLE_EQ(fraction.get(), 0.5);
}

TEST(LinesPool, CancelIsALineThatAWorkerMayAnswer) {
  auto options = answering(
      R"(case $line in *cancel*) echo '{"type":"failed","code":"cancelled"}';; *) echo '{"type":"progress","fraction":0.1}';; esac)");
  options.kill_grace = hang_limit;
  WorkerPool pool{options};
  std::promise<void> running;
  const auto progress = pool.on<JobProgress>([&](const JobProgress&) { running.set_value(); });
  auto job = start(pool, {.operation = "do"});
  ASSERT_EQ(running.get_future().wait_for(hang_limit), std::future_status::ready);
  EXPECT_TRUE(pool.cancel(job.id));
  EXPECT_EQ(job.get().result.error().code, Code::cancelled);
}

TEST(LinesPool, WhatIsNoMessageIsACrashThatSaysWhy) {
  WorkerPool pool{answering("echo listening on port 80; cat >/dev/null")};
  const auto end = run(pool);
  EXPECT_EQ(end.result.error().code, Code::crashed);
  EXPECT_THAT(end.stderr_tail, HasSubstr("\"listening on port 80\" is no JSON object"));
}

TEST(LinesPool, TheProgramsEndIsTheWorkers) {
  WorkerPool exits{answering("echo last words >&2; exit 3")};
  auto end = run(exits);
  EXPECT_EQ(end.result.error(), (Error{Code::crashed, "worker \"script\" exited with status 3"}));
  EXPECT_EQ(end.stderr_tail, "last words\n");
  WorkerPool dies{answering("kill -11 $$")};
  EXPECT_EQ(run(dies).result.error().message, "worker \"script\" was killed by signal 11 (Segmentation fault)");
  WorkerPool leaves{answering(R"(echo '{"type":"done","result":"done first"}'; exit 0)")};
  // The next job may reach it just before its end: that costs an attempt.
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(run(leaves, {.operation = "do"}, {.retries = 9}).result.value().text(), "done first");
}

TEST(LinesPool, AMissingProgramIsAReadablePermanentError) {
  auto options = answering("");
  options.worker.argv = {"no-such-program-anywhere"};
  WorkerPool pool{options};
  const auto end = run(pool, {.operation = "do"}, {.retries = 3});
  EXPECT_THAT(end.result.error().message,
              testing::StartsWith("worker \"script\" cannot be started: there is no program no-such-program-anywhere"));
  EXPECT_EQ(end.attempts, 0U) << "nothing was tried";
}

TEST(LinesPool, ATimeoutKillsTheTree) {
  HeldPipe pipe;
  WorkerPool pool{answering(member("inputs", R"sh(\["\([^"]*\)")sh") +
                            R"sh((setsid tail -f /dev/null 3>"$inputs" &); cat >/dev/null)sh")};
  Job job{.operation = "do", .inputs = {pipe.write}};
  pipe.write.reset();
  const auto end = run(pool, std::move(job), {.retries = 0, .timeout = 300ms});
  EXPECT_EQ(end.result.error().code, Code::timeout);
  EXPECT_TRUE(ends(pipe.read.get(), 0ms));
}

}  // namespace
}  // namespace hotwell::test

// Workers that are forked from a process which has loaded their program.
#include <csignal>
#include <set>

#include <gmock/gmock.h>

#include "host/process.hpp"
#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

PoolOptions template_options(const char* worker, unsigned max = 2) {
  auto options = frames_options(max);
  options.worker.argv = {program(worker)};
  options.worker.from_template = true;
  options.worker.sandbox = false;
  return options;
}

class Forked : public testing::TestWithParam<const char*> {
 protected:
  Containment containment_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Template, Forked, testing::Values("", "best-effort", "rescan"), [](const auto& which) {
  const std::string wish = which.param;
  return wish.empty() ? "AsAllowedHere" : wish == "rescan" ? "Rescan" : "BestEffort";
});

TEST_P(Forked, WorkersAreCopiesOfOneThatPreparedItself) {
  auto options = template_options("hotwell-test-confined");
  options.reuse_workers = false;
  WorkerPool pool{options};
  std::set<std::string> prepared, workers;
  for (int i = 0; i < 5; ++i) {
    const auto result = pool.execute({.operation = "prepared"});
    ASSERT_TRUE(result) << to_string(result.error());
    prepared.emplace(result->text());
    workers.insert(result->worker);
  }
  EXPECT_EQ(prepared.size(), 1U);
  EXPECT_EQ(workers.size(), 5U);
}

TEST_P(Forked, HasWhatAnExecutedOneHasAndNothingOfTheTemplate) {
  const auto surroundings = [](PoolOptions options) {
    WorkerPool pool{std::move(options)};
    const auto result = pool.execute({.operation = "surroundings"});
    return result ? std::string{result->text()} : to_string(result.error());
  };
  const std::string forked = surroundings(template_options("hotwell-test-worker"));
  EXPECT_THAT(forked, testing::HasSubstr("fd 3\n"));
  EXPECT_EQ(forked, surroundings(frames_options()));
}

TEST_P(Forked, ATimeoutKillsTheWholeTree) {
  WorkerPool pool{template_options("hotwell-test-worker", 1)};
  HeldPipe pipe;
  Job job{.operation = "escape", .inputs = {pipe.write}};
  pipe.write.reset();
  const auto end = start(pool, std::move(job), {.retries = 0, .timeout = 300ms}).get();
  EXPECT_EQ(end.result.error().code, Code::timeout);
  EXPECT_TRUE(ends(pipe.read.get(), 0ms)) << "the job ended before its tree was gone";
}

TEST_P(Forked, ACrashIsItsOwn) {
  WorkerPool pool{template_options("hotwell-test-worker")};
  const auto end = start(pool, {.operation = "crash"}, {.retries = 1}).get();
  EXPECT_EQ(end.result.error().code, Code::crashed);
  EXPECT_EQ(end.stderr_tail, "last words\n");
  EXPECT_EQ(end.attempts, 2U);
  EXPECT_EQ(pool.execute({.operation = "echo", .payload = "here"}).value().text(), "here");
}

TEST_P(Forked, AProgramThatIsNoTemplateIsExecuted) {
  auto options = frames_options(1);
  options.worker.argv = {"python3", std::string{HOTWELL_SOURCE_DIR} + "/examples/workers/word_count_frames.py"};
  options.worker.from_template = true;
  WorkerPool pool{options};
  const auto end = start(pool, {.operation = "other"}, {.retries = 0}).get();
  EXPECT_EQ(end.result.error().message, "this worker counts one input, not other of 0");
}

TEST_P(Forked, AMissingProgramIsSaidAsWithoutATemplate) {
  WorkerPool pool{template_options("no-such-worker")};
  const auto end = start(pool, {.operation = "x"}, {.retries = 3}).get();
  EXPECT_THAT(end.result.error().message, testing::HasSubstr("No such file or directory"));
  EXPECT_EQ(end.attempts, 0U) << "nothing was tried";
}

}  // namespace
}  // namespace hotwell::test

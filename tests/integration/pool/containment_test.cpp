// Nothing that a worker started outlives it, its spawner or its engine, where the kernel encloses it and where it does
// not. Every process here holds a pipe open: its end is the proof.
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/wait.h>

#include "host/process.hpp"
#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

class Contained : public testing::TestWithParam<const char*> {
 protected:
  Containment containment_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Pool, Contained, testing::Values("", "best-effort", "rescan"), [](const auto& which) {
  const std::string wish = which.param;
  return wish.empty() ? "AsAllowedHere" : wish == "rescan" ? "Rescan" : "BestEffort";
});

/// Starts a job that leaves an escaping grandchild behind and then hangs; returns when the grandchild is there.
Started start_escaping(WorkerPool& pool, HeldPipe& pipe, JobOptions options) {
  class Advanced final : public Sink {
   public:
    explicit Advanced(std::shared_ptr<std::promise<void>> there) : there_(std::move(there)) {}
    int fd() const override { return file_.get(); }
    Result<void> write(ByteView) override { return {}; }
    Result<void> advance(std::uint64_t) override {
      there_->set_value();
      return {};
    }
    void set_content_type(std::string) override {}
    Result<void> seal(std::uint64_t) override { return {}; }
    void abandon(Error) override {}

   private:
    FileHandle file_ = host::memory_file("sink").value();
    std::shared_ptr<std::promise<void>> there_;
  };
  auto there = std::make_shared<std::promise<void>>();
  auto escaped = there->get_future();
  options.sink = [there](unsigned) -> Result<std::unique_ptr<Sink>> { return std::make_unique<Advanced>(there); };
  Job job{.operation = "escape", .inputs = {pipe.write}};
  pipe.write.reset();
  auto started = start(pool, std::move(job), std::move(options));
  EXPECT_EQ(escaped.wait_for(hang_limit), std::future_status::ready);
  return started;
}

TEST_P(Contained, SaysHow) {
  WorkerPool pool{frames_options()};
  EXPECT_THAT(pool.containment(), testing::StartsWith(*GetParam() != 0 ? "best effort: " : ""));
}

TEST_P(Contained, RegressionATimeoutKillsTheWholeTree) {
  WorkerPool pool{frames_options(1)};
  HeldPipe pipe;
  auto job = start_escaping(pool, pipe, {.retries = 0, .timeout = 300ms});
  const auto end = job.get();
  EXPECT_EQ(end.result.error().code, Code::timeout);
  EXPECT_TRUE(ends(pipe.read.get(), 0ms)) << "the job ended before its tree was gone";
}

TEST_P(Contained, CancelKillsTheWholeTree) {
  WorkerPool pool{frames_options(1)};
  HeldPipe pipe;
  auto job = start_escaping(pool, pipe, {});
  pool.cancel(job.id);
  EXPECT_EQ(job.get().result.error().code, Code::cancelled);
  EXPECT_TRUE(ends(pipe.read.get(), 0ms));
}

TEST_P(Contained, AWorkersOwnEndTakesItsTreeAlong) {
  WorkerPool pool{frames_options(1)};
  HeldPipe pipe;
  Job job{.operation = "escape_and_exit", .inputs = {pipe.write}};
  pipe.write.reset();
  EXPECT_EQ(start(pool, std::move(job), {.retries = 0}).get().result.error().code, Code::crashed);
  EXPECT_TRUE(ends(pipe.read.get()));
}

TEST_P(Contained, RegressionDrainKillsTheTreeAndNothingRetriesAfterwards) {
  WorkerPool pool{frames_options(1)};
  HeldPipe pipe;
  auto job = start_escaping(pool, pipe, {.retries = 3});
  auto queued = start(pool, {.operation = "noop"}, {.retries = 3});
  const auto drained = pool.drain(10ms);
  ASSERT_FALSE(drained);
  EXPECT_EQ(drained.error().code, Code::timeout);
  EXPECT_TRUE(ends(pipe.read.get(), 0ms));
  const auto end = job.get();
  EXPECT_EQ(end.result.error().code, Code::cancelled);
  EXPECT_EQ(end.attempts, 0U) << "an attempt lost to a drain is not charged";
  EXPECT_EQ(queued.get().result.error().code, Code::cancelled);
  EXPECT_EQ(pool.stats().workers.total, 0U);
  EXPECT_EQ(pool.stats().jobs.retried, 0U);
}

TEST_P(Contained, TheDestructorLeavesNothing) {
  HeldPipe pipe;
  std::optional<Started> job;
  {
    WorkerPool pool{frames_options(1)};
    job = start_escaping(pool, pipe, {});
  }
  EXPECT_EQ(job->get().result.error().code, Code::cancelled);
  EXPECT_TRUE(ends(pipe.read.get(), 0ms));
}

/// The spawner that this process started: the child that is not a warden.
pid_t spawner_pid() {
  std::ifstream children{"/proc/self/task/" + std::to_string(::getpid()) + "/children"};
  // The pool's thread started it, so it is that thread's child.
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream list{task.path() / "children"};
    pid_t pid = 0;
    if (list >> pid) return pid;
  }
  return 0;
}

TEST_P(Contained, TheSpawnersDeathCostsNoAttempt) {
  WorkerPool pool{frames_options(1)};
  HeldPipe pipe;
  std::promise<void> again;
  std::atomic<int> starts{0};
  const auto started = pool.on<JobStarted>([&](const JobStarted& e) {
    if (e.operation == "wait" && ++starts == 2) again.set_value();
  });
  std::promise<void> up;
  const auto worker = pool.on<WorkerStarted>([&, first = true](const WorkerStarted&) mutable {
    if (std::exchange(first, false)) up.set_value();
  });
  auto job = start(pool, {.operation = "wait"}, {.retries = 0});
  ASSERT_EQ(up.get_future().wait_for(hang_limit), std::future_status::ready);
  const pid_t spawner = spawner_pid();
  ASSERT_GT(spawner, 0);
  ASSERT_EQ(::kill(spawner, SIGKILL), 0);
  ASSERT_EQ(again.get_future().wait_for(hang_limit), std::future_status::ready);
  EXPECT_TRUE(pool.cancel(job.id));
  const auto end = job.get();
  EXPECT_EQ(end.result.error().code, Code::cancelled);
  EXPECT_EQ(end.attempts, 1U);
  EXPECT_TRUE(pool.execute({.operation = "noop"}));
}

/// A process with a pool whose workers, and what escaped from them, hold a pipe open.
class EngineProcess {
 public:
  explicit EngineProcess(const std::string& containment) {
    auto pipe = host::make_pipe().value();
    auto ready = host::make_pipe().value();
    launched_ =
        host::launch({.program = program("hotwell-test-engine"),
                      .argv = {"hotwell-test-engine", program("hotwell-spawner"), program("hotwell-test-worker")},
                      .env = {"HOTWELL_CONTAINMENT=" + containment},
                      .descriptors = {{pipe.write.get(), 10}, {ready.write.get(), 11}}})
            .value();
    pipe.write = FileHandle{};
    ready.write = FileHandle{};
    held_ = std::move(pipe.read);
    EXPECT_TRUE(ends(ready.read.get())) << "the engine did not get its workers up";
  }
  ~EngineProcess() {
    kill();
    ::waitpid(launched_.pid, nullptr, 0);
  }
  EngineProcess(const EngineProcess&) = delete;
  EngineProcess& operator=(const EngineProcess&) = delete;

  void kill() { host::signal_process(launched_.pidfd.get(), SIGKILL); }
  [[nodiscard]] bool left_nothing() { return ends(held_.get()); }
  [[nodiscard]] pid_t pid() const { return launched_.pid; }

 private:
  host::Launched launched_;
  FileHandle held_;
};

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(parent) + "/task")) {
    std::ifstream list{task.path() / "children"};
    for (pid_t pid = 0; list >> pid;) found.push_back(pid);
  }
  return found;
}

TEST_P(Contained, AnEngineKilledBySignal9LeavesNothing) {
  EngineProcess engine{GetParam()};
  engine.kill();
  EXPECT_TRUE(engine.left_nothing()) << "something outlived the engine";
}

TEST_P(Contained, AnEngineAndItsSpawnerKilledTogetherLeaveNothing) {
  EngineProcess engine{GetParam()};
  const auto spawners = children_of(engine.pid());
  ASSERT_EQ(spawners.size(), 1U);
  // In namespaces the engine's child only waits for the spawner itself; a sub-reaper's children are the wardens.
  const bool best_effort = *GetParam() != 0;
  std::vector<pid_t> doomed = best_effort ? std::vector<pid_t>{} : children_of(spawners.front());
  EXPECT_EQ(doomed.size(), best_effort ? 0U : 1U);
  doomed.insert(doomed.begin(), spawners.front());
  engine.kill();
  for (const pid_t pid : doomed) ::kill(pid, SIGKILL);
  EXPECT_TRUE(engine.left_nothing()) << "something outlived engine and spawner";
}

}  // namespace
}  // namespace hotwell::test

// Warm workers that speak frames: results, errors, cancellation, timeouts, statistics, events.
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <boost/asio/use_future.hpp>

#include "host/process.hpp"
#include "tests/integration/pool/support.hpp"

namespace hotwell::test {
namespace {

using testing::HasSubstr;

TEST(FramesPool, AnswersInlineByDescriptorAndBeyondTheInlineLimit) {
  WorkerPool pool{frames_options()};
  auto echoed = pool.execute({.operation = "echo", .payload = "hello"});
  ASSERT_TRUE(echoed) << to_string(echoed.error());
  EXPECT_EQ(echoed->text(), "hello");
  EXPECT_EQ(echoed->content_type, "text/plain");
  EXPECT_EQ(echoed->size, 5U);
  EXPECT_EQ(pool.execute({.operation = "write", .payload = "written"}).value().text(), "written");
  const std::string large(300'000, 'p');
  EXPECT_EQ(pool.execute({.operation = "write", .payload = large}).value().text(), large);
  EXPECT_EQ(pool.execute({.operation = "long", .payload = "200000"}).value().text(), std::string(200'000, 'x'));
  EXPECT_EQ(pool.execute({.operation = "noop"}).value().size, 0U);
}

TEST(Regression, AResultWithoutASinkTakesNoMoreMemoryThanAllowed) {
  auto options = frames_options(1);
  options.result_limit = 1000_B;
  WorkerPool pool{options};
  auto end = start(pool, {.operation = "write", .payload = std::string(1001, 'x')}, {.retries = 3}).get();
  EXPECT_EQ(end.result.error().code, Code::too_large);
  EXPECT_EQ(end.attempts, 1U);
  EXPECT_EQ(pool.execute({.operation = "write", .payload = std::string(1000, 'x')}).value().size, 1000U);
}

TEST(FramesPool, ACallerThatWaitsRunsThePoolUnlessItsExecutorIsUsed) {
  WorkerPool pool{frames_options(1, 1)};
  std::thread::id ran;  // written on the loop, read when nothing runs
  const auto subscription = pool.on<JobCompleted>([&](const JobCompleted&) { ran = std::this_thread::get_id(); });
  const auto leads = [&] {
    EXPECT_TRUE(pool.execute({.operation = "noop"}).has_value());
    return ran == std::this_thread::get_id();
  };
  bool led = false;
  for (int i = 0; i < 10'000 && !led; ++i) led = leads();
  EXPECT_TRUE(led);
  (void)pool.executor();
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(leads());
}

TEST(FramesPool, CallersOfEveryKindAtOnceAreAllAnswered) {
  auto options = frames_options(2);
  options.feed_ahead = 8;
  options.spin = 50us;
  WorkerPool pool{options};
  std::atomic<int> answered{0};
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 3; ++caller)
      callers.emplace_back([&] {
        for (int i = 0; i < 200; ++i) {
          const auto payload = std::to_string(i);
          if (pool.execute({.operation = "echo", .payload = payload}).value().text() == payload) ++answered;
        }
      });
    callers.emplace_back([&] {
      std::vector<Started> all;
      for (int i = 0; i < 200; ++i) all.push_back(start(pool, {.operation = "echo", .payload = "async"}));
      for (auto& each : all)
        if (each.get().result.value().text() == "async") ++answered;
    });
  }
  EXPECT_EQ(answered, 800);
  EXPECT_EQ(pool.stats().jobs.completed, 800U);
}

TEST(Regression, ACrashCostsOneAttemptOfOneJobAlsoWhereWorkersAreFedAhead) {
  auto options = frames_options(1, 1);
  options.feed_ahead = 8;
  WorkerPool pool{options};
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.execute({.operation = "fragile"}).has_value());  // they are short
  std::vector<Started> all;
  for (int i = 0; i < 60; ++i)
    all.push_back(
        start(pool, {.operation = "fragile", .payload = i == 25 ? "die" : std::to_string(i)}, {.retries = 0}));
  for (int i = 0; i < 60; ++i) {
    const auto end = all[static_cast<std::size_t>(i)].get();
    EXPECT_EQ(end.attempts, 1U);
    if (i == 25) {
      EXPECT_EQ(end.result.error().code, Code::crashed);
    } else {
      ASSERT_TRUE(end.result.has_value()) << i << ": " << to_string(end.result.error());
      EXPECT_EQ(end.result->text(), std::to_string(i));
    }
  }
}

TEST(FramesPool, LargePayloadsFedAheadFitTheSocketOneAfterTheOther) {
  auto options = frames_options(1, 1);
  options.feed_ahead = 8;
  WorkerPool pool{options};
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.execute({.operation = "echo"}).has_value());
  const std::string payload(60'000, 'p');
  std::vector<Started> all;
  for (int i = 0; i < 40; ++i) all.push_back(start(pool, {.operation = "echo", .payload = payload}));
  for (auto& each : all) EXPECT_EQ(each.get().result.value().text(), payload);
}

TEST(FramesPool, KeepsWorkersWarmAndCounts) {
  WorkerPool pool{frames_options(2, 1)};
  const auto first = pool.execute({.operation = "pid"}).value();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(pool.execute({.operation = "pid"}).value().text(), first.text());
  const auto stats = pool.stats();
  EXPECT_EQ(stats.jobs.total, 10U);
  EXPECT_EQ(stats.jobs.completed, 10U);
  EXPECT_EQ(stats.performance.worker_reuses, 9U);
  EXPECT_DOUBLE_EQ(stats.jobs.success_rate, 1.0);
  EXPECT_GT(stats.performance.avg_execution_time.count(), 0);
  EXPECT_EQ(stats.workers.max, 2U);
  EXPECT_EQ(stats.workers.min, 1U);
  EXPECT_EQ(stats.workers.busy, 0U);
}

TEST(FramesPool, WithoutReuseEveryJobHasAProcessOfItsOwn) {
  auto options = frames_options();
  options.reuse_workers = false;
  WorkerPool pool{options};
  const auto worker_of = [&] { return pool.execute({.operation = "noop"}).value().worker; };
  std::set<std::string> workers;
  for (int i = 0; i < 5; ++i) workers.insert(worker_of());
  EXPECT_EQ(workers.size(), 5U);
  EXPECT_EQ(pool.stats().performance.worker_reuses, 0U);
}

TEST(FramesPool, EveryAttemptReadsItsInputFromTheBeginning) {
  TemporaryDirectory directory;
  std::ofstream{directory.path() / "input"} << "the input";
  auto input = std::make_shared<FileHandle>(::open((directory.path() / "input").c_str(), O_RDONLY | O_CLOEXEC));
  WorkerPool pool{frames_options()};
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(pool.execute({.operation = "read", .inputs = {input}}).value().text(), "the input");
}

TEST(FramesPool, PermanentErrorsComeAtOnceTransientOnesAfterTheirAttempts) {
  WorkerPool pool{frames_options()};
  auto end = start(pool, {.operation = "fail"}, {.retries = 3}).get();
  EXPECT_EQ(end.result.error(), (Error{Code::corrupt_input, "no good"}));
  EXPECT_EQ(end.attempts, 1U);
  EXPECT_FALSE(end.dead);
  end = start(pool, {.operation = "transient"}, {.retries = 2}).get();
  EXPECT_EQ(end.result.error(), (Error{Code::io, "not now"}));
  EXPECT_EQ(end.attempts, 3U);
  EXPECT_TRUE(end.dead);
  EXPECT_EQ(start(pool, {.operation = "memory"}, {.retries = 3}).get().attempts, 2U);
  EXPECT_EQ(pool.execute({.operation = "absent"}).error().code, Code::not_found);
  EXPECT_EQ(pool.stats().jobs.failed, 4U);
}

TEST(FramesPool, ACrashCostsOneAttemptAndKeepsItsLastWords) {
  TemporaryDirectory directory;
  WorkerPool pool{frames_options()};
  auto recovered =
      pool.execute({.operation = "crash_once", .payload = (directory.path() / "mark").string()}, {.retries = 1});
  ASSERT_TRUE(recovered) << to_string(recovered.error());
  EXPECT_EQ(recovered->text(), "recovered");
  EXPECT_EQ(recovered->attempts, 2U);
  auto end = start(pool, {.operation = "crash"}, {.retries = 9}).get();
  EXPECT_EQ(end.result.error().code, Code::crashed);
  EXPECT_THAT(end.result.error().message, HasSubstr("was killed by signal 6 (Aborted)"));
  EXPECT_EQ(end.stderr_tail, "last words\n");
  EXPECT_EQ(end.attempts, 3U);
  EXPECT_TRUE(end.dead);
}

TEST(Regression, AWorkersExitIsNoticedAtOnce) {
  WorkerPool pool{frames_options()};
  auto end = start(pool, {.operation = "exit"}, {.retries = 0, .timeout = 1h}).get();
  EXPECT_EQ(end.result.error().code, Code::crashed);
  EXPECT_THAT(end.result.error().message, HasSubstr("exited with status 3"));
}

TEST(FramesPool, AWorkerThatTalksNonsenseOrLiesIsNotBelieved) {
  WorkerPool pool{frames_options()};
  auto end = start(pool, {.operation = "garbage"}, {.retries = 0, .timeout = 1h}).get();
  EXPECT_EQ(end.result.error().code, Code::crashed);
  EXPECT_THAT(end.result.error().message, HasSubstr("malformed frame"));
  end = start(pool, {.operation = "lie"}).get();
  EXPECT_EQ(end.result.error().message, "the worker claimed a result of 1000 bytes but wrote 0");
  EXPECT_EQ(pool.execute({.operation = "echo", .payload = "still here"}).value().text(), "still here");
}

TEST(FramesPool, CancelStopsARunningJobAndKeepsItsWorker) {
  WorkerPool pool{frames_options(1)};
  std::promise<void> running;
  const auto started = pool.on<JobStarted>([&](const JobStarted& e) {
    if (e.operation == "wait") running.set_value();
  });
  auto job = start(pool, {.operation = "wait"});
  running.get_future().wait();
  auto waiting = start(pool, {.operation = "echo"});
  EXPECT_TRUE(pool.cancel(waiting.id));
  EXPECT_EQ(waiting.get().result.error().code, Code::cancelled);
  EXPECT_TRUE(pool.cancel(job.id));
  EXPECT_EQ(job.get().result.error(), (Error{Code::cancelled, "the job was cancelled"}));
  EXPECT_FALSE(pool.cancel(job.id));
  EXPECT_FALSE(pool.cancel("no such job"));
  EXPECT_TRUE(pool.execute({.operation = "noop"}));
  EXPECT_EQ(pool.stats().performance.worker_reuses, 1U);
  EXPECT_EQ(pool.stats().jobs.cancelled, 2U);
}

TEST(FramesPool, AStopTokenCancels) {
  WorkerPool pool{frames_options(1)};
  std::stop_source source;
  auto job = start(pool, {.operation = "hang"}, {.stop = source.get_token()});
  source.request_stop();
  EXPECT_EQ(job.get().result.error().code, Code::cancelled);
  EXPECT_EQ(pool.execute({.operation = "noop"}, {.stop = source.get_token()}).error().code, Code::cancelled);
}

TEST(FramesPool, ADeadlineEndsAJob) {
  WorkerPool pool{frames_options(1)};
  const auto soon = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()) + 50ms;
  auto end = start(pool, {.operation = "hang"}, {.retries = 5, .deadline = soon}).get();
  EXPECT_EQ(end.result.error().code, Code::timeout);
  EXPECT_LE(end.attempts, 1U);
}

TEST(Regression, ABurstOf100JobsNeverRunsMoreThanMaxWorkers) {
  WorkerPool pool{frames_options(3)};
  std::atomic<int> alive{0}, most{0};
  const auto up = pool.on<WorkerStarted>([&](const WorkerStarted&) { most = std::max(most.load(), ++alive); });
  const auto down = pool.on<WorkerExited>([&](const WorkerExited&) { --alive; });
  std::vector<Started> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(start(pool, {.operation = "pid"}));
  std::set<std::string> processes;
  for (auto& job : jobs) processes.insert(std::string{job.get().result.value().text()});
  EXPECT_LE(most, 3);
  EXPECT_LE(pool.stats().workers.total, 3U);
  EXPECT_EQ(pool.stats().jobs.completed, 100U);
}

TEST(Regression, HighPriorityIsReallyFirst) {
  WorkerPool pool{frames_options(1)};
  std::vector<std::string> order;
  const auto started = pool.on<JobStarted>([&](const JobStarted& e) { order.push_back(e.operation); });
  auto first = start(pool, {.operation = "wait"});
  std::vector<Started> jobs;
  jobs.push_back(start(pool, {.operation = "pid"}, {.priority = Priority::low}));
  jobs.push_back(start(pool, {.operation = "noop"}, {.priority = Priority::normal}));
  jobs.push_back(start(pool, {.operation = "echo"}, {.priority = Priority::high}));
  EXPECT_TRUE(pool.cancel(first.id));
  for (auto& job : jobs) EXPECT_TRUE(job.get().result);
  EXPECT_TRUE(pool.drain(hang_limit));
  if (order.front() == "wait") order.erase(order.begin());  // it may have been cancelled before it started
  EXPECT_EQ(order, (std::vector<std::string>{"echo", "noop", "pid"}));
}

/// A sink that keeps what it was told, over a file in memory.
struct Told {
  std::mutex mutex;
  std::vector<std::string> words;
  std::promise<void> advanced;
  void say(std::string word) {
    const std::lock_guard lock(mutex);
    words.push_back(std::move(word));
  }
};
class TellingSink final : public Sink {
 public:
  explicit TellingSink(std::shared_ptr<Told> told) : told_(std::move(told)), file_(host::memory_file("sink").value()) {}
  int fd() const override { return file_.get(); }
  Result<void> write(ByteView bytes) override {
    told_->say("write " + std::string{bytes.text()});
    EXPECT_EQ(::pwrite(file_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return {};
  }
  Result<void> advance(std::uint64_t n) override {
    told_->say("advance " + std::to_string(n));
    if (n == 5) told_->advanced.set_value();
    return {};
  }
  void set_content_type(std::string type) override { told_->say("type " + type); }
  Result<void> seal(std::uint64_t size) override {
    std::string bytes(size, '\0');
    EXPECT_EQ(::pread(file_.get(), bytes.data(), size, 0), static_cast<ssize_t>(size));
    told_->say("seal " + std::to_string(size) + " " + bytes);
    return {};
  }
  void abandon(Error error) override { told_->say("abandon " + std::string{to_string(error.code)}); }

 private:
  std::shared_ptr<Told> told_;
  FileHandle file_;
};

SinkFactory telling(std::shared_ptr<Told> told) {
  return [told](unsigned) -> Result<std::unique_ptr<Sink>> { return std::make_unique<TellingSink>(told); };
}

TEST(FramesPool, ASinkIsToldAsTheResultGrows) {
  WorkerPool pool{frames_options()};
  auto told = std::make_shared<Told>();
  auto pipe = host::make_pipe().value();
  host::set_blocking(pipe.read.get(), true);
  auto input = std::make_shared<FileHandle>(std::move(pipe.read));
  std::atomic<bool> progressed{false};
  const auto progress = pool.on<JobProgress>([&](const JobProgress& e) { progressed = e.progress == 0.5; });
  auto job = start(pool, {.operation = "stream", .inputs = {input}}, {.sink = telling(told)});
  ASSERT_EQ(told->advanced.get_future().wait_for(hang_limit), std::future_status::ready);
  pipe.write = FileHandle{};
  auto end = job.get();
  ASSERT_TRUE(end.result) << to_string(end.result.error());
  EXPECT_EQ(end.result->size, 11U);
  EXPECT_EQ(end.result->body.size(), 0U);
  EXPECT_TRUE(progressed);
  EXPECT_EQ(told->words,
            (std::vector<std::string>{"type text/x-stream", "advance 5", "type text/x-stream", "seal 11 firstsecond"}));
}

TEST(FramesPool, AnInlineResultIsFoundInTheSinkAndAFailureAbandonsIt) {
  WorkerPool pool{frames_options()};
  auto told = std::make_shared<Told>();
  auto end = start(pool, {.operation = "echo", .payload = "text"}, {.sink = telling(told)}).get();
  EXPECT_EQ(end.result.value().size, 4U);
  EXPECT_EQ(told->words[0], "type text/plain");
  EXPECT_EQ(told->words[1], "write text");
  EXPECT_EQ(told->words[2], "seal 4 text");
  told = std::make_shared<Told>();
  (void)start(pool, {.operation = "crash"}, {.retries = 1, .sink = telling(told)}).get();
  EXPECT_EQ(told->words, (std::vector<std::string>{"abandon crashed", "abandon crashed"}));
}

TEST(FramesPool, AFullDiskIsTheAttemptsError) {
  class FullSink final : public Sink {
   public:
    int fd() const override { return file_.get(); }
    Result<void> write(ByteView) override { return fail(Code::disk_full, "no space left"); }
    Result<void> advance(std::uint64_t) override { return fail(Code::disk_full, "no space left"); }
    void set_content_type(std::string) override {}
    Result<void> seal(std::uint64_t) override { return {}; }
    void abandon(Error) override {}

   private:
    FileHandle file_ = host::memory_file("sink").value();
  };
  WorkerPool pool{frames_options()};
  const SinkFactory full = [](unsigned) -> Result<std::unique_ptr<Sink>> { return std::make_unique<FullSink>(); };
  EXPECT_EQ(pool.execute({.operation = "echo", .payload = "x"}, {.retries = 0, .sink = full}).error().code,
            Code::disk_full);
  for (const bool ends_at_once : {false, true}) {  // a worker that waits for ever, and one that says that it is done
    auto pipe = host::make_pipe().value();
    host::set_blocking(pipe.read.get(), true);
    if (ends_at_once) pipe.write = FileHandle{};
    auto input = std::make_shared<FileHandle>(std::move(pipe.read));
    auto end = start(pool, {.operation = "stream", .inputs = {input}}, {.retries = 0, .sink = full}).get();
    ASSERT_FALSE(end.result);
    EXPECT_EQ(end.result.error().code, Code::disk_full);
  }
}

TEST(FramesPool, AWorkerIsGivenNothingButWhatItNeeds) {
  ::setenv("HOTWELL_SECRET", "1", 1);
  auto options = frames_options();
  options.worker.env = {{"OWN", "value"}, {"HOTWELL_OTHER", "2"}};
  WorkerPool pool{options};
  const auto result = pool.execute({.operation = "surroundings"}).value();
  ::unsetenv("HOTWELL_SECRET");
  const std::string text{result.text()};
  EXPECT_THAT(text, HasSubstr("OWN=value\n"));
  EXPECT_THAT(text, HasSubstr("PATH="));
  EXPECT_THAT(text, testing::Not(HasSubstr("HOTWELL_")));
  std::size_t descriptors = 0;
  for (auto at = text.find("fd "); at != std::string::npos; at = text.find("fd ", at + 1)) ++descriptors;
  EXPECT_EQ(descriptors, 5U) << text;  // 0, 1, 2, the socket, and the directory that lists them
}

TEST(FramesPool, AProgramThatIsNotThereIsAReadableError) {
  auto options = frames_options();
  options.worker.argv = {"/no/such/worker"};
  WorkerPool pool{options};
  for (int i = 0; i < 2; ++i) {
    auto end = start(pool, {.operation = "noop"}, {.retries = 5}).get();
    EXPECT_EQ(end.result.error().message,
              "worker \"test\" cannot be started: /no/such/worker: No such file or directory");
  }
}

TEST(FramesPool, OpeningRefusesWhatCannotWork) {
  auto options = frames_options();
  options.worker.argv.clear();
  EXPECT_EQ(WorkerPool::open(options).error().code, Code::invalid_argument);
  options = frames_options(1, 2);
  EXPECT_EQ(WorkerPool::open(options).error().message, "min_workers 2 is over max_workers 1");
  options = frames_options();
  options.spawner = "/no/such/spawner";
  EXPECT_EQ(WorkerPool::open(options).error().code, Code::unavailable);
  options.spawner = "/bin/true";
  EXPECT_EQ(WorkerPool::open(options).error().message, "the spawner ended before it was ready");
  EXPECT_THROW(WorkerPool{options}, Failure);
}

TEST(FramesPool, DrainFinishesWhatItTookAndRefusesTheRest) {
  WorkerPool pool{frames_options(2, 2)};
  std::vector<Started> jobs;
  for (int i = 0; i < 20; ++i) jobs.push_back(start(pool, {.operation = "echo", .payload = "x"}));
  EXPECT_TRUE(pool.drain(hang_limit));
  for (auto& job : jobs) EXPECT_TRUE(job.get().result);
  EXPECT_EQ(pool.stats().workers.total, 0U);
  EXPECT_EQ(pool.execute({.operation = "noop"}).error().code, Code::draining);
  EXPECT_TRUE(pool.drain(hang_limit));
}

TEST(FramesPool, TokensCompleteOnTheCallersExecutor) {
  WorkerPool pool{frames_options()};
  auto future = pool.async_execute({.operation = "echo", .payload = "token"}, {}, boost::asio::use_future);
  EXPECT_EQ(future.get().value().text(), "token");
}

TEST(FramesPool, JobsMayHaveIdsOfTheirOwn) {
  WorkerPool pool{frames_options()};
  auto job = start(pool, {.operation = "hang"}, {.id = "mine"});
  EXPECT_EQ(job.id, "mine");
  EXPECT_EQ(start(pool, {.operation = "noop"}, {.id = "mine"}).get().result.error().code, Code::invalid_argument);
  EXPECT_TRUE(pool.cancel("mine"));
  EXPECT_EQ(job.get().job_id, "mine");
  EXPECT_EQ(start(pool, {.operation = "noop"}, {.id = "mine"}).get().result.value().job_id, "mine");
}

TEST(FramesPool, KnobsTurnItsLimits) {
  WorkerPool pool{frames_options(1)};
  Knobs knobs;
  pool.register_knobs(knobs);
  EXPECT_EQ(knobs.set("pool.max_workers", 0, "test", "").error().code, Code::invalid_argument);
  EXPECT_TRUE(knobs.set("pool.max_workers", 2, "test", ""));
  auto first = start(pool, {.operation = "hang"});
  auto second = start(pool, {.operation = "echo", .payload = "beside it"});
  EXPECT_EQ(second.get().result.value().text(), "beside it");
  pool.cancel(first.id);
  EXPECT_FALSE(first.get().result);
}

}  // namespace
}  // namespace hotwell::test

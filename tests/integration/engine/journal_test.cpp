// What survives an engine: jobs that were given back or lost, dead letters, uploads, idempotency keys. The engines here
// end in order; tests/crash/chaos kills real daemons.
#include <hotwell/engine.hpp>

#include <algorithm>
#include <fstream>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cache/reader.hpp"
#include "engine/journal_export.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class JournaledEngineTest : public ::testing::Test {
 protected:
  JournaledEngineTest() {
    config_.data_dir = dir_.path() / "data";
    config_.media = false;
    config_.pool.spawner = HOTWELL_BIN_DIR "/hotwell-spawner";
    config_.pool.backoff = 1ms;
    config_.pool.kill_grace = 1ms;
    config_.monitor.enabled = false;
    // Hangs at the gate unless its mark is there; every start is a line in "runs".
    ::mkfifo(gate().c_str(), 0600);
    add("wait", "echo run >>" + runs_path() + "; if [ ! -e " + mark() + " ]; then cat " + gate() + "; fi; cat");
    add("upper", "tr a-z A-Z");
    add("fail", "echo run >>" + runs_path() + "; echo its last words >&2; exit 9");
  }
  void add(const std::string& name, const std::string& script) {
    config_.operations.push_back(
        {.name = name, .argv = {"bash", "-c", script}, .stdin_is_input = true, .content_type = "text/plain"});
  }
  std::string runs_path() const { return (dir_.path() / "runs").string(); }
  std::string gate() const { return (dir_.path() / "gate").string(); }
  std::string mark() const { return (dir_.path() / "mark").string(); }
  void make_mark() const { std::ofstream(mark()) << "go"; }
  std::size_t runs() const {
    std::ifstream file(runs_path());
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
  }

  void open() {
    engine_.reset();
    auto opened = Engine::open(config_);
    ASSERT_TRUE(opened) << to_string(opened.error());
    engine_ = std::move(*opened);
  }
  Result<JobRecord> submit(JobRequest request) {
    std::promise<Result<JobRecord>> accepted;
    engine_->submit(std::move(request), [&](Result<JobRecord> record) { accepted.set_value(std::move(record)); });
    return accepted.get_future().get();
  }
  Result<JobRecord> end_of(const std::string& id) {
    std::promise<Result<JobRecord>> ended;
    engine_->wait(id, 60s, [&](Result<JobRecord> record) { ended.set_value(std::move(record)); });
    return ended.get_future().get();
  }
  Result<JobRecord> retry(const std::string& id) {
    std::promise<Result<JobRecord>> accepted;
    engine_->retry(id, [&](Result<JobRecord> record) { accepted.set_value(std::move(record)); });
    return accepted.get_future().get();
  }
  Input upload(std::string_view bytes) {
    auto upload = engine_->begin_upload();
    EXPECT_TRUE(upload);
    EXPECT_TRUE((*upload)->write(bytes));
    return *(*upload)->finish("notes.txt");
  }
  void until_running(const std::string& id) {
    while (engine_->job(id)->state != JobState::running || runs() == 0) std::this_thread::yield();
  }
  std::string text_of(const std::string& id) {
    const auto object = engine_->result(id);
    return object ? std::string(cache::read_all(object->body)->text()) : to_string(object.error());
  }

  test::TempDir dir_;
  Config config_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(JournaledEngineTest, RegressionAJobThatADrainInterruptsRunsAfterTheNextStart) {
  open();
  const auto job = submit({.operation = "wait", .input = upload("some notes"), .idempotency_key = "k"});
  ASSERT_TRUE(job) << to_string(job.error());
  until_running(job->id);
  EXPECT_FALSE(engine_->drain(0s)) << "something had to be killed";
  EXPECT_EQ(engine_->job(job->id)->state, JobState::queued);
  const auto refused = submit({.operation = "upper"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::draining);

  make_mark();
  open();
  const auto ended = end_of(job->id);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->state, JobState::completed) << (ended->error ? to_string(*ended->error) : "");
  EXPECT_EQ(ended->attempts, 1U) << "the one that the drain took is not charged";
  EXPECT_EQ(ended->created_at, job->created_at);
  EXPECT_EQ(text_of(job->id), "some notes") << "the upload is still there";
  EXPECT_EQ(runs(), 2U);
  const auto explained = engine_->explain(job->id);
  ASSERT_TRUE(explained);
  ASSERT_EQ(explained->attempts.size(), 2U);
  EXPECT_FALSE(explained->attempts[0].charged);
  EXPECT_TRUE(explained->attempts[1].charged);
  EXPECT_FALSE(explained->attempts[1].error);
  EXPECT_THAT(explained->story, ::testing::Contains(HasSubstr("given back by a drain")));
  // Asked again by its key: the same job, not another run.
  const auto again = submit({.operation = "wait", .input = upload("some notes"), .idempotency_key = "k"});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, job->id);
}

TEST_F(JournaledEngineTest, DeadLettersAreBackAndCanBeResubmitted) {
  open();
  const auto job = submit({.operation = "fail", .input = upload("x"), .retries = 1});
  ASSERT_TRUE(job);
  ASSERT_EQ(end_of(job->id)->state, JobState::dead);
  open();
  const auto back = engine_->job(job->id);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->state, JobState::dead);
  EXPECT_EQ(back->attempts, 2U);
  EXPECT_THAT(back->stderr_tail, HasSubstr("its last words"));
  const auto dead = engine_->jobs({.state = JobState::dead});
  ASSERT_EQ(dead->jobs.size(), 1U);
  EXPECT_EQ(dead->jobs[0].id, job->id);

  const auto resubmitted = retry(job->id);
  ASSERT_TRUE(resubmitted) << to_string(resubmitted.error());
  EXPECT_EQ(end_of(job->id)->state, JobState::dead);
  EXPECT_EQ(runs(), 4U) << "with a fresh count";
  EXPECT_EQ(engine_->explain(job->id)->attempts.size(), 4U);
  EXPECT_EQ(retry("0000000000000").error().code, Code::not_found);
}

TEST_F(JournaledEngineTest, AnIdempotencyKeyHoldsAcrossRestarts) {
  open();
  const JobRequest request{.operation = "upper", .params = {{"n", 1.0}}, .idempotency_key = "key"};
  const auto first = submit(request);
  ASSERT_TRUE(first);
  ASSERT_TRUE(end_of(first->id));
  open();
  const auto second = submit(request);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->id, first->id);
  auto other = request;
  other.params["n"] = 2.0;
  const auto refused = submit(other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr(first->id));
}

TEST_F(JournaledEngineTest, ListsGoOnInTheJournalWhereTheTableEnds) {
  open();
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) {
    if (i == 4) open();
    const auto job = submit({.operation = "upper", .params = {{"n", double(i)}}});
    ASSERT_TRUE(job);
    ASSERT_EQ(end_of(job->id)->state, JobState::completed);
    ids.insert(ids.begin(), job->id);
  }
  std::vector<std::string> seen;
  JobFilter filter{.limit = 3};
  int pages = 0;
  do {
    const auto page = engine_->jobs(filter);
    ASSERT_TRUE(page);
    for (const auto& job : page->jobs) seen.push_back(job.id);
    filter.cursor = page->next;
    ++pages;
  } while (!filter.cursor.empty());
  EXPECT_EQ(seen, ids);
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(engine_->jobs({.operation = "fail"})->jobs.size(), 0U);
  EXPECT_EQ(engine_->jobs({.cursor = "nonsense"}).error().code, Code::invalid_argument);
}

TEST_F(JournaledEngineTest, AHitIsAJobOfNoAttemptsAndIsRecordedToo) {
  open();
  ASSERT_TRUE(end_of(submit({.operation = "upper"})->id));
  const auto hit = submit({.operation = "upper"});
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->state, JobState::completed);
  open();
  const auto back = engine_->job(hit->id);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->attempts, 0U);
  EXPECT_EQ(back->result->cached, Level::memory);
  EXPECT_THAT(engine_->explain(hit->id)->story, ::testing::Contains(HasSubstr("memory tier")));
}

TEST_F(JournaledEngineTest, WhatIsToLiveInMemoryEndsWithTheEngine) {
  config_.operations[1].durability = Durability::memory;
  open();
  const auto job = submit({.operation = "upper"});
  ASSERT_TRUE(job);
  ASSERT_EQ(end_of(job->id)->state, JobState::completed);
  const auto durable = submit({.operation = "upper", .params = {{"n", 2.0}}, .durability = Durability::power});
  ASSERT_TRUE(durable);
  ASSERT_EQ(end_of(durable->id)->state, JobState::completed);
  open();
  EXPECT_EQ(engine_->job(job->id).error().code, Code::not_found);
  EXPECT_EQ(engine_->job(durable->id)->state, JobState::completed);
}

TEST_F(JournaledEngineTest, ACancelledJobStaysCancelled) {
  open();
  const auto job = submit({.operation = "wait", .input = upload("x")});
  ASSERT_TRUE(job);
  until_running(job->id);
  EXPECT_EQ(engine_->cancel(job->id)->state, JobState::cancelled);
  EXPECT_EQ(engine_->cancel(job->id)->state, JobState::cancelled) << "twice is once";
  make_mark();
  open();
  EXPECT_EQ(engine_->job(job->id)->state, JobState::cancelled);
  EXPECT_TRUE(std::filesystem::is_empty(config_.data_dir / "journal" / "uploads"));
}

TEST_F(JournaledEngineTest, AJobWhoseOperationIsGoneFailsAndSaysSo) {
  open();
  const auto job = submit({.operation = "wait", .input = upload("x")});
  until_running(job->id);
  (void)engine_->drain(0s);
  config_.operations.erase(config_.operations.begin());
  open();
  const auto ended = end_of(job->id);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->state, JobState::failed);
  EXPECT_EQ(ended->error->code, Code::not_found);
}

TEST_F(JournaledEngineTest, TheExportHasEveryJobWithItsRuns) {
  open();
  const auto job = submit({.operation = "fail", .input = upload("x"), .retries = 1});
  ASSERT_TRUE(end_of(job->id));
  std::vector<std::string> lines;
  const auto exported =
      engine::export_journal(config_.data_dir / "journal", [&](const std::string& line) { lines.push_back(line); });
  ASSERT_TRUE(exported) << to_string(exported.error());
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("\"state\":\"dead\""));
  EXPECT_THAT(lines[0], HasSubstr("\"charged\":true"));
  EXPECT_EQ(engine::export_journal(dir_.path(), [](const std::string&) {}).error().code, Code::not_found);
}

// The pool's seam, without an engine: nobody hears of an end before it is settled.
TEST(PoolSettling, NothingIsToldBeforeTheEndIsSettled) {
  WorkerPool pool{{.min_workers = 0, .max_workers = 1}};
  std::promise<std::function<void()>> settling;
  std::promise<void> told;
  std::atomic<bool> published = false;
  const auto listening = pool.on<JobCompleted>([&](const JobCompleted&) { published = true; });
  JobOptions options;
  options.settle = [&](const JobEnd& end, std::function<void()> done) {
    EXPECT_TRUE(end.result);
    settling.set_value(std::move(done));
  };
  auto value = pool.submit([](std::stop_token) { return 6 * 7; }, std::move(options));
  const auto done = settling.get_future().get();
  // Everything that was under way on the pool's thread has come by when this job ends.
  EXPECT_EQ(pool.submit([](std::stop_token) { return 1; }).get(), 1);
  EXPECT_EQ(value.wait_for(0s), std::future_status::timeout);
  published = false;
  done();
  EXPECT_EQ(value.get(), 42);
  EXPECT_TRUE(published);
}

}  // namespace
}  // namespace hotwell

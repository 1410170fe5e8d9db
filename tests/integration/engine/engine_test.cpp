// The whole path without HTTP: a request finds its result or a worker process makes it, the next asker gets it at once.
// Operations are small shell commands that count their runs in a file, so that "once" can be checked.
#include <hotwell/engine.hpp>

#include <atomic>
#include <fstream>
#include <future>
#include <latch>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cache/reader.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

constexpr auto hang_limit = std::chrono::seconds{60};

// The whole content, waiting for what still grows.
std::string text_of(const Object& object) {
  const auto bytes = cache::read_all(object.body);
  return bytes ? std::string(bytes->text()) : to_string(bytes.error());
}

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    std::filesystem::create_directories(root_);
    write_old(root_ / "notes.txt", "some notes\n");
    config_.data_dir = dir_.path() / "data";
    config_.media_roots = {root_};
    config_.media = false;
    config_.pool.spawner = HOTWELL_BIN_DIR "/hotwell-spawner";
    config_.pool.backoff = std::chrono::milliseconds{1};
    config_.monitor.enabled = false;
    // Says that it ran, waits for its gate to open where there is one, and answers its input in capitals.
    add("upper", "echo run >>" + (dir_.path() / "runs").string() + "; if [ -p " + gate() + " ]; then cat " + gate() +
                     " >/dev/null; fi; tr a-z A-Z");
    add("fails", "echo run >>" + (dir_.path() / "runs").string() + "; echo no good >&2; exit 2");
    config_.operations.back().permanent_exit_codes = {2};
    add("flaky", "echo run >>" + (dir_.path() / "runs").string() + "; echo try again >&2; exit 9");
    add("own", "echo run >>" + (dir_.path() / "runs").string() + "; cat");
    config_.operations.back().cache = false;
  }

  void add(const std::string& name, const std::string& script) {
    config_.operations.push_back(
        {.name = name, .argv = {"sh", "-c", script}, .stdin_is_input = true, .content_type = "text/plain"});
  }

  // A file whose last change lies back, so that its results are kept.
  static void write_old(const std::filesystem::path& path, std::string_view text) {
    std::ofstream(path) << text;
    const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    ::utimensat(AT_FDCWD, path.c_str(), long_ago, 0);
  }

  void open() {
    auto opened = Engine::open(config_);
    ASSERT_TRUE(opened) << to_string(opened.error());
    engine_ = std::move(*opened);
  }

  std::size_t runs() const {
    std::ifstream file(dir_.path() / "runs");
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
  }

  std::string gate() const { return (dir_.path() / "gate").string(); }
  void close_gate() { ASSERT_EQ(::mkfifo(gate().c_str(), 0600), 0); }
  // Lets whoever waits at the gate go on; returns once somebody did wait there.
  void open_gate() {
    const FileHandle end{::open(gate().c_str(), O_WRONLY | O_CLOEXEC)};
    EXPECT_TRUE(end);
  }

  static JobRequest request(std::string operation, std::string input = "notes.txt") {
    return {.operation = std::move(operation), .input = parse_input(input)};
  }

  test::TempDir dir_;
  const std::filesystem::path root_ = dir_.path() / "root";
  Config config_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, TheSecondAskerGetsTheFirstOnesResult) {
  open();
  const auto first = engine_->run(request("upper"));
  ASSERT_TRUE(first) << to_string(first.error());
  ASSERT_EQ(first->state, JobState::completed) << (first->error ? to_string(*first->error) : "");
  EXPECT_EQ(first->attempts, 1U);
  EXPECT_EQ(first->progress, 1);
  ASSERT_TRUE(first->result);
  EXPECT_FALSE(first->result->cached);
  EXPECT_EQ(first->result->content_type, "text/plain");
  EXPECT_EQ(first->result->size, 11U);
  EXPECT_EQ(engine_->result(first->id)->bytes().text(), "SOME NOTES\n");

  const auto second = engine_->run(request("upper"));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->state, JobState::completed);
  EXPECT_EQ(second->attempts, 0U);
  EXPECT_EQ(second->result->cached, Level::memory);
  EXPECT_EQ(second->result->key, first->result->key);
  EXPECT_EQ(runs(), 1U);
  EXPECT_EQ(engine_->pool().stats().jobs.total, 1U) << "a hit is not counted among the pool's jobs";
}

// The original's first level was lost at restart.
TEST_F(EngineTest, RegressionTheMemoryLevelIsNotLostAtRestart) {
  open();
  ASSERT_EQ(engine_->run(request("upper"))->state, JobState::completed);
  engine_.reset();
  open();
  const auto again = engine_->run(request("upper"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->state, JobState::completed);
  // On disk, or brought up from there already.
  EXPECT_TRUE(again->result->cached == Level::disk || again->result->cached == Level::memory);
  EXPECT_EQ(engine_->result(again->id)->bytes().text(), "SOME NOTES\n");
  EXPECT_EQ(runs(), 1U);
}

TEST_F(EngineTest, AThousandAskersOfOneAbsentResultCauseOneJob) {
  open();
  close_gate();
  constexpr int askers = 1'000;
  std::latch answered(askers);
  std::vector<Result<Fetched>> all(askers);
  std::vector<std::shared_ptr<Waiting>> waits;
  for (auto& one : all)
    waits.push_back(engine_->fetch(request("upper"), [&](Result<Fetched> fetched) {
      one = std::move(fetched);
      answered.count_down();
    }));
  open_gate();
  answered.wait();
  int missed = 0;
  for (const auto& one : all) {
    ASSERT_TRUE(one) << to_string(one.error());
    ASSERT_EQ(text_of(one->object), "SOME NOTES\n");
    if (one->from == Fetched::From::miss) ++missed;
    EXPECT_GT(one->ran, Duration::zero()) << "told when its first bytes were final";
  }
  EXPECT_EQ(missed, 1) << "one asker led, the others were collapsed into its job";
  EXPECT_EQ(runs(), 1U);
}

TEST_F(EngineTest, TheFirstAskersLeavingFailsNobody) {
  open();
  close_gate();
  auto first = engine_->fetch(request("upper"), [](Result<Fetched>) { ADD_FAILURE() << "it left before the end"; });
  std::promise<Result<Fetched>> second;
  auto wait = engine_->fetch(request("upper"), [&](Result<Fetched> fetched) { second.set_value(std::move(fetched)); });
  first.reset();
  open_gate();
  auto fetched = second.get_future();
  ASSERT_EQ(fetched.wait_for(hang_limit), std::future_status::ready);
  EXPECT_EQ(text_of(fetched.get()->object), "SOME NOTES\n");
  EXPECT_EQ(runs(), 1U);
}

TEST_F(EngineTest, AJoinerRaisesThePriority) {
  config_.pool.max_workers = 1;
  config_.pool.min_workers = 0;
  config_.pool.scheduling = Scheduling::strict;
  add("mark", "tee -a " + (dir_.path() / "order").string());
  for (const auto name : {"low", "normal"}) write_old(root_ / name, std::string(name) + "\n");
  open();
  close_gate();
  std::promise<void> started;
  const auto starting = engine_->pool().on<JobStarted>([&, told = std::make_shared<bool>(false)](const JobStarted&) {
    if (!std::exchange(*told, true)) started.set_value();
  });
  const auto submit = [&](std::string operation, std::string input, Priority priority) {
    auto job = request(std::move(operation), std::move(input));
    job.priority = priority;
    std::promise<std::string> id;
    engine_->submit(std::move(job), [&](Result<JobRecord> record) { id.set_value(record->id); });
    return id.get_future().get();
  };
  submit("upper", "notes.txt", Priority::normal);
  started.get_future().wait();
  const auto low = submit("mark", "low", Priority::low);
  const auto normal = submit("mark", "normal", Priority::normal);
  const auto joined = submit("mark", "low", Priority::high);
  open_gate();
  for (const auto& id : {low, normal, joined}) {
    std::promise<Result<JobRecord>> ended;
    engine_->wait(id, hang_limit, [&](Result<JobRecord> record) { ended.set_value(std::move(record)); });
    EXPECT_EQ(ended.get_future().get()->state, JobState::completed);
  }
  std::ifstream order(dir_.path() / "order");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(order), {}), "low\nnormal\n") << "one run of each";
}

TEST_F(EngineTest, WorkThatNobodyWantsIsCancelled) {
  open();
  close_gate();
  std::promise<void> cancelled;
  const auto listening = engine_->pool().on<JobCancelled>([&](const JobCancelled&) { cancelled.set_value(); });
  std::promise<void> started;
  const auto starting = engine_->pool().on<JobStarted>([&](const JobStarted&) { started.set_value(); });
  auto wait = engine_->fetch(request("upper"), [](Result<Fetched>) { ADD_FAILURE() << "nobody asked to the end"; });
  started.get_future().wait();
  wait.reset();
  ASSERT_EQ(cancelled.get_future().wait_for(hang_limit), std::future_status::ready);
}

TEST_F(EngineTest, ACancelledJobLeavesTheOthersTheirResult) {
  open();
  close_gate();
  std::promise<std::string> first_id;
  engine_->submit(request("upper"), [&](Result<JobRecord> record) { first_id.set_value(record->id); });
  const std::string first = first_id.get_future().get();
  std::promise<std::string> second_id;
  engine_->submit(request("upper"), [&](Result<JobRecord> record) { second_id.set_value(record->id); });
  const std::string second = second_id.get_future().get();
  EXPECT_NE(first, second);
  EXPECT_EQ(engine_->cancel(first)->state, JobState::cancelled);
  open_gate();
  std::promise<Result<JobRecord>> ended;
  engine_->wait(second, hang_limit, [&](Result<JobRecord> record) { ended.set_value(std::move(record)); });
  EXPECT_EQ(ended.get_future().get()->state, JobState::completed);
  EXPECT_EQ(engine_->job(first)->state, JobState::cancelled);
  EXPECT_EQ(engine_->result(first).error().code, Code::cancelled);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(EngineTest, WhoReadsAJobsResultDoesNotKeepItFromBeingCancelled) {
  add("grows", "echo start; cat " + gate());
  open();
  close_gate();
  std::promise<std::string> accepted;
  engine_->submit(request("grows"), [&](Result<JobRecord> record) { accepted.set_value(record->id); });
  const std::string id = accepted.get_future().get();
  std::promise<Result<Fetched>> reading;
  engine_->result(id, [&](Result<Fetched> fetched) { reading.set_value(std::move(fetched)); });
  const auto fetched = reading.get_future().get();
  ASSERT_TRUE(fetched) << to_string(fetched.error());
  std::promise<void> stopped;
  const auto listening = engine_->pool().on<JobCancelled>([&](const JobCancelled&) { stopped.set_value(); });
  EXPECT_EQ(engine_->cancel(id)->state, JobState::cancelled);
  ASSERT_EQ(stopped.get_future().wait_for(hang_limit), std::future_status::ready);
  EXPECT_FALSE(cache::read_all(fetched->object.body)) << "its reader is cut off, not told that this was all";
}

TEST_F(EngineTest, APermanentFailureEndsAtOnceAndIsNotRemembered) {
  open();
  const auto record = engine_->run(request("fails"));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, JobState::failed);
  EXPECT_EQ(record->attempts, 1U);
  ASSERT_TRUE(record->error);
  EXPECT_EQ(record->error->code, Code::failed);
  EXPECT_NE(record->stderr_tail.find("no good"), std::string::npos);
  EXPECT_EQ(engine_->result(record->id).error().code, Code::failed);
  ASSERT_TRUE(engine_->run(request("fails")));
  EXPECT_EQ(runs(), 2U);
}

TEST_F(EngineTest, APermanentFailureIsRememberedWhereThatIsAsked) {
  config_.operations[1].negative_ttl = std::chrono::hours{1};
  open();
  const auto first = engine_->run(request("fails"));
  ASSERT_TRUE(first);
  const auto second = engine_->run(request("fails"));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->state, JobState::failed);
  EXPECT_EQ(second->attempts, 0U);
  EXPECT_EQ(second->error->message, first->error->message);
  EXPECT_EQ(runs(), 1U);
  // Who asks for it to be run again means it.
  std::promise<Result<JobRecord>> again;
  engine_->retry(first->id, [&](Result<JobRecord> record) { again.set_value(std::move(record)); });
  ASSERT_TRUE(again.get_future().get());
  std::promise<Result<JobRecord>> ended;
  engine_->wait(first->id, hang_limit, [&](Result<JobRecord> record) { ended.set_value(std::move(record)); });
  EXPECT_EQ(ended.get_future().get()->state, JobState::failed);
  EXPECT_EQ(runs(), 2U);
}

TEST_F(EngineTest, AResultLivesAsLongAsItsOperationSays) {
  config_.operations[0].ttl = std::chrono::hours{2};
  open();
  const auto record = engine_->run(request("upper"));
  ASSERT_TRUE(record);
  const auto object = engine_->result(record->id);
  ASSERT_TRUE(object) << to_string(object.error());
  EXPECT_EQ(object->expires - object->created, std::chrono::hours{2});
}

TEST_F(EngineTest, ATransientFailureIsRetriedUntilItIsDeadAndCanBeRunOnceMore) {
  open();
  auto asked = request("flaky");
  asked.retries = 2;
  const auto record = engine_->run(asked);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, JobState::dead);
  EXPECT_EQ(record->attempts, 3U);
  EXPECT_EQ(runs(), 3U);
  EXPECT_NE(record->stderr_tail.find("try again"), std::string::npos);
  std::promise<Result<JobRecord>> again;
  engine_->retry(record->id, [&](Result<JobRecord> accepted) { again.set_value(std::move(accepted)); });
  const auto accepted = again.get_future().get();
  ASSERT_TRUE(accepted) << to_string(accepted.error());
  EXPECT_EQ(accepted->id, record->id);
  std::promise<Result<JobRecord>> ended;
  engine_->wait(record->id, hang_limit, [&](Result<JobRecord> r) { ended.set_value(std::move(r)); });
  EXPECT_EQ(ended.get_future().get()->state, JobState::dead);
  EXPECT_EQ(runs(), 6U);
}

TEST_F(EngineTest, AResultOfOnesOwnIsNeitherSharedNorFoundByKey) {
  config_.server.result_hold = hang_limit;
  open();
  const auto first = engine_->run(request("own"));
  const auto second = engine_->run(request("own"));
  ASSERT_EQ(first->state, JobState::completed);
  ASSERT_EQ(second->state, JobState::completed);
  EXPECT_EQ(runs(), 2U);
  EXPECT_EQ(first->result->key, "");
  EXPECT_EQ(engine_->result(first->id)->bytes().text(), "some notes\n");
}

TEST_F(EngineTest, AResultIsGoneWhenItsHoldIsOver) {
  config_.server.result_hold = Duration::zero();
  open();
  const auto record = engine_->run(request("own"));
  ASSERT_EQ(record->state, JobState::completed);
  EXPECT_EQ(engine_->result(record->id).error().code, Code::result_gone);
}

TEST_F(EngineTest, AnInputThatChangesWhileItIsReadIsReadAnew) {
  open();
  close_gate();
  std::promise<Result<JobRecord>> accepted;
  engine_->submit(request("upper"), [&](Result<JobRecord> record) { accepted.set_value(std::move(record)); });
  const std::string id = accepted.get_future().get()->id;
  std::promise<void> started;
  std::promise<Result<JobRecord>> ended;
  engine_->wait(id, hang_limit, [&](Result<JobRecord> record) { ended.set_value(std::move(record)); });
  // The first attempt waits at the gate: the input changes under it, then the gate is taken away.
  const FileHandle end{::open(gate().c_str(), O_WRONLY | O_CLOEXEC)};
  write_old(root_ / "notes.txt", "other notes\n");
  std::filesystem::remove(gate());
  const_cast<FileHandle&>(end) = FileHandle{};
  const auto record = ended.get_future().get();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, JobState::completed) << (record->error ? to_string(*record->error) : "");
  EXPECT_EQ(engine_->result(id)->bytes().text(), "OTHER NOTES\n");
  EXPECT_EQ(runs(), 2U);
}

TEST_F(EngineTest, AFileWrittenAMomentAgoIsServedButNotStored) {
  open();
  std::ofstream(root_ / "fresh.txt") << "fresh";
  const auto record = engine_->run(request("upper", "fresh.txt"));
  ASSERT_EQ(record->state, JobState::completed);
  EXPECT_EQ(engine_->result(record->id)->bytes().text(), "FRESH");
  EXPECT_EQ(record->result->key, "");
}

TEST_F(EngineTest, AnUploadIsKnownByItsContent) {
  open();
  const auto send = [&](std::string name) {
    auto upload = engine_->begin_upload();
    EXPECT_TRUE(upload) << to_string(upload.error());
    EXPECT_TRUE((*upload)->write("sent "));
    EXPECT_TRUE((*upload)->write("bytes"));
    return engine_->run({.operation = "upper", .input = *(*upload)->finish(std::move(name))});
  };
  const auto first = send("a.txt");
  ASSERT_EQ(first->state, JobState::completed) << (first->error ? to_string(*first->error) : "");
  EXPECT_EQ(first->input, "a.txt");
  EXPECT_EQ(engine_->result(first->id)->bytes().text(), "SENT BYTES");
  EXPECT_EQ(send("b.txt")->result->cached, Level::memory);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(EngineTest, AStoredObjectCanBeAnInput) {
  open();
  ASSERT_TRUE(engine_->cache().set("k", "stored"));
  const auto first = engine_->run(request("upper", "cache:k"));
  ASSERT_EQ(first->state, JobState::completed);
  EXPECT_EQ(engine_->result(first->id)->bytes().text(), "STORED");
  ASSERT_TRUE(engine_->cache().set("k", "stored anew"));
  const auto second = engine_->run(request("upper", "cache:k"));
  EXPECT_EQ(engine_->result(second->id)->bytes().text(), "STORED ANEW");
}

TEST_F(EngineTest, AnIdempotencyKeyMakesOneJobOfTwoRequests) {
  open();
  auto asked = request("own");
  asked.idempotency_key = "order-17";
  const auto first = engine_->run(asked);
  EXPECT_EQ(engine_->run(asked)->id, first->id);
  EXPECT_EQ(runs(), 1U);
  asked.operation = "upper";
  EXPECT_EQ(engine_->run(asked).error().code, Code::invalid_argument);
}

TEST_F(EngineTest, WhatCannotBeStartedIsRefusedWithAReason) {
  open();
  EXPECT_EQ(engine_->run(request("no-such")).error().code, Code::not_found);
  EXPECT_EQ(engine_->run(request("upper", "missing.txt")).error().code, Code::not_found);
  EXPECT_EQ(engine_->run(request("upper", "../data/LOCK")).error().code, Code::outside_root);
  EXPECT_EQ(engine_->run(request("upper", "cache:absent")).error().code, Code::not_found);
  EXPECT_EQ(engine_->job("0000000000000").error().code, Code::not_found);
  EXPECT_EQ(engine_->result("0000000000000").error().code, Code::not_found);
  EXPECT_EQ(runs(), 0U);
}

TEST_F(EngineTest, AFullQueueIsSaidAtOnceAndLeavesNoRecord) {
  config_.pool.max_workers = 1;
  config_.pool.min_workers = 0;
  config_.pool.queue_limit = 1;
  open();
  close_gate();
  std::promise<void> started;
  const auto starting = engine_->pool().on<JobStarted>([&](const JobStarted&) { started.set_value(); });
  const auto submit = [&](std::string input) {
    auto accepted = std::make_shared<std::promise<Result<JobRecord>>>();
    engine_->submit(request("upper", std::move(input)),
                    [accepted](Result<JobRecord> record) { accepted->set_value(std::move(record)); });
    return accepted->get_future().get();
  };
  for (const auto name : {"a", "b", "c"}) write_old(root_ / name, name);
  ASSERT_TRUE(submit("a"));
  started.get_future().wait();
  ASSERT_TRUE(submit("b"));
  const auto refused = submit("c");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::overloaded);
  EXPECT_EQ(engine_->jobs({})->jobs.size(), 2U);
}

TEST_F(EngineTest, JobsAreListedNewestFirstInPages) {
  open();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(engine_->run(request("own"))->id);
  JobFilter filter{.operation = "own", .limit = 2};
  std::vector<std::string> listed;
  do {
    const auto page = engine_->jobs(filter);
    ASSERT_TRUE(page);
    for (const auto& job : page->jobs) listed.push_back(job.id);
    filter.cursor = page->next;
  } while (!filter.cursor.empty());
  EXPECT_EQ(listed, std::vector<std::string>(ids.rbegin(), ids.rend()));
  EXPECT_TRUE(engine_->jobs({.state = JobState::failed})->jobs.empty());
  EXPECT_EQ(engine_->jobs({.cursor = "no cursor!"}).error().code, Code::invalid_argument);
}

TEST_F(EngineTest, ADataDirectoryHasOneEngine) {
  open();
  engine_->announce("http://127.0.0.1:4242");
  const auto second = Engine::open(config_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos) << second.error().message;
  EXPECT_NE(second.error().message.find("http://127.0.0.1:4242"), std::string::npos);
}

TEST_F(EngineTest, AFormatOfTheFutureIsLeftUntouched) {
  std::filesystem::create_directories(config_.data_dir);
  std::ofstream(config_.data_dir / "FORMAT") << "hotwell data 99\n";
  const auto opened = Engine::open(config_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::invalid_argument);
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(config_.data_dir)) ++entries;
  EXPECT_EQ(entries, 1U);
}

TEST_F(EngineTest, DrainFinishesWhatRunsAndRefusesWhatComes) {
  open();
  close_gate();
  std::promise<void> started;
  const auto starting = engine_->pool().on<JobStarted>([&](const JobStarted&) { started.set_value(); });
  std::promise<Result<Fetched>> answered;
  auto wait =
      engine_->fetch(request("upper"), [&](Result<Fetched> fetched) { answered.set_value(std::move(fetched)); });
  auto drained = std::async(std::launch::async, [&] {
    started.get_future().wait();
    return engine_->drain(hang_limit);
  });
  open_gate();
  EXPECT_EQ(text_of(answered.get_future().get()->object), "SOME NOTES\n");
  EXPECT_TRUE(drained.get());
  EXPECT_FALSE(engine_->ready());
  EXPECT_EQ(engine_->run(request("own")).error().code, Code::draining);
  EXPECT_EQ(engine_->run(request("upper"))->result->cached, Level::memory) << "what is cached is still answered";
}

TEST_F(EngineTest, MetricsSayWhatHappened) {
  open();
  ASSERT_EQ(engine_->run(request("upper"))->state, JobState::completed);
  ASSERT_EQ(engine_->run(request("fails"))->state, JobState::failed);
  ASSERT_EQ(engine_->run(request("upper"))->state, JobState::completed);
  const auto metrics = engine_->monitor().metrics();
  EXPECT_EQ(metrics.jobs.total, 2U);
  EXPECT_EQ(metrics.jobs.completed, 1U);
  EXPECT_EQ(metrics.jobs.failed, 1U);
  EXPECT_GE(metrics.cache.memory.hits, 1U);
  EXPECT_EQ(metrics.workers.max, config_.pool.max_workers);
  EXPECT_EQ(metrics.cache.disk.entries, 1U);
}

}  // namespace
}  // namespace hotwell

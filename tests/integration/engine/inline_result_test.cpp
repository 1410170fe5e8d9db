// Operations whose workers answer with the result: the same results as by a file, and no file made for a job.
#include <filesystem>
#include <fstream>
#include <future>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <hotwell/engine.hpp>
#include <hotwell/worker.hpp>

#include "cache/reader.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

class InlineResult : public ::testing::TestWithParam<bool> {
 protected:
  InlineResult() {
    std::filesystem::create_directories(root_);
    std::ofstream(root_ / "notes.txt") << "some notes\n";
    const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    ::utimensat(AT_FDCWD, (root_ / "notes.txt").c_str(), long_ago, 0);
    config_.data_dir = dir_.path() / "data";
    config_.media_roots = {root_};
    config_.media = false;
    config_.pool.spawner = HOTWELL_BIN_DIR "/hotwell-spawner";
    config_.pool.backoff = std::chrono::milliseconds{1};
    config_.pool.retries = 1;
    config_.monitor.enabled = false;
    for (const char* name : {"read", "write", "long", "fail", "transient"}) {
      OperationConfig operation{
          .name = name, .kind = WorkerKind::frames, .argv = {HOTWELL_BIN_DIR "/hotwell-test-worker"}};
      operation.cache = GetParam();
      operation.inline_result = true;
      config_.operations.push_back(std::move(operation));
    }
  }
  void open() {
    auto opened = Engine::open(config_);
    ASSERT_TRUE(opened) << to_string(opened.error());
    engine_ = std::move(*opened);
  }
  std::string text_of(const JobRecord& job) {
    const auto object = engine_->result(job.id);
    return object ? std::string(cache::read_all(object->body)->text()) : to_string(object.error());
  }

  test::TempDir dir_;
  const std::filesystem::path root_ = dir_.path() / "root";
  Config config_;
  std::unique_ptr<Engine> engine_;
};

INSTANTIATE_TEST_SUITE_P(Shared, InlineResult, ::testing::Bool(),
                         [](const auto& shared) { return shared.param ? "Shared" : "OfOnesOwn"; });

TEST_P(InlineResult, IsTheSameAsByAFile) {
  open();
  const auto job = engine_->run({.operation = "read", .input = parse_input("notes.txt")});
  ASSERT_TRUE(job && job->result) << (job ? to_string(*job->error) : to_string(job.error()));
  EXPECT_EQ(job->result->content_type, "text/plain");
  EXPECT_EQ(job->result->size, 11U);
  EXPECT_EQ(text_of(*job), "some notes\n");
  EXPECT_EQ(job->result->key.empty(), !GetParam());
  const auto again = engine_->run({.operation = "read", .input = parse_input("notes.txt")});
  ASSERT_TRUE(again && again->result);
  EXPECT_EQ(again->attempts, GetParam() ? 0U : 1U);
}

TEST_P(InlineResult, OutlivesTheEngineWhereItIsShared) {
  config_.operations.front().durability = Durability::power;
  open();
  const auto job = engine_->run({.operation = "read", .input = parse_input("notes.txt")});
  ASSERT_TRUE(job && job->result);
  engine_.reset();
  open();
  EXPECT_EQ(engine_->job(job->id)->state, JobState::completed);
  const auto object = engine_->result(job->id);
  if (GetParam()) {
    ASSERT_TRUE(object) << to_string(object.error());
    EXPECT_EQ(cache::read_all(object->body)->text(), "some notes\n");
  } else {
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().code, Code::result_gone);
  }
}

TEST_P(InlineResult, MayBeWrittenAllTheSameAndMayBeLong) {
  open();
  const auto written = engine_->run({.operation = "write", .params = {{"n", 7.0}}});
  ASSERT_TRUE(written && written->result) << (written ? to_string(*written->error) : to_string(written.error()));
  EXPECT_EQ(text_of(*written), R"({"n":"7"})");
}

TEST_P(InlineResult, FailsAndIsTriedAgainAsEver) {
  open();
  const auto failed = engine_->run({.operation = "fail"});
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->state, JobState::failed);
  EXPECT_EQ(failed->error->code, Code::corrupt_input);
  const auto dead = engine_->run({.operation = "transient"});
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->state, JobState::dead);
  EXPECT_EQ(dead->attempts, 2U);
}

TEST(InlineResultOfACommand, IsRefused) {
  const auto config = parse_config(R"(
[[operation]]
name = "list"
argv = ["ls"]
inline_result = true
)",
                                   "operations.toml");
  ASSERT_TRUE(config);
  const auto valid = validate(*config);
  ASSERT_FALSE(valid);
  EXPECT_NE(valid.error().message.find("inline_result is for kinds lines and frames"), std::string::npos);
}

}  // namespace
}  // namespace hotwell

#include "engine/job_table.hpp"

#include <gtest/gtest.h>

#include "sim/clock.hpp"

namespace hotwell::engine {
namespace {

using namespace std::chrono_literals;

class JobTableTest : public ::testing::Test {
 protected:
  void add(const std::string& id, JobRequest request = {}) {
    request.operation = "op";
    table_.add({.id = id, .operation = "op"}, std::move(request));
  }
  void complete(const std::string& id, std::string_view bytes = "result") {
    Object object;
    object.body = Buffer::copy_of(bytes);
    ASSERT_TRUE(table_.end(id, [](JobRecord& record) { record.state = JobState::completed; }, object));
  }
  void kill(const std::string& id) {
    ASSERT_TRUE(table_.end(id, [](JobRecord& record) {
      record.state = JobState::dead;
      record.error = Error{Code::timeout, "too slow"};
    }));
  }

  sim::FakeClock clock_;
  JobTable table_{{.keep = 3, .hold = 10min, .max_held = 3, .max_held_memory = Bytes{100}}, clock_};
};

TEST_F(JobTableTest, AnEndIsFinal) {
  add("1");
  EXPECT_TRUE(table_.update("1", [](JobRecord& record) { record.state = JobState::running; }));
  complete("1");
  EXPECT_FALSE(table_.update("1", [](JobRecord& record) { record.progress = 0.5; }));
  EXPECT_FALSE(table_.end("1", [](JobRecord& record) { record.state = JobState::failed; }));
  EXPECT_EQ(table_.find("1")->state, JobState::completed);
}

TEST_F(JobTableTest, AResultIsHeldForItsTime) {
  add("1");
  complete("1");
  clock_.advance(10min - 1ns);
  table_.release_expired();
  EXPECT_TRUE(table_.held("1"));
  clock_.advance(1ns);
  EXPECT_FALSE(table_.held("1")) << "even before anybody released it";
  table_.release_expired();
  EXPECT_EQ(table_.find("1")->state, JobState::completed);
}

TEST_F(JobTableTest, HoldsAreBoundedByOptionsNotByLoad) {
  const std::string big(60, 'x');
  add("1");
  add("2");
  complete("1", big);
  complete("2", big);
  EXPECT_FALSE(table_.held("1")) << "the oldest goes first";
  EXPECT_TRUE(table_.held("2"));
}

TEST_F(JobTableTest, OnlyEndedJobsAreForgottenOldestFirst) {
  add("0");
  for (const std::string id : {"1", "2", "3", "4"}) {
    add(id);
    complete(id);
  }
  EXPECT_TRUE(table_.find("0"));
  EXPECT_FALSE(table_.find("1"));
  EXPECT_TRUE(table_.find("2"));
}

TEST_F(JobTableTest, WaitersAreCalledOnceAndCanBeForgotten) {
  add("1");
  int called = 0;
  const auto first = table_.when_ended("1", [&](JobRecord) { ++called; });
  const auto second = table_.when_ended("1", [&](JobRecord) { called += 10; });
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(table_.forget("1", *second));
  EXPECT_FALSE(table_.forget("1", *second));
  complete("1");
  EXPECT_EQ(called, 1);
  EXPECT_FALSE(table_.forget("1", *first));
  EXPECT_EQ(table_.when_ended("1", [&](JobRecord) { ++called; }), 0U);
  EXPECT_EQ(called, 2);
  EXPECT_FALSE(table_.when_ended("absent", [](JobRecord) {}));
}

TEST_F(JobTableTest, OnlyWhatEndedWithoutAResultIsRunAgain) {
  add("1");
  EXPECT_EQ(table_.reopen("1").error().code, Code::invalid_argument);
  kill("1");
  ASSERT_TRUE(table_.reopen("1"));
  EXPECT_EQ(table_.find("1")->state, JobState::queued);
  EXPECT_FALSE(table_.find("1")->error);
  complete("1");
  EXPECT_EQ(table_.reopen("1").error().code, Code::invalid_argument);
  EXPECT_EQ(table_.reopen("absent").error().code, Code::not_found);
}

TEST_F(JobTableTest, AnUploadIsKeptForARetryNoLongerThanAHold) {
  const auto upload = [] { return JobRequest{.input = InputUpload{std::make_shared<const FileHandle>()}}; };
  const auto has_upload = [&](std::string_view id) {
    return std::get<InputUpload>(table_.request(id)->input).file != nullptr;
  };
  add("1", upload());
  add("2", upload());
  kill("1");
  complete("2");
  EXPECT_TRUE(has_upload("1"));
  EXPECT_FALSE(has_upload("2")) << "a completed job is not run again";
  clock_.advance(10min);
  table_.release_expired();
  EXPECT_FALSE(has_upload("1"));
}

TEST_F(JobTableTest, AnIdempotencyKeyBelongsToOneRequest) {
  JobRequest request{.operation = "op", .idempotency_key = "k"};
  EXPECT_FALSE(*table_.find_idempotent(request));
  add("1", request);
  EXPECT_EQ((*table_.find_idempotent(request))->id, "1");
  request.params["n"] = 1.0;
  EXPECT_EQ(table_.find_idempotent(request).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace hotwell::engine

#include "server/job_json.hpp"

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace hotwell::server {
namespace {

TEST(JobJson, ShowsAJobAsDocumented) {
  JobRecord job{.id = "01",
                .operation = "thumbnail",
                .input = "a\"b.mp4",
                .params = {{"at", 3.0}, {"crop", true}, {"fit", std::string("cover")}},
                .priority = Priority::high,
                .state = JobState::dead,
                .progress = 0.25,
                .attempts = 4,
                .created_at = WallTime{std::chrono::microseconds{1}},
                .error = Error{Code::crashed, "it crashed"},
                .stderr_tail = "last words"};
  EXPECT_EQ(
      to_json(job),
      R"({"id":"01","operation":"thumbnail","input":"a\"b.mp4","params":{"at":3,"crop":true,"fit":"cover"},)"
      R"("priority":"high","state":"dead","progress":0.25,"attempts":4,"created_at":"1970-01-01T00:00:00.000001Z",)"
      R"("started_at":null,"finished_at":null,)"
      R"("error":{"code":"crashed","message":"it crashed","stderr":"last words"}})");
  job.tenant = "anna";
  EXPECT_NE(to_json(job).find(R"("priority":"high","tenant":"anna","state":"dead")"), std::string::npos)
      << to_json(job);
  job.error.reset();
  job.result = JobRecord::ResultInfo{"result:x", 5, "image/jpeg", Level::stream};
  const auto shown = boost::json::parse(to_json(job)).as_object();
  EXPECT_EQ(boost::json::serialize(shown.at("result")),
            R"({"key":"result:x","size":5,"content_type":"image/jpeg","cached":"stream"})");
}

TEST(JobJson, ReadsEveryMember) {
  const auto job = parse_job(
      R"({"operation":"transcode","input":"cache:k","params":{"crf":23,"x":"y","z":false},)"
      R"("priority":"low","retries":0,"timeout":2.5,"no_progress":1.5,"deadline":"2026-01-31T12:00:00Z","tenant":"t","idempotency_key":"i"})");
  ASSERT_TRUE(job.has_value()) << job.error().message;
  EXPECT_EQ(job->operation, "transcode");
  EXPECT_EQ(std::get<InputObject>(job->input).key, "k");
  EXPECT_EQ(job->params, (Params{{"crf", 23.0}, {"x", std::string("y")}, {"z", false}}));
  EXPECT_EQ(job->priority, Priority::low);
  EXPECT_EQ(job->retries, 0U);
  EXPECT_EQ(job->timeout, std::chrono::milliseconds{2500});
  EXPECT_TRUE(job->deadline.has_value());
  EXPECT_EQ(job->no_progress, std::chrono::milliseconds{1500});
  EXPECT_EQ(job->tenant, "t");
  EXPECT_EQ(job->idempotency_key, "i");
}

TEST(JobJson, AnAddressSaysTheSame) {
  const auto target =
      parse_target("/v1/jobs?operation=x&wait=5&priority=high&retries=2&timeout=1&no_progress=2&tenant=t&crf=23&a=")
          .value();
  const auto job = job_of_query("x", std::monostate{}, target);
  ASSERT_TRUE(job.has_value()) << job.error().message;
  EXPECT_EQ(job->priority, Priority::high);
  EXPECT_EQ(job->retries, 2U);
  EXPECT_EQ(job->no_progress, std::chrono::seconds{2});
  EXPECT_EQ(job->tenant, "t");
  EXPECT_EQ(job->params, (Params{{"crf", std::string("23")}, {"a", std::string()}}));
  EXPECT_EQ(parse_wait(target).value(), std::chrono::seconds{5});
  for (const std::string_view query : {"retries=x", "retries=1.5", "no_progress=0", "timeout=", "timeout=inf",
                                       "timeout=-1", "priority=urgent", "deadline=x", "a=1&a=2"})
    EXPECT_FALSE(job_of_query("x", std::monostate{}, parse_target("/?" + std::string(query)).value()).has_value())
        << query;
  EXPECT_FALSE(parse_wait(parse_target("/?wait=-1").value()).has_value());
}

// The original took the priority 0 of HIGH for absent.
TEST(Regression, HighPriorityZeroIsNotTakenForNormal) {
  EXPECT_EQ(parse_job(R"({"operation":"x","priority":"high"})").value().priority, Priority::high);
}

}  // namespace
}  // namespace hotwell::server

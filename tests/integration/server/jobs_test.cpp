// The life of jobs over HTTP.
#include <future>
#include <thread>

#include "fixture.hpp"

namespace hotwell::test {
namespace {

class JobsTest : public ServerTest {
 protected:
  Reply post(std::string_view body, std::string_view query = "") {
    return ask("POST", "/v1/jobs" + std::string(query), "Content-Type: application/json\r\n", body);
  }
  static std::string id_of(const Reply& reply) { return std::string(reply.json().at("id").as_string()); }
  static std::string state_of(const Reply& reply) { return std::string(reply.json().at("state").as_string()); }
};

TEST_F(JobsTest, AJobIsAcceptedRunAndItsResultFetched) {
  open();
  const auto accepted = post(R"({"operation":"upper","input":"notes.txt","params":{"n":3,"x":true,"s":"t"}})");
  ASSERT_EQ(accepted.status, 202U) << accepted.body;
  const auto id = id_of(accepted);
  EXPECT_EQ(accepted.field("location"), "/v1/jobs/" + id);

  const auto ended = get("/v1/jobs/" + id + "?wait=60");
  ASSERT_EQ(ended.status, 200U);
  const auto job = ended.json().as_object();
  EXPECT_EQ(job.at("state").as_string(), "completed") << ended.body;
  EXPECT_EQ(job.at("operation").as_string(), "upper");
  EXPECT_EQ(job.at("input").as_string(), "notes.txt");
  EXPECT_EQ(job.at("priority").as_string(), "normal");
  EXPECT_EQ(job.at("progress").to_number<double>(), 1);
  EXPECT_EQ(job.at("attempts").as_int64(), 1);
  EXPECT_EQ(job.at("params").at("n").to_number<double>(), 3);
  EXPECT_TRUE(job.at("params").at("x").as_bool());
  EXPECT_EQ(job.at("created_at").as_string().size(), 27U);
  EXPECT_EQ(job.at("finished_at").as_string().size(), 27U);
  EXPECT_EQ(job.at("result").at("size").as_int64(), 11);
  EXPECT_EQ(job.at("result").at("content_type").as_string(), "text/plain");
  EXPECT_TRUE(job.at("result").at("cached").is_null());
  EXPECT_FALSE(job.contains("error"));

  const auto result = get("/v1/jobs/" + id + "/result");
  EXPECT_EQ(result.status, 200U);
  EXPECT_EQ(result.body, "SOME NOTES\n");
  EXPECT_EQ(result.field("content-type"), "text/plain");
  EXPECT_EQ(result.field("x-content-type-options"), "nosniff");
  EXPECT_EQ(result.field("content-security-policy"), "sandbox");
  EXPECT_FALSE(result.field("etag").empty());
  EXPECT_FALSE(result.field("cache-status").empty());
  EXPECT_FALSE(result.field("server-timing").empty());
  const auto part = get("/v1/jobs/" + id + "/result", "Range: bytes=5-\r\n");
  EXPECT_EQ(part.status, 206U);
  EXPECT_EQ(part.body, "NOTES\n");
}

TEST_F(JobsTest, WaitAnswersWhenTheJobEndedWhateverItsEnd) {
  open();
  const auto done = post(R"({"operation":"upper","input":"notes.txt"})", "?wait=60");
  EXPECT_EQ(done.status, 200U);
  EXPECT_EQ(state_of(done), "completed");

  const auto hit = post(R"({"operation":"upper","input":"notes.txt"})", "?wait=60");
  EXPECT_EQ(hit.status, 200U);
  EXPECT_EQ(hit.json().at("result").at("cached").as_string(), "memory");
  EXPECT_EQ(hit.json().at("attempts").as_int64(), 0);

  const auto failed = post(R"({"operation":"fails","input":"notes.txt"})", "?wait=60");
  EXPECT_EQ(failed.status, 200U);
  EXPECT_EQ(state_of(failed), "failed");
  EXPECT_EQ(failed.json().at("error").at("code").as_string(), "failed");
  EXPECT_NE(failed.json().at("error").at("stderr").as_string().find("no good"), boost::json::string::npos);
  const auto result = get("/v1/jobs/" + id_of(failed) + "/result");
  EXPECT_EQ(result.status, 422U);
  EXPECT_EQ(result.code(), "failed");
}

TEST_F(JobsTest, WaitAnswersWithTheRunningJobWhenItsTimeIsOver) {
  open();
  close_gate();
  const auto reply = post(R"({"operation":"upper","input":"notes.txt"})", "?wait=0.01");
  EXPECT_EQ(reply.status, 202U);
  EXPECT_FALSE(reply.json().at("state").as_string() == "completed");
  open_gate();
  EXPECT_EQ(state_of(get("/v1/jobs/" + id_of(reply) + "?wait=60")), "completed");
}

TEST_F(JobsTest, AnUploadIsTheInput) {
  open();
  const auto reply =
      ask("POST", "/v1/jobs?operation=upper&wait=60&priority=high&label=x", "Content-Type: video/mp4\r\n", "upload");
  ASSERT_EQ(reply.status, 200U) << reply.body;
  EXPECT_EQ(state_of(reply), "completed") << reply.body;
  EXPECT_EQ(reply.json().at("priority").as_string(), "high");
  EXPECT_EQ(reply.json().at("params").at("label").as_string(), "x");
  EXPECT_FALSE(reply.json().at("params").as_object().contains("wait"));
  EXPECT_EQ(get("/v1/jobs/" + id_of(reply) + "/result").body, "UPLOAD");
}

TEST_F(JobsTest, AnUploadMayComeInChunks) {
  open();
  Client client(port_);
  client.send(
      "POST /v1/jobs?operation=upper&wait=60 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("3\r\nabc\r\n");
  client.send("4;x=y\r\ndefg\r\n0\r\n\r\n");
  const auto reply = client.reply();
  ASSERT_EQ(reply.status, 200U) << reply.body;
  EXPECT_EQ(client.ask("GET", "/v1/jobs/" + id_of(reply) + "/result").body, "ABCDEFG") << "on the same connection";
}

TEST_F(JobsTest, AJobCanBeCancelled) {
  open();
  close_gate();
  const auto id = id_of(post(R"({"operation":"upper","input":"notes.txt"})"));
  const auto cancelled = ask("DELETE", "/v1/jobs/" + id);
  EXPECT_EQ(cancelled.status, 200U);
  EXPECT_EQ(state_of(cancelled), "cancelled");
  EXPECT_EQ(get("/v1/jobs/" + id + "/result").status, 409U);
}

TEST_F(JobsTest, ADeadJobCanBeTriedAgain) {
  open();
  const auto dead = post(R"({"operation":"flaky","input":"notes.txt","retries":1})", "?wait=60");
  EXPECT_EQ(state_of(dead), "dead") << dead.body;
  EXPECT_EQ(dead.json().at("attempts").as_int64(), 2);
  const auto again = ask("POST", "/v1/jobs/" + id_of(dead) + "/retry");
  EXPECT_EQ(again.status, 202U) << again.body;
  EXPECT_EQ(state_of(get("/v1/jobs/" + id_of(dead) + "?wait=60")), "dead");
  EXPECT_EQ(runs(), 4U);
}

TEST_F(JobsTest, ListsArePagedAndFiltered) {
  open();
  for (int i = 0; i < 3; ++i) post(R"({"operation":"upper","input":"notes.txt"})", "?wait=60");
  post(R"({"operation":"fails","input":"notes.txt"})", "?wait=60");
  const auto first = get("/v1/jobs?operation=upper&limit=2");
  ASSERT_EQ(first.status, 200U);
  EXPECT_EQ(first.json().at("jobs").as_array().size(), 2U);
  ASSERT_TRUE(first.json().at("next").is_string()) << first.body;
  const auto second =
      get("/v1/jobs?operation=upper&limit=2&cursor=" + std::string(first.json().at("next").as_string()));
  EXPECT_EQ(second.json().at("jobs").as_array().size(), 1U);
  EXPECT_TRUE(second.json().at("next").is_null());
  EXPECT_EQ(get("/v1/jobs?state=failed").json().at("jobs").as_array().size(), 1U);
  EXPECT_EQ(get("/v1/jobs?state=nosuch").status, 400U);
  EXPECT_EQ(get("/v1/jobs?limit=0").status, 400U);
  EXPECT_EQ(get("/v1/jobs?color=red").status, 400U);
}

TEST_F(JobsTest, ATenantIsShownWhereverAJobIs) {
  add("theirs", "cat");
  config_.operations.back().tenant = "everybody";
  open();
  const auto own = id_of(post(R"({"operation":"theirs","input":"notes.txt","tenant":"anna"})", "?wait=60"));
  const auto uploaded =
      id_of(ask("POST", "/v1/jobs?operation=theirs&tenant=ben&wait=60", "Content-Type: text/plain\r\n", "x"));
  const auto unnamed = id_of(post(R"({"operation":"theirs"})", "?wait=60"));
  const auto none = id_of(post(R"({"operation":"cat","input":"notes.txt"})", "?wait=60"));
  const auto tenant_of = [](const boost::json::value& job) -> std::string {
    const auto* tenant = job.as_object().if_contains("tenant");
    return tenant ? std::string(tenant->as_string()) : std::string{};
  };
  EXPECT_EQ(tenant_of(get("/v1/jobs/" + own).json()), "anna");
  EXPECT_EQ(tenant_of(get("/v1/jobs/" + uploaded).json()), "ben");
  EXPECT_EQ(tenant_of(get("/v1/jobs/" + unnamed).json()), "everybody");
  EXPECT_EQ(tenant_of(get("/v1/jobs/" + none).json()), "");
  std::vector<std::string> listed;
  const auto page = get("/v1/jobs?operation=theirs").json();
  for (const auto& job : page.at("jobs").as_array()) listed.push_back(tenant_of(job));
  EXPECT_EQ(listed, (std::vector<std::string>{"everybody", "ben", "anna"}));
  const auto story = get("/v1/explain/" + own).json().at("story").as_array().front();
  EXPECT_NE(story.as_string().find("for tenant \"anna\""), boost::json::string::npos) << story;
  const auto refused = post(R"({"operation":"cat","tenant":")" + std::string(256, 't') + R"("})");
  EXPECT_EQ(refused.status, 400U);
  EXPECT_NE(refused.body.find("at most 255"), std::string::npos) << refused.body;
}

TEST_F(JobsTest, ACommandThatFallsSilentIsStopped) {
  add("hangs", "sleep 600");
  config_.operations.back().no_progress = std::chrono::milliseconds{50};
  open();
  EXPECT_EQ(post(R"({"operation":"hangs","retries":0})", "?wait=60").json().at("error").at("code").as_string(),
            "no_progress");
  // A job's own word goes before its operation's.
  const auto patient = post(R"({"operation":"hangs","retries":0,"timeout":0.3,"no_progress":600})", "?wait=60");
  EXPECT_EQ(patient.json().at("error").at("code").as_string(), "timeout");
}

TEST_F(JobsTest, BadBodiesAreToldWhatIsWrong) {
  open();
  struct Case {
    std::string_view body;
    unsigned status;
    std::string_view words;
  };
  const Case cases[] = {
      {"{\"operation\": }", 400, "line 1, column"},
      {"", 400, "too early"},
      {"[]", 400, "expected a JSON object"},
      {"{}", 400, "\"operation\" is missing"},
      {R"({"operation":3})", 400, "\"operation\" must be a string, not a number"},
      {R"({"operation":"upper","inptu":"x"})", 400, "unknown member \"inptu\""},
      {R"({"operation":"upper","params":[]})", 400, "\"params\" must be an object"},
      {R"({"operation":"upper","params":{"a":null}})", 400, "\"params.a\" must be"},
      {R"({"operation":"upper","priority":"urgent"})", 400, "urgent"},
      {R"({"operation":"upper","retries":-1})", 400, "\"retries\""},
      {R"({"operation":"upper","retries":1.5})", 400, "\"retries\""},
      {R"({"operation":"upper","timeout":"5"})", 400, "\"timeout\" must be a number"},
      {R"({"operation":"upper","timeout":0})", 400, "\"timeout\" must be more than 0"},
      {R"({"operation":"upper","deadline":"tomorrow"})", 400, "RFC 3339"},
      {R"({"operation":"nosuch"})", 404, "nosuch"},
      {R"({"operation":"upper","input":"missing.txt"})", 404, "missing.txt"},
      {R"({"operation":"upper","input":"../data/LOCK"})", 403, "LOCK"},
      {R"({"operation":"upper","input":"/etc/passwd"})", 403, "passwd"},
  };
  for (const auto& c : cases) {
    const auto reply = post(c.body);
    EXPECT_EQ(reply.status, c.status) << c.body << ": " << reply.body;
    EXPECT_FALSE(reply.code().empty());
    EXPECT_NE(reply.json().at("detail").as_string().find(c.words), boost::json::string::npos)
        << c.body << ": " << reply.body;
  }
  EXPECT_EQ(ask("POST", "/v1/jobs?wait=soon", "", "{}").status, 400U);
  EXPECT_EQ(get("/v1/jobs/nosuch").status, 404U);
  EXPECT_EQ(get("/v1/jobs/nosuch/result").status, 404U);
  EXPECT_EQ(ask("DELETE", "/v1/jobs/nosuch").status, 404U);
  EXPECT_EQ(ask("POST", "/v1/jobs/nosuch/retry").status, 404U);
  EXPECT_EQ(runs(), 0U);
}

TEST_F(JobsTest, AResultNoLongerHeldIsGone) {
  config_.server.result_hold = Duration::zero();
  config_.operations.front().cache = false;
  open();
  const auto done = post(R"({"operation":"upper","input":"notes.txt"})", "?wait=60");
  ASSERT_EQ(state_of(done), "completed");
  const auto result = get("/v1/jobs/" + id_of(done) + "/result");
  EXPECT_EQ(result.status, 410U);
  EXPECT_EQ(result.code(), "result_gone");
}

TEST_F(JobsTest, AFullQueueAnswers429AndADrainingServer503) {
  config_.pool.max_workers = 1;
  config_.pool.min_workers = 0;
  config_.pool.queue_limit = 1;
  open();
  close_gate();
  std::promise<void> started;
  const auto starting = engine_->pool().on<JobStarted>([&](const JobStarted&) { started.set_value(); });
  EXPECT_EQ(post(R"({"operation":"upper","input":"notes.txt","params":{"n":1}})").status, 202U);
  started.get_future().wait();
  EXPECT_EQ(post(R"({"operation":"upper","input":"notes.txt","params":{"n":2}})").status, 202U);
  const auto full = post(R"({"operation":"upper","input":"notes.txt","params":{"n":3}})");
  EXPECT_EQ(full.status, 429U);
  EXPECT_EQ(full.code(), "overloaded");
  EXPECT_FALSE(full.field("retry-after").empty());

  EXPECT_EQ(get("/readyz").status, 200U);
  EXPECT_FALSE(engine_->drain(Duration::zero()).has_value());
  EXPECT_EQ(get("/readyz").status, 503U);
  EXPECT_EQ(get("/healthz").status, 200U);
  const auto refused = post(R"({"operation":"upper","input":"notes.txt","params":{"n":4}})");
  EXPECT_EQ(refused.status, 503U);
  EXPECT_EQ(refused.code(), "draining");
  EXPECT_FALSE(refused.field("retry-after").empty());
}

}  // namespace
}  // namespace hotwell::test

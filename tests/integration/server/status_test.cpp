// Probes, metrics, knobs, the page.
#include "fixture.hpp"

namespace hotwell::test {
namespace {

class StatusTest : public ServerTest {
 protected:
  void SetUp() override { open(); }
};

TEST_F(StatusTest, MetricsHaveTheirShape) {
  get("/media/upper/notes.txt");
  get("/media/upper/notes.txt");
  get("/v1/cache/absent");
  get("/healthz");
  const auto reply = get("/performance/metrics");
  EXPECT_EQ(reply.field("content-type"), "application/json");
  const auto metrics = reply.json().as_object();
  for (const auto* name : {"window", "requests", "latency", "system", "cache", "workers", "queue", "jobs",
                           "performance", "alerts", "recommendations"})
    EXPECT_TRUE(metrics.contains(name)) << name;
  EXPECT_EQ(metrics.at("requests").at("total").as_int64(), 3)
      << "jobs, media and cache count; probes and metrics do not";
  EXPECT_TRUE(metrics.at("requests").at("errorRate").is_string());
  const auto raw = get("/performance/metrics?format=raw").json();
  EXPECT_TRUE(raw.at("requests").at("errorRate").is_number());
  EXPECT_EQ(get("/performance/metrics?format=xml").status, 400U);

  const auto text = get("/metrics");
  EXPECT_EQ(text.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(text.body.find("hotwell_"), std::string::npos);

  const auto endpoints = get("/v1/endpoints").json().at("endpoints").as_array();
  bool seen = false;
  for (const auto& endpoint : endpoints)
    if (endpoint.at("endpoint").as_string() == "GET /media/{operation}/{input*}")
      seen = endpoint.at("total").as_int64() == 2;
  EXPECT_TRUE(seen) << get("/v1/endpoints").body;
  // A machine that has much to do may well have one.
  EXPECT_TRUE(get("/v1/alerts").json().at("alerts").is_array());
  EXPECT_TRUE(get("/v1/recommendations").json().at("recommendations").is_array());
}

TEST_F(StatusTest, ThePastHasItsShape) {
  get("/media/upper/notes.txt");
  const auto names = get("/v1/series").json().at("names").as_array();
  EXPECT_GT(names.size(), 40U);
  const auto data = get("/v1/series?name=requests.rate,latency.p95,cpu&window=60").json();
  EXPECT_EQ(data.at("step").as_int64(), 1);
  EXPECT_EQ(data.at("count").as_int64(), 60);
  EXPECT_EQ(data.at("series").as_array().size(), 3U);
  EXPECT_EQ(data.at("series").at(1).at("unit").as_string(), "seconds");
  EXPECT_EQ(data.at("series").at(2).at("values").as_array().size(), 60U);
  EXPECT_EQ(get("/v1/series?name=cpu&window=24h").json().at("step").as_int64(), 60);
  EXPECT_EQ(get("/v1/series?name=requests.rate&window=5m&operation=upper").status, 200U);
  for (const auto* wrong : {"name=no.such", "name=cpu&window=25h", "name=cpu&window=soon", "name=cpu&endpoint=a"})
    EXPECT_EQ(get(std::string("/v1/series?") + wrong).status, 400U) << wrong;
}

TEST_F(StatusTest, AlertsAreListedAndSilenced) {
  const auto rules = get("/v1/alerts").json().at("rules").as_array();
  EXPECT_GE(rules.size(), 4U);
  const auto begun =
      ask("POST", "/v1/alerts/silences", "", R"({"matchers":{"alertname":"cpu"},"duration":60,"comment":"a test"})");
  ASSERT_EQ(begun.status, 201U) << begun.body;
  const std::string id(begun.json().at("id").as_string());
  EXPECT_EQ(get("/v1/alerts").json().at("silences").at(0).at("comment").as_string(), "a test");
  EXPECT_EQ(ask("DELETE", "/v1/alerts/silences/" + id).status, 204U);
  EXPECT_EQ(ask("DELETE", "/v1/alerts/silences/" + id).status, 404U);
  EXPECT_EQ(get("/v1/alerts").json().at("silences").as_array().size(), 0U);
  for (const auto* wrong : {R"({"matchers":{"alertname":"cpu"}})", R"({"matchers":{},"duration":60})",
                            R"({"matchers":{"color":"red"},"duration":60})", R"({"duration":60})",
                            R"({"matchers":{"alertname":"cpu"},"duration":60,"ends_at":"2030-01-01T00:00:00Z"})", "{"})
    EXPECT_EQ(ask("POST", "/v1/alerts/silences", "", wrong).status, 400U) << wrong;
  EXPECT_EQ(ask("POST", "/v1/alerts/test", "", R"({"channel":"nobody"})").status, 404U);
  EXPECT_EQ(ask("POST", "/v1/alerts/test", "", "{}").status, 400U);
}

TEST_F(StatusTest, KnobsAreListedAndTurned) {
  const auto knobs = get("/v1/knobs").json().at("knobs").as_array();
  ASSERT_FALSE(knobs.empty());
  const auto knob = get("/v1/knobs/pool.max_workers");
  ASSERT_EQ(knob.status, 200U) << knob.body;
  const auto turned = ask("PUT", "/v1/knobs/pool.max_workers", "", R"({"value":3,"why":"a test"})");
  ASSERT_EQ(turned.status, 200U) << turned.body;
  EXPECT_EQ(turned.json().at("value").to_number<double>(), 3);
  EXPECT_EQ(turned.json().at("set_by").as_string(), "api");
  EXPECT_EQ(turned.json().at("why").as_string(), "a test");
  while (engine_->pool().stats().workers.max != 3) ASSERT_EQ(get("/healthz").status, 200U);  // by the pool's thread
  EXPECT_EQ(ask("PUT", "/v1/knobs/pool.max_workers", "", R"({"value":-1})").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/knobs/pool.max_workers", "", R"({"value":"3"})").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/knobs/pool.max_workers", "", R"({"why":"x"})").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/knobs/no.such", "", R"({"value":1})").status, 404U);
  EXPECT_EQ(get("/v1/knobs/no.such").status, 404U);
}

TEST_F(StatusTest, OperationsAreListed) {
  const auto names = get("/v1/operations").json().at("operations").as_array();
  EXPECT_NE(std::ranges::find(names, boost::json::value("upper")), names.end());
}

TEST_F(StatusTest, ThePageIsServedUnderAStrictPolicy) {
  const auto page = get("/");
  EXPECT_EQ(page.status, 200U);
  EXPECT_EQ(page.field("content-type"), "text/html; charset=utf-8");
  const auto policy = page.field("content-security-policy");
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(get("/", "If-None-Match: " + page.field("etag") + "\r\n").status, 304U);
  EXPECT_EQ(get("/style.css").field("content-type"), "text/css; charset=utf-8");
  EXPECT_EQ(get("/../etc/passwd").status, 404U);
  EXPECT_EQ(get("/%2e%2e/etc/passwd").status, 404U);
}

TEST_F(StatusTest, UnknownRoutesAndMethodsAreTold) {
  const auto lost = get("/v1/nowhere");
  EXPECT_EQ(lost.status, 404U);
  EXPECT_EQ(lost.code(), "not_found");
  const auto wrong = ask("DELETE", "/v1/jobs");
  EXPECT_EQ(wrong.status, 405U);
  EXPECT_EQ(wrong.field("allow"), "GET, HEAD, POST");
  EXPECT_EQ(ask("PATCH", "/v1/cache/k").field("allow"), "GET, HEAD, PUT, DELETE");
  EXPECT_EQ(ask("PUT", "/v1/cache/stats", "", "x").status, 405U);
  EXPECT_EQ(ask("BREW", "/v1/jobs").status, 405U);
}

}  // namespace
}  // namespace hotwell::test

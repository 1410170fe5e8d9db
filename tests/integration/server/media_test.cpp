// /media: the result itself, once however many ask, and nothing outside the roots.
#include <future>
#include <thread>

#include "fixture.hpp"

namespace hotwell::test {
namespace {

class MediaTest : public ServerTest {};

TEST_F(MediaTest, IsMadeOnceAndThenCached) {
  open();
  const auto made = get("/media/upper/notes.txt");
  EXPECT_EQ(made.status, 200U);
  EXPECT_EQ(made.body, "SOME NOTES\n");
  EXPECT_EQ(made.field("cache-status"), "hotwell; fwd=miss; stored");
  EXPECT_NE(made.field("server-timing").find("queue;dur="), std::string::npos);
  EXPECT_NE(made.field("server-timing").find("run;dur="), std::string::npos);
  const auto cached = get("/media/upper/notes.txt");
  EXPECT_EQ(cached.body, "SOME NOTES\n");
  EXPECT_EQ(cached.field("cache-status"), "hotwell; hit; detail=memory");
  EXPECT_EQ(cached.field("etag"), made.field("etag"));
  EXPECT_NE(cached.field("server-timing").find("read;dur="), std::string::npos);
  EXPECT_EQ(cached.field("content-security-policy"), "sandbox");
  EXPECT_EQ(get("/media/upper/notes.txt", "If-None-Match: " + cached.field("etag") + "\r\n").status, 304U);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(MediaTest, ParametersStandInTheAddress) {
  open();
  EXPECT_EQ(get("/media/echo/notes.txt?text=a%20b%26c").body, "a b&c");
  EXPECT_EQ(get("/media/echo/?text=no+input").body, "no input");
  EXPECT_EQ(get("/media/echo/notes.txt?text=a&text=b").status, 400U);
  EXPECT_EQ(get("/media/echo/notes.txt?text=a%2").status, 400U);
}

TEST_F(MediaTest, StoredObjectsCanBeInputs) {
  open();
  EXPECT_EQ(ask("PUT", "/v1/cache/some/key", "", "stored").status, 201U);
  EXPECT_EQ(get("/media/upper/cache:some/key").body, "STORED");
  EXPECT_EQ(get("/media/upper/cache%3Asome%2Fkey").body, "STORED");
  EXPECT_EQ(get("/media/upper/cache:absent").status, 404U);
}

TEST_F(MediaTest, HeadSaysWhatGetWouldSend) {
  open();
  const auto head = ask("HEAD", "/media/upper/notes.txt");
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.field("content-length"), "11");
  EXPECT_EQ(get("/media/upper/notes.txt").field("etag"), head.field("etag"));
  EXPECT_EQ(runs(), 1U) << "the work of HEAD was kept";
}

TEST_F(MediaTest, AJobsFailureIsAProblem) {
  open();
  const auto failed = get("/media/fails/notes.txt");
  EXPECT_EQ(failed.status, 422U);
  EXPECT_EQ(failed.code(), "failed");
  EXPECT_EQ(get("/media/nosuch/notes.txt").status, 404U);
  const auto metrics = engine_->monitor().metrics();
  EXPECT_EQ(metrics.requests.failed, 1U) << "a failed job is a failed request though its status is 422";
  EXPECT_EQ(metrics.requests.client_errors, 1U);
  EXPECT_EQ(metrics.requests.total, 2U);
}

TEST_F(MediaTest, NothingOutsideTheRootsIsServed) {
  std::ofstream(dir_.path() / "secret.txt") << "secret";
  std::filesystem::create_symlink(dir_.path() / "secret.txt", root_ / "link.txt");
  std::filesystem::create_directories(root_ / "folder");
  open();
  for (const std::string path : {"../secret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "folder/../../secret.txt",
                                 "folder/%2e%2e/%2e%2e/secret.txt", "/etc/passwd", "%2fetc%2fpasswd", "link.txt",
                                 "..%5csecret.txt", "....//secret.txt"}) {
    const auto reply = get("/media/cat/" + path);
    EXPECT_TRUE(reply.status == 403 || reply.status == 404) << path << ": " << reply.status << " " << reply.body;
    EXPECT_EQ(reply.body.find("root:"), std::string::npos) << path;
    EXPECT_NE(reply.body, "secret") << path;
  }
  EXPECT_EQ(get("/media/cat/a%00b").status, 400U);
  EXPECT_EQ(get("/media/cat/folder").code().empty(), false);
  EXPECT_EQ(runs(), 0U);
}

TEST_F(MediaTest, AThousandConcurrentAskersCauseOneJob) {
  open();
  close_gate();
  constexpr int askers = 1'000;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < askers; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    clients.back()->request("GET", "/media/upper/notes.txt");
  }
  open_gate();
  int missed = 0;
  for (auto& client : clients) {
    const auto reply = client->reply();
    ASSERT_EQ(reply.status, 200U) << reply.body;
    ASSERT_EQ(reply.body, "SOME NOTES\n");
    if (reply.field("cache-status") == "hotwell; fwd=miss; stored") ++missed;
  }
  EXPECT_EQ(missed, 1);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(MediaTest, AClientThatGoesAwayCancelsWorkNobodyElseWants) {
  open();
  close_gate();
  std::promise<void> started;
  const auto starting = engine_->pool().on<JobStarted>([&](const JobStarted&) { started.set_value(); });
  std::promise<void> cancelled;
  const auto cancelling = engine_->pool().on<JobCancelled>([&](const JobCancelled&) { cancelled.set_value(); });
  Client client(port_);
  client.request("GET", "/media/upper/notes.txt");
  started.get_future().wait();
  client.abort();
  EXPECT_EQ(cancelled.get_future().wait_for(std::chrono::seconds{60}), std::future_status::ready);
  EXPECT_EQ(get("/healthz").status, 200U);
}

TEST_F(MediaTest, AClientThatGoesAwayBehindAPipelinedRequestIsNoticedToo) {
  config_.server.idle_timeout = std::chrono::milliseconds{200};
  open();
  close_gate();
  std::promise<void> started;
  const auto starting = engine_->pool().on<JobStarted>([&](const JobStarted&) { started.set_value(); });
  std::promise<void> cancelled;
  const auto cancelling = engine_->pool().on<JobCancelled>([&](const JobCancelled&) { cancelled.set_value(); });
  Client client(port_);
  client.request("GET", "/media/upper/notes.txt");
  started.get_future().wait();
  client.request("GET", "/healthz");
  client.half_close();
  EXPECT_EQ(cancelled.get_future().wait_for(std::chrono::seconds{60}), std::future_status::ready);
}

}  // namespace
}  // namespace hotwell::test

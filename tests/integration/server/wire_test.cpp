// What happens on the connection: framing, limits, timeouts, and stopping.
#include <future>
#include <thread>

#include "fixture.hpp"

namespace hotwell::test {
namespace {

class WireTest : public ServerTest {};

TEST_F(WireTest, ManyRequestsTravelOnOneConnection) {
  open();
  Client client(port_);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.ask("GET", "/healthz").body, "alive\n");
}

TEST_F(WireTest, PipelinedRequestsAreAnsweredInOrder) {
  open();
  ask("PUT", "/v1/cache/k", "", "value");
  Client client(port_);
  std::string all;
  for (int i = 0; i < 200; ++i) {
    all += "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    all += "PUT /v1/cache/n HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";
    all += "GET /media/cat/cache:k HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(client.reply().body, "alive\n");
    EXPECT_EQ(client.reply().status, i == 0 ? 201U : 204U);
    EXPECT_EQ(client.reply().body, "value");
  }
  sender.join();
}

TEST_F(WireTest, AnOldClientGetsItsAnswerAndTheEnd) {
  open();
  Client once(port_);
  once.send("GET /healthz HTTP/1.0\r\n\r\n");
  const auto reply = once.reply();
  EXPECT_EQ(reply.field("connection"), "close");
  EXPECT_TRUE(once.closed());
  Client kept(port_);
  kept.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.reply().field("connection"), "keep-alive");
  EXPECT_EQ(kept.ask("GET", "/healthz", "Connection: close\r\n").field("connection"), "close");
  EXPECT_TRUE(kept.closed());
}

TEST_F(WireTest, WhatIsNoRequestIsRefusedAndTheConnectionClosed) {
  open();
  struct Case {
    std::string bytes;
    unsigned status;
  };
  const Case cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET /x\r\n\r\n", 400},
      {"GET relative HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET /v1/jobs?a=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(50'000, 'x') + "\r\n\r\n", 431},
      {"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n", 400},
      {"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(300'000, 'e'),
       400},
      {"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", 417},
  };
  for (const auto& c : cases) {
    Client client(port_);
    client.send(c.bytes + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto reply = client.reply();
    EXPECT_EQ(reply.status, c.status) << c.bytes.substr(0, 80);
    EXPECT_FALSE(reply.code().empty());
  }
  EXPECT_EQ(get("/healthz").status, 200U);
}

TEST_F(WireTest, ABodyOverTheLimitIsRefusedBeforeItIsRead) {
  config_.server.max_body = Bytes{1000};
  open();
  Client client(port_);
  client.send(
      "PUT /v1/cache/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");
  const auto reply = client.reply();  // no 100 before it
  EXPECT_EQ(reply.status, 413U);
  EXPECT_EQ(reply.code(), "too_large");
  EXPECT_EQ(reply.field("connection"), "close");
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "", std::string(1000, 'x')).status, 201U);
}

TEST_F(WireTest, ABodyThatGrowsOverTheLimitIsRefusedThough) {
  config_.server.max_body = Bytes{100'000};
  open();
  Client client(port_);
  client.send("PUT /v1/cache/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  const auto chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
  for (int i = 0; i < 100; ++i) client.send(chunk);
  EXPECT_EQ(client.reply().status, 413U) << "readable although the client still sent";
  EXPECT_EQ(get("/v1/cache/k").status, 404U);
}

TEST_F(WireTest, ALongJobBodyIsRefused) {
  open();
  EXPECT_EQ(ask("POST", "/v1/jobs", "", "{\"operation\":\"" + std::string(2'000'000, 'x') + "\"}").status, 413U);
}

TEST_F(WireTest, WhoAsksBeforeSendingIsToldToGoOn) {
  open();
  Client client(port_);
  client.send("PUT /v1/cache/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.head().status, 100U);
  client.send("hello");
  EXPECT_EQ(client.reply().status, 201U);
  EXPECT_EQ(client.ask("GET", "/v1/cache/k").body, "hello");
}

TEST_F(WireTest, AnUnreadBodyIsNeverTakenForARequest) {
  open();
  Client client(port_);
  const std::string smuggled = "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n";
  client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(smuggled.size()) + "\r\n\r\n" +
              smuggled);
  const auto reply = client.reply();
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.field("connection"), "close");
  client.half_close();
  EXPECT_EQ(client.read_exactly(1), "");
}

TEST_F(WireTest, TrailersChangeNothing) {
  open();
  Client client(port_);
  client.send(
      "PUT /v1/cache/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n0\r\nX-Hotwell-Meta-Late: 1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(client.reply().status, 201U);
  EXPECT_FALSE(client.ask("GET", "/v1/cache/k").fields.contains("x-hotwell-meta-late"));
}

TEST_F(WireTest, AHeadThatTricklesIsNotWaitedForForever) {
  config_.server.header_timeout = std::chrono::milliseconds{200};
  open();
  Client client(port_);
  client.send("GET /healthz HTT");
  EXPECT_EQ(client.reply().status, 408U);
  EXPECT_TRUE(client.closed());
}

TEST_F(WireTest, AnIdleConnectionIsClosed) {
  config_.server.idle_timeout = std::chrono::milliseconds{200};
  open();
  Client client(port_);
  EXPECT_EQ(client.ask("GET", "/healthz").status, 200U);
  EXPECT_TRUE(client.closed());
}

TEST_F(WireTest, ABodyThatStopsComingIsGivenUp) {
  config_.server.idle_timeout = std::chrono::milliseconds{200};
  open();
  Client client(port_);
  client.send("PUT /v1/cache/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nonly this");
  EXPECT_EQ(client.reply().status, 408U);
  EXPECT_EQ(get("/v1/cache/k").status, 404U);
}

TEST_F(WireTest, AClientThatReadsNothingIsGivenUp) {
  config_.server.idle_timeout = std::chrono::milliseconds{300};
  open();
  ASSERT_TRUE(engine_->cache().set("k", std::string(3'000'000, 'x')));
  Client client(port_);
  for (int i = 0; i < 8; ++i) client.request("GET", "/v1/cache/k");
  // The server waits for room, in vain: at the end the connection breaks in the middle of an answer.
  server_->stop(std::chrono::seconds{60});
  EXPECT_LT(client.read_exactly(24'000'000).size(), 24'000'000U);
}

TEST_F(WireTest, StopLetsAnswersEndAndTakesNobodyIn) {
  open();
  close_gate();
  std::promise<void> started;
  const auto starting = engine_->pool().on<JobStarted>([&](const JobStarted&) { started.set_value(); });
  Client idle(port_);
  EXPECT_EQ(idle.ask("GET", "/healthz").status, 200U);
  Client busy(port_);
  busy.request("GET", "/media/upper/notes.txt");
  started.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { server_->stop(std::chrono::seconds{60}); });
  EXPECT_TRUE(idle.closed());
  open_gate();
  const auto reply = busy.reply();
  EXPECT_EQ(reply.body, "SOME NOTES\n");
  EXPECT_EQ(reply.field("connection"), "close");
  stopped.get();
}

TEST_F(WireTest, StopCutsOffWhatDoesNotEnd) {
  open();
  close_gate();
  Client busy(port_);
  busy.request("GET", "/media/slow/notes.txt");
  EXPECT_EQ(busy.head().status, 200U);
  EXPECT_EQ(busy.read_chunk(), "first");
  server_->stop(Duration::zero());
  EXPECT_EQ(busy.read_chunk(), std::nullopt) << "cut off, not ended";
}

}  // namespace
}  // namespace hotwell::test

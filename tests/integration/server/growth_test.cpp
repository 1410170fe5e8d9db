// Results that are read while they are made.
#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "fixture.hpp"

namespace hotwell::test {
namespace {

class GrowthTest : public ServerTest {};

TEST_F(GrowthTest, FirstBytesArriveBeforeTheJobEnds) {
  open();
  close_gate();
  Client client(port_);
  client.request("GET", "/media/slow/notes.txt");
  const auto head = client.head();
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.field("transfer-encoding"), "chunked");
  EXPECT_EQ(head.field("content-type"), "text/plain");
  EXPECT_EQ(client.read_chunk(), "first");
  open_gate();
  EXPECT_EQ(client.read_chunk(), "second");
  EXPECT_EQ(client.read_chunk(), "");
  const auto again = client.ask("GET", "/media/slow/notes.txt");
  EXPECT_EQ(again.body, "firstsecond");
  EXPECT_EQ(again.field("cache-status"), "hotwell; hit; detail=memory");
  EXPECT_EQ(again.field("etag"), head.field("etag")) << "the same bytes, the same tag";
}

TEST_F(GrowthTest, TheResultOfARunningJobIsFollowed) {
  open();
  close_gate();
  const auto job = ask("POST", "/v1/jobs", "", R"({"operation":"slow","input":"notes.txt"})");
  ASSERT_EQ(job.status, 202U);
  Client client(port_);
  client.request("GET", "/v1/jobs/" + std::string(job.json().at("id").as_string()) + "/result");
  EXPECT_EQ(client.head().status, 200U);
  EXPECT_EQ(client.read_chunk(), "first");
  open_gate();
  EXPECT_EQ(client.read_chunk(), "second");
  EXPECT_EQ(client.read_chunk(), "");
}

TEST_F(GrowthTest, ALateAskerJoins) {
  open();
  close_gate();
  Client first(port_);
  first.request("GET", "/media/slow/notes.txt");
  EXPECT_EQ(first.head().status, 200U);
  EXPECT_EQ(first.read_chunk(), "first");
  Client second(port_);
  second.request("GET", "/media/slow/notes.txt");
  const auto head = second.head();
  EXPECT_EQ(head.field("cache-status"), "hotwell; fwd=miss; collapsed");
  EXPECT_EQ(second.read_chunk(), "first");
  open_gate();
  for (auto* client : {&first, &second}) {
    EXPECT_EQ(client->read_chunk(), "second");
    EXPECT_EQ(client->read_chunk(), "");
  }
  EXPECT_EQ(runs(), 1U);
}

TEST_F(GrowthTest, AnAttemptThatDiesBreaksTheBodyAndNeverEndsIt) {
  open();
  close_gate();
  Client client(port_);
  client.request("GET", "/media/breaks/notes.txt");
  EXPECT_EQ(client.head().status, 200U);
  EXPECT_EQ(client.read_chunk(), "first");
  open_gate();
  EXPECT_EQ(client.read_chunk(), std::nullopt);
  EXPECT_TRUE(client.closed());
  // Nobody is told of the end but by the connection's: the count may come a moment later.
  while (engine_->monitor().metrics().requests.total == 0) ASSERT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(engine_->monitor().metrics().requests.failed, 1U);
}

TEST_F(GrowthTest, ARangeWhoseBytesAreFinalIsAnsweredAtOnce) {
  open();
  close_gate();
  Client follower(port_);
  follower.request("GET", "/media/slow/notes.txt");
  EXPECT_EQ(follower.head().status, 200U);
  EXPECT_EQ(follower.read_chunk(), "first");
  const auto part = get("/media/slow/notes.txt", "Range: bytes=1-3\r\n");
  EXPECT_EQ(part.status, 206U);
  EXPECT_EQ(part.field("content-range"), "bytes 1-3/*");
  EXPECT_EQ(part.body, "irs");
  const auto from_start = [&] {
    Client client(port_);
    client.request("GET", "/media/slow/notes.txt", "Range: bytes=0-\r\n");
    return client.head().status;
  }();
  EXPECT_EQ(from_start, 200U) << "followed like any other";
  open_gate();
  EXPECT_EQ(follower.read_chunk(), "second");
}

TEST_F(GrowthTest, WhatNeedsTheLengthWaitsForTheEnd) {
  open();
  close_gate();
  Client follower(port_);
  follower.request("GET", "/media/slow/notes.txt");
  EXPECT_EQ(follower.head().status, 200U);
  Client head(port_);
  head.request("HEAD", "/media/slow/notes.txt");
  Client suffix(port_);
  suffix.request("GET", "/media/slow/notes.txt", "Range: bytes=-6\r\n");
  Client old(port_);
  old.send("GET /media/slow/notes.txt HTTP/1.0\r\n\r\n");
  open_gate();
  EXPECT_EQ(head.reply("HEAD").field("content-length"), "11");
  const auto part = suffix.reply();
  EXPECT_EQ(part.status, 206U);
  EXPECT_EQ(part.field("content-range"), "bytes 5-10/11");
  EXPECT_EQ(part.body, "second");
  const auto whole = old.reply();
  EXPECT_EQ(whole.body, "firstsecond");
  EXPECT_TRUE(old.closed());
  EXPECT_EQ(runs(), 1U);
}

TEST_F(GrowthTest, AFollowerThatLeavesInTheMiddleCancelsWorkNobodyElseWants) {
  open();
  close_gate();
  std::promise<void> cancelled;
  const auto cancelling = engine_->pool().on<JobCancelled>([&](const JobCancelled&) { cancelled.set_value(); });
  Client client(port_);
  client.request("GET", "/media/slow/notes.txt");
  EXPECT_EQ(client.head().status, 200U);
  EXPECT_EQ(client.read_chunk(), "first");
  client.abort();
  EXPECT_EQ(cancelled.get_future().wait_for(std::chrono::seconds{60}), std::future_status::ready);
}

TEST_F(GrowthTest, ManyAskersOfOneColdResultGetItFromOneComputation) {
  add("cold", wait_at_gate() + "seq -f %063.0f 16384");
  open();
  close_gate();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 200; ++i)
    clients.emplace_back(std::make_unique<Client>(port_))->request("GET", "/media/cold/notes.txt");
  open_gate();
  const auto body = clients.front()->reply().body;
  EXPECT_EQ(body.size(), 1U << 20);
  for (std::size_t i = 1; i < clients.size(); ++i) EXPECT_TRUE(clients[i]->reply().body == body) << i;
  EXPECT_EQ(runs(), 1U);
}

// More than the stream tier that the next tests have.
constexpr std::uint64_t large_result = 12 << 20;
constexpr const char* print_large = "seq -f %063.0f 196608";

std::string large_text() {
  std::string text;
  for (int i = 1; i <= 196608; ++i) text += fmt::format("{:063}\n", i);
  return text;
}

TEST_F(GrowthTest, AResultLargerThanTheStreamTierReachesWhoFollowsItAndIsNotKept) {
  config_.cache.stream_limit = Bytes{4 << 20};
  add("large", print_large);
  open();
  std::uint64_t most = 0;
  const auto text = large_text();
  ASSERT_EQ(text.size(), large_result);
  Client client(port_);
  client.request("GET", "/media/large/notes.txt");
  EXPECT_EQ(client.head().status, 200U);
  std::string body;
  for (;;) {
    const auto chunk = client.read_chunk();
    ASSERT_TRUE(chunk) << "cut off after " << body.size();
    if (chunk->empty()) break;
    body += *chunk;
    most = std::max(most, engine_->cache().stats().stream.size.count);
  }
  EXPECT_TRUE(body == text) << body.size();
  EXPECT_LE(most, 4U << 20);
  // Its end may come a moment after its last byte: until then another asker could still meet it.
  while (engine_->pool().stats().jobs.failed == 0) ASSERT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(engine_->cache().stats().stream.entries, 0U);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(GrowthTest, AResultLargerThanTheStreamTierWaitsForTheSlowestOfItsReaders) {
  config_.cache.stream_limit = Bytes{4 << 20};
  add("large", "printf first; " + wait_at_gate() + print_large);
  open();
  close_gate();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) {
    auto& client = *clients.emplace_back(std::make_unique<Client>(port_));
    client.request("GET", "/media/large/notes.txt");
    EXPECT_EQ(client.head().status, 200U);
    EXPECT_EQ(client.read_chunk(), "first");
  }
  open_gate();
  const auto text = large_text();
  const auto rest = [](Client& client) {
    std::string body;
    for (auto chunk = client.read_chunk(); chunk && !chunk->empty(); chunk = client.read_chunk()) body += *chunk;
    return body;
  };
  std::atomic<int> whole{0};
  {
    // One does not begin before the others have read what they can get ahead of it.
    std::vector<std::jthread> readers;
    for (std::size_t i = 1; i < clients.size(); ++i)
      readers.emplace_back([&, i] {
        if (rest(*clients[i]) == text) ++whole;
      });
    while (engine_->cache().stats().stream.size.count < (3U << 20) && engine_->pool().stats().jobs.failed == 0)
      ASSERT_EQ(get("/healthz").status, 200U);
    EXPECT_TRUE(rest(*clients[0]) == text);
  }
  EXPECT_EQ(whole, 3);
  EXPECT_EQ(runs(), 1U);
}

TEST_F(GrowthTest, WhoComesTooLateForALargeResultIsToldSo) {
  config_.cache.stream_limit = Bytes{4 << 20};
  add("large", std::string(print_large) + "; " + wait_at_gate());
  open();
  close_gate();
  Client client(port_);
  client.request("GET", "/media/large/notes.txt");
  EXPECT_EQ(client.head().status, 200U);
  std::string body;
  while (body.size() < large_result) body += client.read_chunk().value();
  const auto late = get("/media/large/notes.txt");
  EXPECT_EQ(late.status, 413U);
  EXPECT_EQ(late.code(), "too_large");
  open_gate();
  EXPECT_EQ(client.read_chunk(), "");
}

TEST_F(GrowthTest, AResultLargerThanTheStreamTierThatNobodyFollowsFails) {
  config_.cache.stream_limit = Bytes{4 << 20};
  add("large", print_large);
  open();
  const auto job = ask("POST", "/v1/jobs?wait=60", "", R"({"operation":"large","input":"notes.txt"})");
  EXPECT_EQ(job.json().at("error").at("code").as_string(), "too_large");
  const auto head = ask("HEAD", "/media/large/notes.txt");
  EXPECT_EQ(head.status, 413U) << "who waits for the end holds up nobody";
}

TEST_F(GrowthTest, AStoredObjectLargerThanTheStreamTierIsRefusedWhole) {
  config_.cache.stream_limit = Bytes{4 << 20};
  open();
  EXPECT_EQ(ask("PUT", "/v1/cache/small", "", "kept").status, 201U);
  EXPECT_EQ(ask("PUT", "/v1/cache/large", "", std::string(12 << 20, 'x')).status, 413U);
  EXPECT_EQ(get("/v1/cache/large").status, 404U);
  EXPECT_EQ(get("/v1/cache/small").body, "kept");
}

TEST_F(GrowthTest, AnEarlyFailureIsAProperProblem) {
  add("late", wait_at_gate() + "exit 2");
  config_.operations.back().permanent_exit_codes = {2};
  open();
  close_gate();
  Client client(port_);
  client.request("GET", "/media/late/notes.txt");
  open_gate();
  const auto reply = client.reply();
  EXPECT_EQ(reply.status, 422U);
  EXPECT_EQ(reply.code(), "failed");
}

}  // namespace
}  // namespace hotwell::test

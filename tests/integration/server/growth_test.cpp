// Results that are read while they are made.
#include <future>

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

// Server-sent events.
#include "fixture.hpp"

namespace hotwell::test {
namespace {

class EventsTest : public ServerTest {
 protected:
  void SetUp() override { open(); }

  // Reads on until an event of that name has come; answers the whole event.
  static std::string next(Client& client, std::string& seen, const std::string& name) {
    const auto line = "event: " + name + "\n";
    for (;;) {
      const auto at = seen.find(line);
      const auto end = at == std::string::npos ? at : seen.find("\n\n", at);
      if (end != std::string::npos) {
        const auto begin = seen.rfind("id: ", at);
        auto event = seen.substr(begin, end - begin);
        seen.erase(0, end + 2);
        return event;
      }
      const auto chunk = client.read_chunk();
      if (!chunk || chunk->empty()) return "the stream ended";
      seen += *chunk;
    }
  }
};

TEST_F(EventsTest, WhatHappensIsToldAsItHappens) {
  Client client(port_);
  client.request("GET", "/v1/events?types=jobQueued,jobCompleted,cacheSet,knobChanged");
  const auto head = client.head();
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.field("content-type"), "text/event-stream");
  std::string seen = client.read_chunk().value_or("");
  get("/media/upper/notes.txt");
  const auto queued = next(client, seen, "jobQueued");
  EXPECT_NE(queued.find(R"("operation":"upper")"), std::string::npos) << queued;
  EXPECT_NE(queued.find(R"("priority":"normal")"), std::string::npos) << queued;
  EXPECT_NE(next(client, seen, "jobCompleted").find(R"("size":11)"), std::string::npos);
  ask("PUT", "/v1/cache/k", "", "value");
  EXPECT_NE(next(client, seen, "cacheSet").find(R"("key":"k")"), std::string::npos);
  ask("PUT", "/v1/knobs/pool.max_workers", "", R"({"value":3,"why":"a test"})");
  EXPECT_NE(next(client, seen, "knobChanged").find(R"("setBy":"api")"), std::string::npos);
  EXPECT_EQ(seen.find("cacheMiss"), std::string::npos) << "not asked for";
}

TEST_F(EventsTest, WhoComesBackHearsWhatItMissed) {
  Client stays(port_);
  stays.request("GET", "/v1/events?types=cacheSet");
  EXPECT_EQ(stays.head().status, 200U);
  std::string seen = stays.read_chunk().value_or("");
  ask("PUT", "/v1/cache/first", "", "x");
  const auto first = next(stays, seen, "cacheSet");
  ask("PUT", "/v1/cache/second", "", "x");
  next(stays, seen, "cacheSet");
  const auto number = first.substr(4, first.find('\n') - 4);
  Client back(port_);
  back.request("GET", "/v1/events?types=cacheSet", "Last-Event-ID: " + number + "\r\n");
  EXPECT_EQ(back.head().status, 200U);
  std::string missed;
  EXPECT_NE(next(back, missed, "cacheSet").find(R"("key":"second")"), std::string::npos);
}

TEST_F(EventsTest, UnknownTypesAreNamed) {
  const auto reply = get("/v1/events?types=jobQueued,weather");
  EXPECT_EQ(reply.status, 400U);
  EXPECT_NE(reply.body.find("weather"), std::string::npos);
}

TEST_F(EventsTest, NobodyListeningLeavesTheEngineUnsubscribed) {
  {
    Client client(port_);
    client.request("GET", "/v1/events");
    EXPECT_EQ(client.head().status, 200U);
    EXPECT_TRUE(engine_->cache().events().any<CacheHit>());
    client.abort();
  }
  while (engine_->cache().events().any<CacheHit>()) ASSERT_EQ(get("/healthz").status, 200U);
}

TEST_F(EventsTest, AListenerThatReadsNothingIsDroppedAndNobodyWaits) {
  Client client(port_);
  client.request("GET", "/v1/events?types=cacheSet");
  EXPECT_EQ(client.head().status, 200U);
  const std::string key(3'000, 'k');
  for (int i = 0; i < 5'000; ++i) engine_->cache().events().publish(CacheSet{key, Level::memory, Bytes{1}});
  while (engine_->cache().events().any<CacheSet>()) ASSERT_EQ(get("/healthz").status, 200U);
}

TEST_F(EventsTest, StoppingDoesNotWaitForListeners) {
  Client client(port_);
  client.request("GET", "/v1/events");
  EXPECT_EQ(client.head().status, 200U);
  server_->stop(std::chrono::seconds{60});
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace hotwell::test

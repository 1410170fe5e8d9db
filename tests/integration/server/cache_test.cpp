// /v1/cache: objects, conditions and ranges.
#include <random>

#include "fixture.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::test {
namespace {

class CacheTest : public ServerTest {
 protected:
  void SetUp() override { open(); }
};

std::string random_text(std::size_t size) {
  std::mt19937_64 random{seed()};
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

TEST_F(CacheTest, AnObjectIsStoredFoundReplacedAndDeleted) {
  const auto made =
      ask("PUT", "/v1/cache/video%20123/a/b?type=clip&ttl=60",
          "Content-Type: video/mp4\r\nX-Hotwell-Meta-Resolution: 1080p\r\nX-Hotwell-Meta-By: me\r\n", "bytes");
  EXPECT_EQ(made.status, 201U);
  EXPECT_FALSE(made.field("etag").empty());
  const auto got = get("/v1/cache/video%20123/a%2Fb");
  EXPECT_EQ(got.status, 200U);
  EXPECT_EQ(got.body, "bytes");
  EXPECT_EQ(got.field("content-type"), "video/mp4");
  EXPECT_EQ(got.field("etag"), made.field("etag"));
  EXPECT_EQ(got.field("x-hotwell-meta-resolution"), "1080p");
  EXPECT_EQ(got.field("x-hotwell-meta-by"), "me");
  EXPECT_EQ(got.field("x-hotwell-type"), "clip");
  EXPECT_EQ(got.field("cache-status"), "hotwell; hit; detail=memory");
  EXPECT_EQ(got.field("accept-ranges"), "bytes");
  EXPECT_EQ(got.field("age"), "0");
  EXPECT_EQ(got.field("x-content-type-options"), "nosniff");
  EXPECT_EQ(got.field("content-security-policy"), "sandbox");
  EXPECT_EQ(engine_->cache().get("video 123/a/b").value()->bytes().text(), "bytes");

  const auto replaced = ask("PUT", "/v1/cache/video%20123/a/b", "", "other");
  EXPECT_EQ(replaced.status, 204U);
  EXPECT_NE(replaced.field("etag"), made.field("etag"));
  EXPECT_EQ(get("/v1/cache/video%20123/a/b").body, "other");
  EXPECT_EQ(ask("DELETE", "/v1/cache/video%20123/a/b").status, 204U);
  EXPECT_EQ(ask("DELETE", "/v1/cache/video%20123/a/b").status, 404U);
  const auto missed = get("/v1/cache/video%20123/a/b");
  EXPECT_EQ(missed.status, 404U);
  EXPECT_EQ(missed.code(), "not_found");
  EXPECT_EQ(missed.field("cache-status"), "hotwell; fwd=miss");
}

TEST_F(CacheTest, AnEmptyObjectIsAHit) {
  EXPECT_EQ(ask("PUT", "/v1/cache/empty", "", "").status, 201U);
  EXPECT_EQ(ask("PUT", "/v1/cache/empty").status, 204U) << "without a length too";
  const auto got = get("/v1/cache/empty");
  EXPECT_EQ(got.status, 200U);
  EXPECT_EQ(got.field("content-length"), "0");
  EXPECT_EQ(get("/v1/cache/empty", "Range: bytes=0-\r\n").status, 416U);
}

TEST_F(CacheTest, HeadIsGetWithoutABody) {
  ask("PUT", "/v1/cache/k", "Content-Type: text/plain\r\n", "0123456789");
  Client client(port_);
  const auto head = client.ask("HEAD", "/v1/cache/k");
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.field("content-length"), "10");
  EXPECT_EQ(client.ask("GET", "/v1/cache/k").body, "0123456789") << "and no byte came between";
  EXPECT_EQ(client.ask("HEAD", "/v1/cache/k", "Range: bytes=0-1\r\n").status, 200U) << "ranges are GET's alone";
  EXPECT_EQ(client.ask("HEAD", "/v1/cache/absent").status, 404U);
}

TEST_F(CacheTest, RangesAreThoseOfRfc9110) {
  ask("PUT", "/v1/cache/k", "Content-Type: text/plain\r\n", "0123456789");
  struct Case {
    std::string_view range;
    unsigned status;
    std::string_view body;
    std::string_view content_range;
  };
  const Case cases[] = {
      {"bytes=0-4", 206, "01234", "bytes 0-4/10"},
      {"bytes=5-", 206, "56789", "bytes 5-9/10"},
      {"bytes=-3", 206, "789", "bytes 7-9/10"},
      {"bytes=-99", 206, "0123456789", "bytes 0-9/10"},
      {"bytes=0-99", 206, "0123456789", "bytes 0-9/10"},
      {"bytes=9-9", 206, "9", "bytes 9-9/10"},
      {"bytes=10-", 416, "", "bytes */10"},
      {"bytes=-0", 416, "", "bytes */10"},
      {"bytes=5-4", 200, "0123456789", ""},
      {"items=0-4", 200, "0123456789", ""},
      {"bytes", 200, "0123456789", ""},
      {"bytes=x", 200, "0123456789", ""},
  };
  Client client(port_);
  for (const auto& c : cases) {
    const auto reply = client.ask("GET", "/v1/cache/k", "Range: " + std::string(c.range) + "\r\n");
    EXPECT_EQ(reply.status, c.status) << c.range;
    EXPECT_EQ(reply.field("content-range"), c.content_range) << c.range;
    if (c.status == 416) {
      EXPECT_FALSE(reply.code().empty());
    } else {
      EXPECT_EQ(reply.body, c.body) << c.range;
    }
  }
}

TEST_F(CacheTest, SeveralRangesComeAsMultipart) {
  ask("PUT", "/v1/cache/k", "Content-Type: text/plain\r\n", "0123456789");
  const auto reply = get("/v1/cache/k", "Range: bytes=0-1, 5-5,-2\r\n");
  ASSERT_EQ(reply.status, 206U);
  const auto type = reply.field("content-type");
  ASSERT_TRUE(type.starts_with("multipart/byteranges; boundary=")) << type;
  const auto mark = "--" + type.substr(type.find('=') + 1);
  const auto part = [](std::string range, std::string bytes) {
    return "\r\nContent-Type: text/plain\r\nContent-Range: " + range + "\r\n\r\n" + bytes + "\r\n";
  };
  EXPECT_EQ(reply.body, mark + part("bytes 0-1/10", "01") + mark + part("bytes 5-5/10", "5") + mark +
                            part("bytes 8-9/10", "89") + mark + "--\r\n");
}

TEST_F(CacheTest, ConditionsDecide) {
  const auto etag = ask("PUT", "/v1/cache/k", "", "0123456789").field("etag");
  Client client(port_);
  const auto status = [&](std::string_view method, std::string fields) {
    return client
        .ask(method, "/v1/cache/k", fields, method == "PUT" ? std::optional<std::string_view>("new") : std::nullopt)
        .status;
  };
  const auto not_modified = client.ask("GET", "/v1/cache/k", "If-None-Match: \"x\", W/" + etag + "\r\n");
  EXPECT_EQ(not_modified.status, 304U);
  EXPECT_EQ(not_modified.field("etag"), etag);
  EXPECT_EQ(status("GET", "If-None-Match: *\r\n"), 304U);
  EXPECT_EQ(status("GET", "If-None-Match: \"x\"\r\n"), 200U);
  EXPECT_EQ(status("GET", "If-Match: " + etag + "\r\n"), 200U);
  EXPECT_EQ(status("GET", "If-Match: \"x\"\r\n"), 412U);
  EXPECT_EQ(status("GET", "Range: bytes=0-0\r\nIf-Range: " + etag + "\r\n"), 206U);
  EXPECT_EQ(status("GET", "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n"), 200U);
  EXPECT_EQ(status("GET", "Range: bytes=0-0\r\nIf-Range: Sat, 29 Oct 1994 19:43:31 GMT\r\n"), 200U);
  EXPECT_EQ(status("PUT", "If-None-Match: *\r\n"), 412U);
}

TEST_F(CacheTest, ConditionalWritesNeverOverwriteWhatTheyDidNotSee) {
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "If-Match: *\r\n", "first").status, 412U);
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "If-None-Match: *\r\n", "first").status, 201U);
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "If-None-Match: *\r\n", "second").status, 412U);
  const auto etag = get("/v1/cache/k").field("etag");
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "If-Match: \"x\"\r\n", "second").status, 412U);
  EXPECT_EQ(get("/v1/cache/k").body, "first");
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "If-Match: " + etag + "\r\n", "second").status, 204U);
  EXPECT_EQ(get("/v1/cache/k").body, "second");
  EXPECT_EQ(ask("DELETE", "/v1/cache/k", "If-Match: " + etag + "\r\n").status, 412U);
}

TEST_F(CacheTest, AConditionHasToHoldWhenTheObjectIsReplacedToo) {
  ask("PUT", "/v1/cache/k", "", "first");
  for (const std::size_t size : {10U, 3'000'000U}) {
    // The condition holds when the head comes; before the body has come somebody else is quicker.
    const auto present = get("/v1/cache/k").field("etag");
    Client slow(port_);
    slow.send("PUT /v1/cache/k HTTP/1.1\r\nHost: localhost\r\nIf-Match: " + present +
              "\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
    EXPECT_EQ(slow.read_exactly(25), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(ask("PUT", "/v1/cache/k", "If-Match: " + present + "\r\n", "quicker").status, 204U);
    slow.send(std::string(size, 'x'));
    EXPECT_EQ(slow.reply("PUT").status, 412U) << size;
    EXPECT_EQ(get("/v1/cache/k").body, "quicker");
  }
}

TEST_F(CacheTest, AContentCodingIsRefusedSinceItWouldBeForgotten) {
  const auto refused = ask("PUT", "/v1/cache/k", "Content-Encoding: gzip\r\n", "bytes");
  EXPECT_EQ(refused.status, 415U);
  EXPECT_EQ(get("/v1/cache/k").status, 404U);
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "Content-Encoding: identity\r\n", "bytes").status, 201U);
}

TEST_F(CacheTest, LargeObjectsStreamInAndOut) {
  const auto text = random_text(9'000'000);
  EXPECT_EQ(ask("PUT", "/v1/cache/large", "", text).status, 201U);
  Client client(port_);
  const auto got = client.ask("GET", "/v1/cache/large");
  EXPECT_TRUE(got.whole && got.body == text);
  const auto part = client.ask("GET", "/v1/cache/large", "Range: bytes=1048000-3000000\r\n");
  EXPECT_EQ(part.status, 206U);
  EXPECT_TRUE(part.body == text.substr(1048000, 3000000 - 1048000 + 1));
  const auto parts = client.ask("GET", "/v1/cache/large", "Range: bytes=0-9,8999990-\r\n");
  EXPECT_EQ(parts.status, 206U);
  EXPECT_NE(parts.body.find(text.substr(8'999'990)), std::string::npos);
  // The same after a restart, when every chunk has to be verified anew.
  server_.reset();
  engine_.reset();
  open();
  const auto again = get("/v1/cache/large");
  EXPECT_TRUE(again.whole && again.body == text);
  EXPECT_EQ(again.field("cache-status"), "hotwell; hit; detail=stream");
}

TEST_F(CacheTest, DamagedBytesAreNeverServed) {
  const auto text = random_text(9'000'000);
  ASSERT_EQ(ask("PUT", "/v1/cache/large", "", text).status, 201U);
  server_.reset();
  engine_.reset();
  // Flip a byte in the middle of whichever file holds the object.
  bool damaged = false;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(config_.data_dir)) {
    if (!entry.is_regular_file() || entry.file_size() < text.size()) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(5'000'000);
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(5'000'000);
    file.put(byte);
    damaged = true;
  }
  ASSERT_TRUE(damaged);
  open();
  const auto got = get("/v1/cache/large");
  EXPECT_FALSE(got.whole);
  EXPECT_LT(got.body.size(), 5'000'000U);
  EXPECT_TRUE(text.starts_with(got.body));
}

TEST_F(CacheTest, AnUploadOfUnknownLengthIsStored) {
  Client client(port_);
  client.send("PUT /v1/cache/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  EXPECT_EQ(get("/v1/cache/k").status, 404U) << "nothing half-made is served";
  client.send("1\r\n!\r\n0\r\n\r\n");
  EXPECT_EQ(client.reply().status, 201U);
  EXPECT_EQ(get("/v1/cache/k").body, "hello!");
}

TEST_F(CacheTest, HalfAnUploadLeavesNothing) {
  const auto files = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(config_.data_dir))
      count += entry.is_regular_file();
    return count;
  };
  const auto before = files();
  {
    Client client(port_);
    client.send("PUT /v1/cache/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n" +
                random_text(100'000));
    client.half_close();
    EXPECT_TRUE(client.closed());
  }
  EXPECT_EQ(get("/v1/cache/half").status, 404U);
  EXPECT_EQ(files(), before);
}

TEST_F(CacheTest, WarmTellsWhatBecameOfTheKeys) {
  ASSERT_EQ(ask("PUT", "/v1/cache/k", "", "bytes").status, 201U);
  const auto warmed = ask("POST", "/v1/cache/warm", "", R"({"keys":["k","absent"]})");
  EXPECT_EQ(warmed.status, 200U);
  EXPECT_EQ(warmed.body, R"({"warmed":0,"already":1,"absent":1,"no_room":0})");
  EXPECT_EQ(ask("POST", "/v1/cache/warm", "", R"({"keys":"k"})").status, 400U);
  EXPECT_EQ(ask("POST", "/v1/cache/warm", "", R"({"colour":[]})").status, 400U);
  EXPECT_EQ(ask("POST", "/v1/cache/warm", "", "[").status, 400U);
}

TEST_F(CacheTest, MaxAgeIsTheTimeToLiveWhereNoneIsNamed) {
  ASSERT_EQ(ask("PUT", "/v1/cache/aged", "Cache-Control: public, max-age=3600\r\n", "bytes").status, 201U);
  ASSERT_EQ(ask("PUT", "/v1/cache/named?ttl=60", "Cache-Control: max-age=3600\r\n", "bytes").status, 201U);
  ASSERT_EQ(ask("PUT", "/v1/cache/odd", "Cache-Control: max-age=soon\r\n", "bytes").status, 201U);
  const auto lives = [&](const char* key) {
    const auto object = engine_->cache().get(key).value();
    return object->expires - object->created;
  };
  EXPECT_EQ(lives("aged"), std::chrono::hours{1});
  EXPECT_EQ(lives("named"), std::chrono::minutes{1});
  EXPECT_EQ(lives("odd"), std::chrono::hours{24 * 7});
}

TEST_F(CacheTest, AMaxAgeBeyondAllNumbersIsVeryLong) {
  ask("PUT", "/v1/cache/k", "Cache-Control: max-age=99999999999999\r\n", "x");
  const auto lives = engine_->cache().get("k").value()->expires - std::chrono::system_clock::now();
  EXPECT_GT(lives, std::chrono::hours{24 * 365 * 50});
}

TEST_F(CacheTest, RefusedKeysAndOptionsAreNamed) {
  EXPECT_EQ(ask("PUT", "/v1/cache/result:abc", "", "x").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/cache/", "", "x").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/cache/" + std::string(5000, 'k'), "", "x").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/cache/k?ttl=0", "", "x").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/cache/k?ttl=soon", "", "x").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/cache/k?colour=red", "", "x").status, 400U);
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "Content-Range: bytes 0-0/5\r\n", "x").status, 400U);
  EXPECT_EQ(get("/v1/cache/k").status, 404U);
}

TEST_F(CacheTest, KeysAreNeverFileNames) {
  for (const std::string key : {"..%2F..%2Fescape", "../other/../../escape", "%2Fetc%2Fescape"}) {
    EXPECT_EQ(ask("PUT", "/v1/cache/" + key, "", "x").status, 201U) << key;
    EXPECT_EQ(get("/v1/cache/" + key).body, "x") << key;
  }
  EXPECT_FALSE(std::filesystem::exists(dir_.path() / "escape"));
  EXPECT_FALSE(std::filesystem::exists("/etc/escape"));
}

TEST_F(CacheTest, StatisticsCountAndClearingEmpties) {
  ask("PUT", "/v1/cache/k", "", "0123456789");
  get("/v1/cache/k");
  get("/v1/cache/absent");
  const auto stats = get("/v1/cache/stats").json().as_object();
  for (const auto* tier : {"memory", "disk", "stream", "total"})
    for (const auto* name : {"entries", "size", "utilization", "hits", "misses", "hit_rate"})
      EXPECT_TRUE(stats.at(tier).as_object().contains(name)) << tier << "." << name;
  EXPECT_GE(stats.at("memory").at("hits").as_int64(), 1);
  EXPECT_GE(stats.at("total").at("misses").as_int64(), 1);
  EXPECT_EQ(ask("POST", "/v1/cache/clear").status, 204U);
  EXPECT_EQ(get("/v1/cache/k").status, 404U);
}

TEST_F(CacheTest, TypesHaveFiguresOfTheirOwn) {
  ask("PUT", "/v1/cache/k?type=clip", "", "0123456789");
  get("/v1/cache/k");
  const auto clip = get("/v1/cache/stats").json().at("types").at("clip").as_object();
  EXPECT_EQ(clip.at("sets").as_int64(), 1);
  EXPECT_EQ(clip.at("stored").as_int64(), 10);
  EXPECT_EQ(clip.at("hits").as_int64(), 1);
  EXPECT_EQ(clip.at("served").as_int64(), 10);
}

TEST_F(CacheTest, AKeyIsExplainedAsAJobIs) {
  ask("PUT", "/v1/cache/films/a?type=clip", "Content-Type: video/mp4\r\nX-Hotwell-Meta-By: me\r\n", "0123456789");
  const auto there = get("/v1/explain/films/a");
  ASSERT_EQ(there.status, 200U);
  EXPECT_EQ(there.json().at("key").as_string(), "films/a");
  EXPECT_EQ(there.json().at("object").at("content_type").as_string(), "video/mp4");
  EXPECT_EQ(there.json().at("object").at("metadata").at("by").as_string(), "me");
  ASSERT_EQ(there.json().at("copies").as_array().size(), 2U);
  EXPECT_EQ(there.json().at("copies").as_array()[0].at("level").as_string(), "memory");
  EXPECT_FALSE(there.json().at("story").as_array().empty());
  EXPECT_EQ(ask("DELETE", "/v1/cache/films/a").status, 204U);
  const auto gone = get("/v1/explain/films%2Fa").json();
  EXPECT_TRUE(gone.at("object").is_null());
  EXPECT_EQ(gone.at("steps").as_array().back().at("what").as_string(), "erased");
  const auto never = get("/v1/explain/never");
  EXPECT_EQ(never.status, 404U);
  EXPECT_EQ(never.code(), "not_found");
  const auto job = ask("POST", "/v1/jobs?wait=60", "", R"({"operation":"upper","input":"notes.txt"})").json();
  EXPECT_TRUE(get("/v1/explain/" + std::string(job.at("id").as_string())).json().as_object().contains("attempts"));
}

TEST_F(CacheTest, ALargeObjectThatIsOpenIsAnsweredWithoutAskingTheDisk) {
  const auto content = random_text(6 << 20);
  ASSERT_EQ(ask("PUT", "/v1/cache/film", "", content).status, 201U);
  const auto held = engine_->cache().get("film").value();
  ASSERT_TRUE(held);
  const auto before = engine_->cache().stats();
  for (int i = 0; i < 3; ++i) {
    const auto part = get("/v1/cache/film", "Range: bytes=1048000-3000000\r\n");
    EXPECT_EQ(part.status, 206U);
    EXPECT_TRUE(part.body == content.substr(1048000, 3000001 - 1048000));
  }
  const auto after = engine_->cache().stats();
  EXPECT_EQ(after.stream.hits, before.stream.hits + 3);
  EXPECT_EQ(after.memory.misses, before.memory.misses + 3);
  EXPECT_EQ(after.total.hits, before.total.hits + 3);
  ASSERT_EQ(ask("DELETE", "/v1/cache/film").status, 204U);
  EXPECT_EQ(get("/v1/cache/film").status, 404U) << "held or not";
}

TEST_F(CacheTest, StoredTextCannotAddFields) {
  ASSERT_TRUE(engine_->cache().set(
      "k", "x",
      {.metadata = {{"evil", "a\r\nSet-Cookie: b"}, {"bad name", "c"}}, .content_type = "text/html\r\nX-Evil: 1"}));
  const auto got = get("/v1/cache/k");
  EXPECT_EQ(got.status, 200U);
  EXPECT_FALSE(got.fields.contains("set-cookie"));
  EXPECT_FALSE(got.fields.contains("x-evil"));
}

}  // namespace
}  // namespace hotwell::test

#include "server/request.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hotwell::server {
namespace {

using Progress = RequestParser::Progress;

struct Taken {
  std::vector<Progress> steps;
  std::string body;
  std::string rest;
};

// Offers `text` in pieces of `piece` bytes, keeping what was not taken, until one request ended.
Taken feed(RequestParser& parser, std::string_view text, std::size_t piece) {
  Taken taken;
  std::string held;
  const BodyBytes body = [&](ByteView bytes) -> Result<void> {
    taken.body += bytes.text();
    return {};
  };
  while (true) {
    std::string_view view = held;
    const auto progress = parser.take(view, body);
    held.erase(0, held.size() - view.size());
    if (progress != Progress::need_more) {
      taken.steps.push_back(progress);
      if (progress != Progress::head) break;
      continue;
    }
    if (text.empty()) break;
    held += text.substr(0, piece);
    text.remove_prefix(std::min(piece, text.size()));
  }
  taken.rest = held + std::string(text);
  return taken;
}

constexpr std::string_view chunked =
    "POST /v1/jobs?x=1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n";

TEST(RequestParser, TakesARequestHoweverItArrives) {
  for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 20UL, 1000UL}) {
    RequestParser parser;
    const auto taken = feed(parser, chunked, piece);
    EXPECT_EQ(taken.steps, (std::vector{Progress::head, Progress::complete})) << piece;
    EXPECT_EQ(taken.body, "hello world");
    EXPECT_EQ(taken.rest, "GET / HTTP/1.1\r\n");
    EXPECT_EQ(parser.request().target(), "/v1/jobs?x=1");
    EXPECT_EQ(parser.request().method(), http::verb::post);
    EXPECT_EQ(parser.request().field(http::field::host), "localhost");
    std::string all;
    parser.request().for_each([&](std::string_view name, std::string_view value) {
      all += std::string(name) + "=" + std::string(value) + ";";
    });
    EXPECT_EQ(all, "Host=localhost;Transfer-Encoding=chunked;X-A=1;x-a=2;");
    EXPECT_TRUE(parser.keep_alive());
  }
}

TEST(RequestParser, GoesOnWithTheNextRequestAfterReset) {
  RequestParser parser;
  std::string_view text = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.0\r\n\r\n";
  const BodyBytes none = [](ByteView) -> Result<void> { return {}; };
  EXPECT_EQ(parser.take(text, none), Progress::head);
  EXPECT_TRUE(parser.complete());
  parser.reset();
  EXPECT_FALSE(parser.began());
  EXPECT_EQ(parser.take(text, none), Progress::head);
  EXPECT_EQ(parser.request().target(), "/b");
  EXPECT_EQ(parser.request().version(), 10);
  EXPECT_FALSE(parser.keep_alive());
  EXPECT_TRUE(text.empty());
}

TEST(RequestParser, RefusesWhatCannotBeFramed) {
  struct Case {
    std::string text;
    unsigned status;
  };
  const Case cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
      {"GET / HTTP/3.7\r\nHost: x\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\nHo st: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nX: " + std::string(40'000, 'a') + "\r\n\r\n", 431},
      {"GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\n\r\n", 431},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
  };
  for (const auto& c : cases) {
    RequestParser parser;
    const auto taken = feed(parser, c.text, 1000);
    ASSERT_FALSE(taken.steps.empty()) << c.text.substr(0, 60);
    EXPECT_EQ(taken.steps.back(), Progress::failed) << c.text.substr(0, 60);
    EXPECT_EQ(parser.status(), c.status) << c.text.substr(0, 60);
    EXPECT_FALSE(parser.error().message.empty());
  }
}

TEST(RequestParser, AReceiverMayRefuse) {
  RequestParser parser;
  std::string_view text = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  const BodyBytes refuse = [](ByteView) -> Result<void> { return fail(Code::disk_full, "full"); };
  EXPECT_EQ(parser.take(text, refuse), Progress::head);
  EXPECT_EQ(parser.take(text, refuse), Progress::refused);
  EXPECT_EQ(parser.error().code, Code::disk_full);
}

RC_GTEST_PROP(RequestParserProperty, NeverDiesOfAnyBytes, ()) {
  auto text = *rc::gen::oneOf(
      rc::gen::arbitrary<std::string>(),
      rc::gen::map(rc::gen::pair(rc::gen::inRange<std::size_t>(0, chunked.size()), rc::gen::arbitrary<std::string>()),
                   [](const std::pair<std::size_t, std::string>& at) {
                     return std::string(chunked.substr(0, at.first)) + at.second;
                   }));
  RequestParser parser;
  static_cast<void>(feed(parser, text, *rc::gen::inRange<std::size_t>(1, 40)));
}

}  // namespace
}  // namespace hotwell::server

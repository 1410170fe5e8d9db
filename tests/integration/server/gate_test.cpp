// Who may ask: names, origins, tokens, and where the server listens.
#include <optional>

#include "fixture.hpp"

namespace hotwell::test {
namespace {

class GateTest : public ServerTest {
 protected:
  unsigned status(std::string_view target, std::string_view fields) {
    Client client(port_);
    client.send("GET " + std::string(target) + " HTTP/1.1\r\n" + std::string(fields) + "\r\n");
    return client.reply().status;
  }
};

TEST_F(GateTest, OnlyItsOwnNamesAreAnswered) {
  config_.server.hosts = {"media.example"};
  open();
  const auto port = std::to_string(port_);
  const std::string own[] = {"localhost", "127.0.0.1:" + port, "[::1]:1234", "media.example", "media.example:80"};
  for (const auto& host : own) EXPECT_EQ(status("/v1/jobs", "Host: " + host + "\r\n"), 200U) << host;
  for (const std::string host : {"evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""}) {
    EXPECT_EQ(status("/v1/jobs", "Host: " + host + "\r\n"), 403U) << host;
    EXPECT_EQ(status("/", "Host: " + host + "\r\n"), 403U) << "the page too: " << host;
  }
  for (const std::string probe : {"/healthz", "/readyz"})
    EXPECT_EQ(status(probe, "Host: evil.example\r\n"), 200U) << probe;
  EXPECT_EQ(status("/v1/jobs", ""), 400U) << "HTTP/1.1 wants a Host";
  EXPECT_EQ(status("/v1/jobs", "Host: localhost\r\nHost: localhost\r\n"), 400U);
  EXPECT_EQ(status("http://evil.example/v1/jobs", "Host: localhost\r\n"), 403U) << "the absolute form counts";
  EXPECT_EQ(status("http://localhost/v1/jobs", "Host: localhost\r\n"), 200U);
}

TEST_F(GateTest, PagesOfOthersCannotAsk) {
  config_.server.hosts = {"media.example"};
  open();
  for (const std::string origin : {"http://localhost:3000", "https://media.example"})
    EXPECT_EQ(status("/v1/jobs", "Host: localhost\r\nOrigin: " + origin + "\r\n"), 200U) << origin;
  for (const std::string origin : {"https://evil.example", "null", "http://localhost.evil.example"})
    EXPECT_EQ(status("/v1/jobs", "Host: localhost\r\nOrigin: " + origin + "\r\n"), 403U) << origin;
  const auto refused = ask("POST", "/v1/cache/clear", "Origin: https://evil.example\r\n");
  EXPECT_EQ(refused.status, 403U);
  EXPECT_EQ(refused.code(), "denied");
}

TEST_F(GateTest, TokensGuardEverythingButProbesAndPage) {
  config_.server.tokens = {"first-secret", "second-secret"};
  open();
  const auto refused = get("/v1/jobs");
  EXPECT_EQ(refused.status, 401U);
  EXPECT_EQ(refused.field("www-authenticate"), "Bearer");
  EXPECT_EQ(refused.code(), "denied");
  for (const std::string target :
       {"/metrics", "/performance/metrics", "/v1/cache/k", "/media/upper/notes.txt", "/v1/knobs", "/nowhere"})
    EXPECT_EQ(get(target).status, 401U) << target;
  EXPECT_EQ(ask("PUT", "/v1/cache/k", "", "x").status, 401U);
  EXPECT_EQ(get("/v1/jobs", "Authorization: Bearer wrong\r\n").status, 401U);
  EXPECT_EQ(get("/v1/jobs", "Authorization: Basic first-secret\r\n").status, 401U);
  EXPECT_EQ(get("/v1/jobs", "Authorization: Bearer first-secret\r\n").status, 200U);
  EXPECT_EQ(get("/v1/jobs", "Authorization: bearer second-secret\r\n").status, 200U);
  for (const std::string target : {"/healthz", "/readyz", "/", "/app.js"})
    EXPECT_EQ(get(target).status, 200U) << target;
  EXPECT_EQ(runs(), 0U);
}

TEST_F(GateTest, SigningInSetsACookieThatStandsForTheToken) {
  config_.server.tokens = {"first-secret"};
  open();
  EXPECT_EQ(ask("POST", "/v1/session", "", R"({"token":"wrong"})").status, 401U);
  EXPECT_EQ(ask("POST", "/v1/session", "", R"({"tokn":"x"})").status, 400U);
  EXPECT_EQ(ask("POST", "/v1/session", "Origin: https://evil.example\r\n", R"({"token":"first-secret"})").status, 403U);
  const auto signed_in = ask("POST", "/v1/session", "", R"({"token":"first-secret"})");
  EXPECT_EQ(signed_in.status, 204U);
  const auto cookie = signed_in.field("set-cookie");
  EXPECT_NE(cookie.find("HttpOnly"), std::string::npos);
  EXPECT_NE(cookie.find("SameSite=Strict"), std::string::npos);
  EXPECT_EQ(cookie.find("first-secret"), std::string::npos);
  const auto pair = cookie.substr(0, cookie.find(';'));
  EXPECT_EQ(get("/v1/jobs", "Cookie: " + pair + "\r\n").status, 200U);
  EXPECT_EQ(get("/v1/jobs", "Cookie: " + pair + "x\r\n").status, 401U);
  EXPECT_NE(ask("DELETE", "/v1/session").field("set-cookie").find("Max-Age=0"), std::string::npos);
}

// Opens an engine and a server; the configuration's own check may refuse before the server does.
std::optional<Error> refusal(const Config& config) {
  auto engine = Engine::open(config);
  if (!engine) return engine.error();
  auto started = server::Server::start(**engine);
  if (!started) return started.error();
  return std::nullopt;
}

TEST_F(GateTest, APublicAddressWantsTokens) {
  config_.server.listen = "0.0.0.0:0";
  const auto refused = refusal(config_);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->code, Code::invalid_argument);
  config_.server.open = true;
  EXPECT_FALSE(refusal(config_).has_value());
  config_.server.open = false;
  config_.server.tokens = {"secret"};
  EXPECT_FALSE(refusal(config_).has_value());
}

TEST_F(GateTest, APortInUseIsSaidWhoeverUsesIt) {
  open();
  Config other = config_;
  other.data_dir = dir_.path() / "other";
  other.server.listen = server_->address();
  const auto refused = refusal(other);
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->code, Code::unavailable);
  EXPECT_NE(refused->message.find(server_->address()), std::string::npos) << refused->message;
}

TEST_F(GateTest, AddressesThatAreNoneAreRefused) {
  for (const std::string listen :
       {"", "8080", "127.0.0.1", "127.0.0.1:http:x", "nosuchhost.invalid:80", "127.0.0.1:99999"}) {
    config_.server.listen = listen;
    const auto refused = refusal(config_);
    ASSERT_TRUE(refused.has_value()) << listen;
    EXPECT_EQ(refused->code, Code::invalid_argument) << listen << ": " << refused->message;
  }
}

}  // namespace
}  // namespace hotwell::test

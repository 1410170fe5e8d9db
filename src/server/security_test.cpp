#include "server/security.hpp"

#include <gtest/gtest.h>

namespace hotwell::server {
namespace {

const auto loopback = boost::asio::ip::make_address("127.0.0.1");

TEST(Authority, IsTakenApart) {
  EXPECT_EQ(parse_authority("Example.ORG"), (Authority{"example.org", ""}));
  EXPECT_EQ(parse_authority("127.0.0.1:8080"), (Authority{"127.0.0.1", "8080"}));
  EXPECT_EQ(parse_authority("[::1]:80"), (Authority{"::1", "80"}));
  for (const std::string_view text : {"", ":80", "a:b", "a:123456", "[::1", "[::1]x", "user@host", "a b", "a/b"})
    EXPECT_FALSE(parse_authority(text)) << text;
}

TEST(HostPolicy, AnswersToItsOwnNamesAlone) {
  const HostPolicy policy("192.0.2.7", {"media.example", "other.example:8443"});
  for (const std::string_view host :
       {"localhost", "LOCALHOST:1", "127.0.0.1:8080", "127.0.0.2", "[::1]:80", "192.0.2.7", "192.0.2.7:99",
        "media.example", "media.example:1", "other.example:8443"})
    EXPECT_TRUE(policy.allows_host(host, loopback)) << host;
  for (const std::string_view host :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "other.example", "other.example:1",
        "192.0.2.8", "10.0.0.1", "localhost@evil.example"})
    EXPECT_FALSE(policy.allows_host(host, loopback)) << host;
}

TEST(HostPolicy, AnswersToTheAddressAtWhichTheConnectionArrived) {
  const HostPolicy policy("0.0.0.0", {});
  const auto local = boost::asio::ip::make_address("198.51.100.3");
  EXPECT_TRUE(policy.allows_host("198.51.100.3:8080", local));
  EXPECT_FALSE(policy.allows_host("198.51.100.4:8080", local));
}

TEST(HostPolicy, JudgesOriginsByTheSameNames) {
  const HostPolicy policy("127.0.0.1", {"media.example"});
  EXPECT_TRUE(policy.allows_origin("http://localhost:3000", loopback));
  EXPECT_TRUE(policy.allows_origin("https://media.example", loopback));
  for (const std::string_view origin :
       {"null", "https://evil.example", "file://", "http://", "localhost", "https://media.example/path"})
    EXPECT_FALSE(policy.allows_origin(origin, loopback)) << origin;
}

TEST(Tokens, AdmitBearersAndSessions) {
  const Tokens tokens({"first-secret", "second"});
  EXPECT_TRUE(tokens.required());
  EXPECT_TRUE(tokens.admits("Bearer first-secret", ""));
  EXPECT_TRUE(tokens.admits("bearer second", ""));
  EXPECT_TRUE(tokens.admits("", "a=b; hotwell_session=" + Tokens::session("second") + "; c=d"));
  for (const std::string_view authorization :
       {"", "Bearer", "Bearer ", "Bearer third", "Bearer first-secre", "Basic second", "second"})
    EXPECT_FALSE(tokens.admits(authorization, "")) << authorization;
  for (const std::string_view cookie :
       {"hotwell_session=", "hotwell_session=second", "hotwell_session", "xhotwell_session=1"})
    EXPECT_FALSE(tokens.admits("", cookie)) << cookie;
}

TEST(Tokens, TheCookieDoesNotContainTheToken) {
  EXPECT_EQ(Tokens::session("secret").find("secret"), std::string::npos);
  EXPECT_NE(Tokens::session("secret"), Tokens::session("secret2"));
}

TEST(Tokens, NoneAreRequiredWhereNoneAreSet) { EXPECT_FALSE(Tokens({}).required()); }

}  // namespace
}  // namespace hotwell::server

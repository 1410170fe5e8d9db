#include "server/target.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hotwell::server {
namespace {

TEST(Target, TakesPathAndQueryApart) {
  const auto target = parse_target("/media/thumbnail/a%20b.mp4?at=5&fit=co+ver&empty&x=%26#part").value();
  EXPECT_EQ(target.path, "/media/thumbnail/a%20b.mp4");
  EXPECT_EQ(*target.find("at"), "5");
  EXPECT_EQ(*target.find("fit"), "co ver");
  EXPECT_EQ(*target.find("empty"), "");
  EXPECT_EQ(*target.find("x"), "&");
  EXPECT_EQ(target.find("part"), nullptr);
}

TEST(Target, NeverNormalisesThePath) {
  EXPECT_EQ(parse_target("/media/x/../..//etc").value().path, "/media/x/../..//etc");
}

TEST(Target, TakesTheAbsoluteForm) {
  const auto target = parse_target("http://127.0.0.1:8080/a?b=c").value();
  EXPECT_EQ(target.authority, "127.0.0.1:8080");
  EXPECT_EQ(target.path, "/a");
  EXPECT_EQ(parse_target("http://host").value().path, "/");
  EXPECT_EQ(parse_target("http://host?x=1").value().path, "/");
}

TEST(Target, RefusesWhatIsNone) {
  for (const std::string_view text :
       {"", "*", "host:80", "a/b", "http:///x", "/x?a=%", "/x?a=%0", "/x?a=%zz", "/x?a=%00"})
    EXPECT_FALSE(parse_target(text).has_value()) << text;
}

TEST(Target, DecodesEveryByteButZero) {
  EXPECT_EQ(percent_decode("a%2Fb%2fc%c3%a9+d").value(), "a/b/c\xc3\xa9+d");
  EXPECT_EQ(percent_decode("%2e%2e").value(), "..");
  EXPECT_EQ(percent_decode("a%00").error().code, Code::invalid_argument);
  EXPECT_EQ(percent_decode("%").error().code, Code::invalid_argument);
}

RC_GTEST_PROP(TargetProperty, EncodingComesBack, (std::string text)) {
  text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
  RC_ASSERT(percent_decode(percent_encode(text)).value() == text);
}

}  // namespace
}  // namespace hotwell::server

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <boost/json.hpp>

#include "server/answer.hpp"
#include "server/json_reader.hpp"
#include "server/json_writer.hpp"

namespace hotwell::server {
namespace {

TEST(JsonWriter, NestsAndSeparates) {
  JsonWriter json;
  json.begin_object()
      .member("a", 1)
      .key("b")
      .begin_array()
      .value("x")
      .value(true)
      .null()
      .begin_object()
      .end_object()
      .end_array();
  json.key("c").begin_object().member("d", 0.5).end_object().end_object();
  EXPECT_EQ(json.take(), R"({"a":1,"b":["x",true,null,{}],"c":{"d":0.5}})");
}

TEST(JsonWriter, PrintsWholeNumbersAsSuch) {
  JsonWriter json;
  json.begin_array()
      .value(3.0)
      .value(-2.5)
      .value(1e300)
      .value(std::numeric_limits<double>::infinity())
      .value(std::nan(""))
      .end_array();
  EXPECT_EQ(json.take(), "[3,-2.5,1e+300,null,null]");
}

TEST(JsonWriter, ReplacesBytesThatAreNoUtf8) {
  JsonWriter json;
  json.value("\xff\xc3\xa9\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80\xe2\x82");
  const auto text = json.take();
  boost::json::error_code error;
  boost::json::parse(text, error);
  EXPECT_FALSE(error) << error.message();
  EXPECT_NE(text.find("\xc3\xa9"), std::string::npos);
}

RC_GTEST_PROP(JsonWriterProperty, EveryStringCanBeReadBack, (const std::string& text)) {
  JsonWriter json;
  json.value(std::string_view(text));
  boost::json::error_code error;
  const auto value = boost::json::parse(json.take(), error);
  RC_ASSERT(!error);
  bool ascii = true;
  for (const char c : text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (ascii) RC_ASSERT(std::string_view(value.as_string().data(), value.as_string().size()) == text);
}

TEST(JsonReader, SaysWhereAndWhat) {
  struct Case {
    std::string_view text;
    std::string_view place;
  };
  const Case cases[] = {{"{\"a\":1,\n \"b\": nope}", "line 2"},
                        {"{", "too early"},
                        {"", "too early"},
                        {"{} x", "line 1, column 4"},
                        {"[1]", "expected a JSON object, got an array"},
                        {"3", "got a number"},
                        {"{\"a\":1,}", "line 1"}};
  for (const auto& c : cases) {
    const auto object = parse_json_object(c.text);
    ASSERT_FALSE(object.has_value()) << c.text;
    EXPECT_EQ(object.error().code, Code::invalid_argument);
    EXPECT_NE(object.error().message.find(c.place), std::string::npos) << c.text << ": " << object.error().message;
  }
  EXPECT_TRUE(parse_json_object(" {\"a\": {}} \n").has_value());
}

RC_GTEST_PROP(JsonReaderProperty, NeverDiesOfAnyText, (const std::string& text)) {
  static_cast<void>(parse_json_object(text));
  static_cast<void>(parse_json_object("{\"a\":" + text));
}

TEST(Answer, ProblemsCarryTheirCode) {
  const auto answer = Answer::problem({Code::overloaded, "the queue is \"full\""});
  EXPECT_EQ(answer.status, 429U);
  EXPECT_NE(answer.fields().find("Retry-After: 1\r\n"), std::string::npos);
  EXPECT_NE(answer.fields().find("Content-Type: application/problem+json\r\n"), std::string::npos);
  const auto body = boost::json::parse(std::get<std::string>(answer.parts[0])).as_object();
  EXPECT_EQ(body.at("status").as_int64(), 429);
  EXPECT_EQ(body.at("code").as_string(), "overloaded");
  EXPECT_EQ(body.at("detail").as_string(), "the queue is \"full\"");
  EXPECT_EQ(body.at("title").as_string(), "Too Many Requests");
  EXPECT_TRUE(body.contains("type"));
}

TEST(Answer, NoValueCanAddAField) {
  Answer answer(200);
  answer.field("X", "a\r\nEvil: 1\n");
  EXPECT_EQ(answer.fields(), "X: a  Evil: 1 \r\n");
}

TEST(Answer, OnlyWhatIsNotTheAskersFaultCountsAsFailure) {
  for (const auto code : {Code::invalid_argument, Code::not_found, Code::outside_root, Code::too_large,
                          Code::unsupported_media, Code::corrupt_input, Code::input_changed, Code::cancelled})
    EXPECT_FALSE(counts_as_failure(code)) << to_string(code);
  for (const auto code : {Code::failed, Code::io, Code::timeout, Code::crashed, Code::out_of_memory, Code::internal})
    EXPECT_TRUE(counts_as_failure(code)) << to_string(code);
}

}  // namespace
}  // namespace hotwell::server

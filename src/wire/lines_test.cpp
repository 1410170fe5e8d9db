#include "wire/lines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotwell::wire::lines {
namespace {

using testing::HasSubstr;

TEST(Lines, AJobIsOneLineWithItsPayloadAsJsonOrText) {
  Job job{.id = "402-1",
          .operation = "resize",
          .payload = R"({"width": 320})",
          .input_identity = "same",
          .inputs = {"/proc/7/fd/9"},
          .output = "/proc/7/fd/8",
          .seconds_left = 1.5};
  EXPECT_EQ(encode(job).value(),
            R"({"type":"job","job":"402-1","operation":"resize","payload":{"width":320},"inputs":["/proc/7/fd/9"],)"
            R"("output":"/proc/7/fd/8","input_identity":"same","seconds_left":1.5E0})"
            "\n");
  job.payload = "two\nlines";
  EXPECT_THAT(encode(job).value(), HasSubstr(R"("payload":"two\nlines")"));
  job.payload = "";
  EXPECT_THAT(encode(job).value(), HasSubstr(R"("payload":null)"));
  job.payload = "\xff\xfe";
  EXPECT_EQ(encode(job).error().code, Code::invalid_argument);
  EXPECT_EQ(encode(Cancel{"402-1"}), "{\"type\":\"cancel\",\"job\":\"402-1\"}\n");
}

TEST(Lines, AResultIsATextAValueASizeOrAPath) {
  const auto done = [](std::string_view line) { return std::get<Done>(decode(line).value().what); };
  EXPECT_EQ(done(R"({"type":"done","result":"hi","content_type":"text/plain"})").text, "hi");
  EXPECT_EQ(done(R"({"type":"done","result":"hi"})").content_type, "application/octet-stream");
  const auto value = done(R"({"type":"done","result":{"a":[1,2]}})");
  EXPECT_EQ(value.text, R"({"a":[1,2]})");
  EXPECT_EQ(value.content_type, "application/json");
  EXPECT_EQ(done(R"({"type":"done","size":12})").size, 12U);
  EXPECT_EQ(done(R"({"type":"done","path":"/tmp/x"})").path, "/tmp/x");
  EXPECT_EQ(done(R"({"type":"done"})").text, "");
  EXPECT_EQ(decode(R"({"type":"done","job":"402-1"})").value().id, "402-1");
}

TEST(Lines, TellsWhatElseAProgramSays) {
  EXPECT_EQ(std::get<Progress>(decode(R"({"type":"progress","fraction":1})").value().what).fraction, 1.0);
  const auto advance = std::get<Advance>(decode(R"({"type":"advance","size":5,"content_type":"a/b"})").value().what);
  EXPECT_EQ(advance.size, 5U);
  EXPECT_EQ(advance.content_type, "a/b");
  EXPECT_TRUE(std::holds_alternative<Beat>(decode(R"({"type":"beat"})").value().what));
  const auto failed = std::get<Failed>(decode(R"({"type":"failed","code":"io","message":"no"})").value().what);
  EXPECT_EQ(failed.code, Code::io);
  EXPECT_EQ(failed.message, "no");
  EXPECT_EQ(std::get<Failed>(decode(R"({"type":"failed"})").value().what).code, Code::failed);
}

TEST(Lines, SaysWhatIsWrongWithALine) {
  const auto mistake = [](std::string_view line) { return decode(line).error().message; };
  EXPECT_EQ(mistake("listening on port 80"), "\"listening on port 80\" is no JSON object");
  EXPECT_EQ(mistake("[1]"), "\"[1]\" is no JSON object");
  EXPECT_EQ(mistake(""), "\"\" is no JSON object");
  EXPECT_EQ(mistake(R"({"type":"hello"})"), "\"hello\" is no type of message");
  EXPECT_EQ(mistake(R"({"type":"done","size":-1})"), "\"size\" is not a number of bytes");
  EXPECT_EQ(mistake(R"({"type":"done","size":1,"path":"x"})"),
            "\"done\" has more than one of \"result\", \"size\" and \"path\"");
  EXPECT_EQ(mistake(R"({"type":"failed","code":"sad"})"), "\"sad\" is no error code");
  EXPECT_EQ(mistake(R"({"type":"progress"})"), "\"fraction\" is not a number");
  EXPECT_EQ(mistake(R"({"type":"done","job":7})"), "\"job\" is not a text");
}

}  // namespace
}  // namespace hotwell::wire::lines

#include "media/parameters.hpp"

#include <gtest/gtest.h>

namespace hotwell::media {
namespace {

void expect_refused(const Result<ThumbnailParameters>& result, std::string_view name) {
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::invalid_argument);
  EXPECT_NE(result.error().message.find(name), std::string::npos) << result.error().message;
}

TEST(ThumbnailParameters, NothingGivenIsATenthInAtTheUsualSize) {
  const auto p = parse_thumbnail("{}");
  ASSERT_TRUE(p.has_value());
  EXPECT_EQ(p->at.percent, 10);
  EXPECT_EQ(p->box.width, 320);
  EXPECT_EQ(p->box.height, 0);
  EXPECT_EQ(p->format, StillFormat::jpeg);
  EXPECT_EQ(p->quality, 85);
}

TEST(ThumbnailParameters, TimesAreSecondsOrPercentAsNumberOrText) {
  EXPECT_EQ(parse_thumbnail(R"({"at":12.5})")->at.seconds, 12.5);
  EXPECT_EQ(parse_thumbnail(R"({"at":"12.5"})")->at.seconds, 12.5);
  EXPECT_EQ(parse_thumbnail(R"({"at":"50%"})")->at.percent, 50);
  EXPECT_LT(parse_thumbnail(R"({"at":0})")->at.percent, 0);
  EXPECT_EQ(parse_thumbnail(R"({"at":"100%"})")->at.percent, 100);
}

TEST(ThumbnailParameters, ZeroIsNotGiven) {
  const auto p = parse_thumbnail(R"({"width":0,"height":200,"quality":0})");
  ASSERT_TRUE(p.has_value());
  EXPECT_EQ(p->box.width, 0);
  EXPECT_EQ(p->box.height, 200);
  EXPECT_EQ(p->quality, 85);
}

TEST(ThumbnailParameters, AbsurdOnesAreRefusedByName) {
  for (const char* at :
       {"-1", "\"-5%\"", "\"101%\"", "\"soon\"", "1e300", "\"nan\"", "\"%\"", "[]", "\"1e999\"", "\"5 %\""}) {
    expect_refused(parse_thumbnail(std::string(R"({"at":)") + at + "}"), "at is");
  }
  for (const char* width : {"-1", "1.5", "1e9", "\"wide\"", "true", "16385"}) {
    expect_refused(parse_thumbnail(std::string(R"({"width":)") + width + "}"), "width");
  }
  expect_refused(parse_thumbnail(R"({"width":16000,"height":16000})"), "megapixels");
  expect_refused(parse_thumbnail(R"({"quality":101})"), "quality");
  expect_refused(parse_thumbnail(R"({"fit":"stretch"})"), "contain or cover");
  expect_refused(parse_thumbnail(R"({"format":"bmp"})"), "jpeg, png or webp");
  expect_refused(parse_thumbnail(R"({"colour":"red"})"), "colour");
  expect_refused(parse_thumbnail("[1]"), "JSON object");
  expect_refused(parse_thumbnail("{\"at\":"), "JSON");
}

TEST(TranscodeParameters, NothingGivenIsMp4OfTheUsualCodecs) {
  const auto p = parse_transcode("");
  ASSERT_TRUE(p.has_value());
  EXPECT_EQ(p->format, "mp4");
  EXPECT_EQ(p->video, "");
  EXPECT_EQ(p->crf, -1);
  EXPECT_EQ(p->duration, 0);
}

TEST(TranscodeParameters, AutoIsTheUsual) { EXPECT_EQ(parse_transcode(R"({"video":"auto"})")->video, ""); }

TEST(TranscodeParameters, AbsurdOnesAreRefused) {
  for (const char* json : {R"({"format":"avi"})", R"({"width":-2})", R"({"crf":64})", R"({"crf":0.5})",
                           R"({"bitrate":-1})", R"({"start":-1})", R"({"duration":-1})", R"({"duration":1e300})",
                           R"({"preset":5})", R"({"video":7})", R"({"speed":1})"}) {
    const auto p = parse_transcode(json);
    ASSERT_FALSE(p.has_value()) << json;
    EXPECT_EQ(p.error().code, Code::invalid_argument);
  }
}

}  // namespace
}  // namespace hotwell::media

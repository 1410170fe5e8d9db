#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include <boost/json.hpp>

#include "media/handlers.hpp"
#include "media/plain_json.hpp"
#include "media/testing/fake_task.hpp"
#include "media/testing/look.hpp"

namespace hotwell::media {
namespace {

namespace json = boost::json;
using testing::FakeTask;
using testing::Folder;
using testing::small_clip;

class Probe : public ::testing::Test {
 protected:
  Result<worker::Reply> reply(const std::filesystem::path& input) {
    FakeTask task{"probe", "{}", input};
    return handlers_["probe"](task);
  }

  json::object probe(const std::filesystem::path& input) {
    const auto answered = reply(input);
    EXPECT_TRUE(answered.has_value()) << input << ": " << to_string(answered.error());
    if (!answered) return {};
    EXPECT_EQ(answered->content_type, "application/json");
    return json::parse(answered->text).as_object();
  }

  Folder folder_;
  std::map<std::string, worker::Handler, std::less<>> handlers_ = handlers();
};

const json::object& stream(const json::object& probed, std::size_t index) {
  return probed.at("streams").as_array().at(index).as_object();
}

TEST_F(Probe, SaysWhatIsInAClip) {
  auto options = small_clip();
  options.audio = true;
  options.orientation = 6;
  options.sar_num = 4;
  options.sar_den = 3;
  const auto file = folder_.clip("clip.mp4", options);
  const json::object probed = probe(file);
  EXPECT_EQ(probed.at("container"), "mov,mp4,m4a,3gp,3g2,mj2");
  EXPECT_EQ(probed.at("size"), std::filesystem::file_size(file));
  EXPECT_NEAR(probed.at("duration").to_number<double>(), 2.0, 0.05);
  EXPECT_EQ(probed.at("tags").as_object().at("title"), "Hotwell sample clip");
  const json::object& video = stream(probed, 0);
  EXPECT_EQ(video.at("type"), "video");
  EXPECT_EQ(video.at("codec"), "h264");
  EXPECT_EQ(video.at("profile"), "High");
  EXPECT_EQ(video.at("width"), 108);
  EXPECT_EQ(video.at("height"), 192);
  EXPECT_EQ(video.at("display_width"), 192);
  EXPECT_EQ(video.at("display_height"), 144);
  EXPECT_EQ(video.at("rotation"), 90);
  EXPECT_EQ(video.at("mirrored"), false);
  EXPECT_EQ(video.at("sample_aspect_ratio"), "4:3");
  EXPECT_EQ(video.at("frame_rate").to_number<double>(), 25);
  EXPECT_EQ(video.at("frames"), 50);
  EXPECT_EQ(video.at("pixel_format"), "yuv420p");
  EXPECT_EQ(video.at("bit_depth"), 8);
  EXPECT_EQ(video.at("colour").as_object().at("space"), "bt709");
  EXPECT_EQ(video.at("colour").as_object().at("range"), "tv");
  const json::object& audio = stream(probed, 1);
  EXPECT_EQ(audio.at("codec"), "aac");
  EXPECT_EQ(audio.at("channels"), 2);
  EXPECT_EQ(audio.at("channel_layout"), "stereo");
  EXPECT_EQ(audio.at("sample_rate"), 48'000);
  EXPECT_EQ(audio.at("language"), "eng");
}

TEST_F(Probe, VariableRateIsTheMeanAndPicturesHaveNone) {
  auto options = small_clip();
  options.variable_rate = true;
  const json::object probed = probe(folder_.clip("vfr.mp4", options));
  EXPECT_NEAR(stream(probed, 0).at("frame_rate").to_number<double>(), 19, 1);
  testing::Picture picture{.width = 30, .height = 20, .pixels = std::vector<std::uint8_t>(1800, 90)};
  const json::object still = probe(folder_.write("picture.jpg", testing::encode_jpeg(picture, 8)));
  EXPECT_TRUE(still.at("duration").is_null());
  EXPECT_EQ(stream(still, 0).at("width"), 30);
  EXPECT_EQ(stream(still, 0).at("rotation"), 270);
  EXPECT_FALSE(stream(still, 0).contains("frame_rate"));
}

TEST_F(Probe, NumbersArePlainDecimals) {
  EXPECT_EQ(plain_json(json::parse(R"({"a":[4.011,0.0,-2.5e-7,25.0,1e21,null,true],"b":{},"c":[],"d":"\"x\u0001"})")),
            R"({"a":[4.011,0,-0.00000025,25,1000000000000000000000,null,true],"b":{},"c":[],"d":"\"x\u0001"})");
}

TEST_F(Probe, BadInputsAreErrors) {
  EXPECT_EQ(reply(folder_.write("empty.mp4", "")).error().code, Code::corrupt_input);
  EXPECT_EQ(reply(folder_.write("text.mp4", "only words, no pictures")).error().code, Code::unsupported_media);
}

TEST_F(Probe, StrangeTagsAreStillJson) {
  // An ID3v1 tag in Latin-1 behind a second of MP3.
  auto options = small_clip();
  options.audio = true;
  const auto clip = folder_.clip("clip.mp4", options);
  FakeTask task{"transcode", R"({"video":"none","audio":"mp3","format":"mkv"})", clip};
  ASSERT_TRUE(handlers_["transcode"](task).has_value());
  std::string bytes = task.written();
  const std::string title = "Hotwell sample clip";
  const auto at = bytes.find(title);
  ASSERT_NE(at, std::string::npos);
  bytes[at] = '\xe9';
  bytes[at + 1] = '\xed';
  const json::object probed = probe(folder_.write("latin.mkv", bytes));
  EXPECT_EQ(probed.at("tags").as_object().at("title"), "\xef\xbf\xbd\xef\xbf\xbdtwell sample clip");
}

/// Compares with the file under tests/golden/media; writes it anew where HOTWELL_UPDATE_GOLDEN is set.
TEST_F(Probe, GoldenShape) {
  auto options = small_clip();
  options.seconds = 1;
  json::object probed = probe(folder_.clip("clip.mkv", options));
  probed["size"] = 0;  // the encoder's version decides
  probed["bit_rate"] = 0;
  for (auto& entry : probed.at("streams").as_array()) entry.as_object()["tags"] = json::object{};
  const std::string text = plain_json(probed) + "\n";
  const auto golden = std::filesystem::path(HOTWELL_SOURCE_DIR) / "tests/golden/media/probe.json";
  if (std::getenv("HOTWELL_UPDATE_GOLDEN") != nullptr) std::ofstream(golden) << text;
  EXPECT_EQ(text, testing::read_file(golden));
}

TEST_F(Probe, ForeignFiles) {
  const auto media = testing::test_media();
  if (!media) GTEST_SKIP() << "no foreign media: set HOTWELL_TEST_DATA";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(*media / "androidx")) {
    if (!entry.is_regular_file()) continue;
    const json::object probed = probe(entry.path());
    EXPECT_FALSE(probed.at("streams").as_array().empty()) << entry.path();
  }
  // Headers that say 2^32 - 1 are not believed.
  EXPECT_NEAR(probe(*media / "androidx/sample_fragmented.mp4").at("duration").to_number<double>(), 1.07, 0.1);
  EXPECT_EQ(probe(*media / "nasa_13013.mp4").at("streams").as_array().size(), 6U);
  EXPECT_EQ(stream(probe(*media / "androidx/mkv/sample_with_srt.mkv"), 0).at("frame_rate").to_number<double>(), 60);
  EXPECT_EQ(stream(probe(*media / "androidx/hlg10-color-test.mp4"), 1).at("bit_depth"), 10);
}

}  // namespace
}  // namespace hotwell::media

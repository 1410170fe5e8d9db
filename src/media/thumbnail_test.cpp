// The thumbnail operation as the engine uses it: by tasks.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

extern "C" {
#include <libavutil/crc.h>
}

#include "examples/sample_clip/canvas.hpp"
#include "media/handlers.hpp"
#include "media/testing/fake_task.hpp"
#include "media/testing/look.hpp"

namespace hotwell::media {
namespace {

using testing::decode_still;
using testing::FakeTask;
using testing::Folder;
using testing::Picture;
using testing::small_clip;

class Thumbnail : public ::testing::Test {
 protected:
  /// The bytes, or the error.
  Result<std::string> bytes(const std::filesystem::path& input, const std::string& payload,
                            const std::string& identity = {}) {
    FakeTask task{"thumbnail", payload, input, identity};
    const auto reply = handlers_["thumbnail"](task);
    if (!reply) return std::unexpected(reply.error());
    EXPECT_TRUE(task.typed_in_time());
    EXPECT_EQ(task.content_type(), reply->content_type);
    std::string written = task.written();
    EXPECT_EQ(written.size(), reply->size);
    EXPECT_EQ(task.advances(), std::vector<std::uint64_t>{reply->size});
    return written;
  }

  Picture picture(const std::filesystem::path& input, const std::string& payload, const std::string& identity = {}) {
    const auto made = bytes(input, payload, identity);
    EXPECT_TRUE(made.has_value()) << to_string(made.error());
    auto decoded = made ? decode_still(*made) : std::nullopt;
    EXPECT_TRUE(decoded.has_value());
    return decoded.value_or(Picture{});
  }

  Error error(const std::filesystem::path& input, const std::string& payload) {
    const auto made = bytes(input, payload);
    EXPECT_FALSE(made.has_value());
    return made ? Error{} : made.error();
  }

  Folder folder_;
  std::shared_ptr<WarmInputs> inputs_ = std::make_shared<WarmInputs>();
  std::map<std::string, worker::Handler, std::less<>> handlers_ = handlers(inputs_);
};

/// Whether the four blocks at the bottom have their colours.
void expect_colours(const Picture& picture, int tolerance) {
  for (int i = 0; i < 4; ++i) {
    const sample::Rgb wanted = sample::bottom_colours[static_cast<std::size_t>(i)];
    const std::uint8_t* seen = picture.at((2 * i + 1) * picture.width / 8, picture.height * 9 / 10);
    EXPECT_NEAR(seen[0], wanted.r, tolerance) << "block " << i;
    EXPECT_NEAR(seen[1], wanted.g, tolerance) << "block " << i;
    EXPECT_NEAR(seen[2], wanted.b, tolerance) << "block " << i;
  }
}

TEST_F(Thumbnail, ShowsTheRightPictureInEveryFormat) {
  const auto clip = folder_.clip("clip.mp4", small_clip());
  for (const char* format : {"jpeg", "png", "webp"}) {
    const Picture shown = picture(clip, std::string(R"({"at":1.2,"format":")") + format + "\"}");
    EXPECT_EQ(shown.number(), 30) << format;
    EXPECT_EQ(shown.width, 192);
    EXPECT_EQ(shown.height, 108);
    expect_colours(shown, 12);
  }
}

TEST_F(Thumbnail, ScalesToTheBox) {
  const auto clip = folder_.clip("clip.mp4", small_clip());
  const Picture narrow = picture(clip, R"({"at":1,"width":96})");
  EXPECT_EQ(narrow.width, 96);
  EXPECT_EQ(narrow.height, 54);
  EXPECT_EQ(narrow.number(), 25);
  const Picture odd = picture(clip, R"({"at":1,"width":101,"height":500})");
  EXPECT_EQ(odd.width, 101);
  EXPECT_EQ(odd.height, 57);
  EXPECT_EQ(odd.number(), 25);
  const Picture covered = picture(clip, R"({"at":1,"width":64,"height":64,"fit":"cover"})");
  EXPECT_EQ(covered.width, 64);
  EXPECT_EQ(covered.height, 64);
  EXPECT_FALSE(covered.number().has_value()) << "cut, not squeezed";
}

TEST_F(Thumbnail, QualityCountsForBytes) {
  const auto clip = folder_.clip("clip.mp4", small_clip());
  for (const char* format : {"jpeg", "webp"}) {
    const auto low = bytes(clip, std::string(R"({"quality":20,"format":")") + format + "\"}");
    const auto high = bytes(clip, std::string(R"({"quality":95,"format":")") + format + "\"}");
    ASSERT_TRUE(low && high);
    EXPECT_LT(low->size() * 3, high->size() * 2) << format;
  }
}

TEST_F(Thumbnail, TurnsEveryOrientationUpright) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    auto options = small_clip();
    options.orientation = orientation;
    options.seconds = 0.4;
    const auto clip = folder_.clip("turned.mp4", options);
    const Picture shown = picture(clip, R"({"at":0.2})");
    EXPECT_EQ(shown.number(), 5) << "orientation " << orientation;
    EXPECT_EQ(shown.width, 192);
    EXPECT_EQ(shown.height, 108);
    expect_colours(shown, 14);
    EXPECT_EQ(picture(clip, R"({"at":0.2,"height":54})").width, 96);
  }
}

TEST_F(Thumbnail, HonoursTheSampleAspectRatio) {
  auto options = small_clip();
  options.seconds = 0.2;
  options.sar_num = 4;
  options.sar_den = 3;
  Picture shown = picture(folder_.clip("wide.mp4", options), R"({"at":0})");
  EXPECT_EQ(shown.width, 256);
  EXPECT_EQ(shown.height, 108);
  EXPECT_EQ(shown.number(), 0);
  options.orientation = 6;
  shown = picture(folder_.clip("turned.mp4", options), R"({"at":0})");
  // Stored 108x192, its pixels 4:3: shown 144 wide before it is turned to stand 144 high.
  EXPECT_EQ(shown.width, 192);
  EXPECT_EQ(shown.height, 144);
  EXPECT_EQ(shown.number(), 0);
}

TEST_F(Thumbnail, DeepColourIsConvertedAsEightBitsAre) {
  auto options = small_clip();
  options.seconds = 0.2;
  options.pixel_format = "yuv420p10le";
  const Picture shown = picture(folder_.clip("deep.mp4", options), R"({"at":0,"format":"png"})");
  EXPECT_EQ(shown.number(), 0);
  expect_colours(shown, 6);
}

TEST_F(Thumbnail, OddSizesWork) {
  auto options = small_clip();
  options.seconds = 0.2;
  options.width = 161;
  options.height = 121;
  options.encoder = "libvpx-vp9";
  const Picture shown = picture(folder_.clip("odd.webm", options), R"({"at":0})");
  EXPECT_EQ(shown.width, 161);
  EXPECT_EQ(shown.height, 121);
  EXPECT_EQ(shown.number(), 0);
}

TEST_F(Thumbnail, PercentIsOfTheDuration) {
  const auto clip = folder_.clip("clip.mp4", small_clip());
  EXPECT_EQ(picture(clip, R"({"at":"50%"})").number(), 25);
  EXPECT_EQ(picture(clip, R"({"at":"0%"})").number(), 0);
  EXPECT_EQ(picture(clip, R"({"at":"100%"})").number(), 49);
  EXPECT_EQ(picture(clip, "{}").number(), 5);
}

TEST_F(Thumbnail, BeyondTheEndIsTheAskersMistake) {
  const auto clip = folder_.clip("clip.mp4", small_clip());
  const Error wrong = error(clip, R"({"at":99})");
  EXPECT_EQ(wrong.code, Code::invalid_argument);
  EXPECT_EQ(wrong.message, "at 99 s lies beyond the end of this 2.0 s video");
}

TEST_F(Thumbnail, AWarmInputIsOpenedOnce) {
  const auto clip = folder_.clip("clip.mp4", small_clip());
  for (const char* at : {"0.4", "0.8", "0.2", "1.6"}) picture(clip, std::string(R"({"at":)") + at + "}", "clip");
  EXPECT_EQ(inputs_->opens(), 1U);
  error(clip, R"({"at":50})");
  picture(clip, R"({"at":1})", "clip");
  EXPECT_EQ(inputs_->opens(), 2U) << "the one without identity";
  ASSERT_NE(inputs_->newest_reader(), nullptr);
}

TEST_F(Thumbnail, AFewInputsAreKeptAndNoNamelessOne) {
  const auto clip = folder_.clip("clip.mp4", small_clip());
  for (int i = 0; i < 10; ++i) picture(clip, "{}", "clip " + std::to_string(i));
  EXPECT_EQ(inputs_->size(), WarmInputs::limit);
  EXPECT_EQ(inputs_->opens(), 10U);
  picture(clip, "{}", "clip 9");
  EXPECT_EQ(inputs_->opens(), 10U);
  picture(clip, "{}", "clip 0");
  EXPECT_EQ(inputs_->opens(), 11U);
  const std::size_t kept = inputs_->size();
  picture(clip, "{}");
  EXPECT_EQ(inputs_->size(), kept);
}

TEST_F(Thumbnail, OneWithoutOutputAnswersInline) {
  FakeTask task{"thumbnail", "{}", folder_.clip("clip.mp4", small_clip())};
  task.write_to(FileHandle{});
  const auto reply = handlers_["thumbnail"](task);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->content_type, "image/jpeg");
  EXPECT_TRUE(decode_still(reply->text).has_value());
}

/// A picture with the bar code of 1234.
Picture drawn(int channels) {
  sample::Canvas canvas{160, 90};
  canvas.draw(1234, 4000);
  Picture picture{.width = 160, .height = 90, .channels = channels};
  for (int y = 0; y < 90; ++y) {
    for (int x = 0; x < 160; ++x) {
      const auto& colour = canvas.at(x, y);
      picture.pixels.insert(picture.pixels.end(), {colour.r, colour.g, colour.b});
      if (channels == 4) picture.pixels.push_back(y < 45 ? 255 : 0);
    }
  }
  return picture;
}

/// How `picture` is stored so that `orientation` turns it upright.
Picture stored_for(const Picture& upright, int orientation) {
  const bool transposed = orientation >= 5;
  Picture stored{.width = transposed ? upright.height : upright.width,
                 .height = transposed ? upright.width : upright.height};
  for (int y = 0; y < stored.height; ++y) {
    for (int x = 0; x < stored.width; ++x) {
      const int w = upright.width - 1;
      const int h = upright.height - 1;
      const std::pair<int, int> places[] = {{x, y}, {w - x, y}, {w - x, h - y}, {x, h - y},
                                            {y, x}, {w - y, x}, {w - y, h - x}, {y, h - x}};
      const auto [ux, uy] = places[orientation - 1];
      const std::uint8_t* pixel = upright.at(ux, uy);
      stored.pixels.insert(stored.pixels.end(), pixel, pixel + 3);
    }
  }
  return stored;
}

TEST_F(Thumbnail, TurnsPicturesByTheirExifOrientation) {
  const Picture upright = drawn(3);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const auto file = folder_.write("exif.jpg", testing::encode_jpeg(stored_for(upright, orientation), orientation));
    const Picture shown = picture(file, R"({"format":"png"})");
    EXPECT_EQ(shown.number(), 1234) << "orientation " << orientation;
    ASSERT_EQ(shown.width, 160);
    ASSERT_EQ(shown.height, 90);
    EXPECT_GT(psnr(shown, upright), 30);
  }
}

TEST_F(Thumbnail, PicturesIgnoreAtAndAreNeverEnlarged) {
  const auto file = folder_.write("picture.png", testing::encode_png(drawn(3)));
  const Picture shown = picture(file, R"({"at":99,"width":1000,"format":"png"})");
  EXPECT_EQ(shown.width, 160);
  EXPECT_EQ(shown.number(), 1234);
}

TEST_F(Thumbnail, TransparencyIsKeptOrLaidOnWhite) {
  const auto file = folder_.write("picture.png", testing::encode_png(drawn(4)));
  for (const char* format : {"png", "webp"}) {
    const Picture shown = picture(file, std::string(R"({"format":")") + format + "\"}");
    ASSERT_EQ(shown.channels, 4) << format;
    EXPECT_EQ(shown.at(80, 10)[3], 255);
    EXPECT_EQ(shown.at(80, 80)[3], 0);
    EXPECT_EQ(shown.number(), 1234);
  }
  const Picture laid = picture(file, R"({"format":"jpeg"})");
  EXPECT_EQ(laid.number(), 1234);
  EXPECT_GT(laid.at(80, 80)[0], 245);
  EXPECT_GT(laid.at(80, 80)[2], 245);
}

/// A PNG whose header claims a size and whose one chunk of data is a little of nothing.
std::string bomb(std::uint32_t width, std::uint32_t height) {
  std::string png = "\x89PNG\r\n\x1a\n";
  const auto number = [](std::uint32_t n) {
    return std::string{static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8),
                       static_cast<char>(n)};
  };
  const auto chunk = [&](const std::string& type, const std::string& data) {
    const std::string body = type + data;
    const std::uint32_t sum = ~av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), ~0U,
                                      reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
    png += number(static_cast<std::uint32_t>(data.size())) + body + number(sum);
  };
  chunk("IHDR", number(width) + number(height) + std::string("\x08\x02\x00\x00\x00", 5));
  chunk("IDAT", std::string("\x78\x9c\x63\x00\x00\x00\x01\x00\x01", 9));
  chunk("IEND", "");
  return png;
}

/// A JPEG whose frame header claims another size.
std::string huge_jpeg(std::string jpeg, int width, int height) {
  const auto frame = jpeg.find("\xff\xc0");
  EXPECT_NE(frame, std::string::npos);
  const auto put = [&](std::size_t at, int value) {
    jpeg[frame + at] = static_cast<char>(value >> 8);
    jpeg[frame + at + 1] = static_cast<char>(value & 0xff);
  };
  put(5, height);
  put(7, width);
  return jpeg;
}

TEST_F(Thumbnail, BadInputsAreErrorsThatSayWhy) {
  const std::string clip = testing::read_file(folder_.clip("clip.mp4", small_clip()));
  const std::string jpeg = testing::encode_jpeg(drawn(3));
  auto sound = small_clip();
  sound.video = false;
  sound.audio = true;
  std::string headless = clip;
  headless.replace(headless.find("moov"), 4, "junk");
  std::string unknown = clip;
  for (std::size_t at; (at = unknown.find("avc1", 100)) != std::string::npos;) unknown.replace(at, 4, "zzzz");

  struct Case {
    std::filesystem::path file;
    Code code;
    const char* words;
  };
  const Case cases[] = {
      {folder_.write("empty.mp4", ""), Code::corrupt_input, "empty"},
      {folder_.write("one.jpg", "\xff"), Code::unsupported_media, "not a media file"},
      {folder_.write("text.mp4", "This is no film. It is a line of text, and then another one.\n"),
       Code::unsupported_media, "not a media file"},
      {folder_.write("noise.mp4", std::string(5000, 'x')), Code::unsupported_media, "not a media file"},
      {folder_.write("headless.mp4", headless), Code::corrupt_input, "header"},
      {folder_.write("stub.mp4", clip.substr(0, 600)), Code::corrupt_input, ""},
      {folder_.write("cut.jpg", jpeg.substr(0, jpeg.size() / 2)), Code::corrupt_input, "damaged or cut short"},
      {folder_.write("bomb.png", bomb(17'000, 17'000)), Code::too_large, "17000x17000"},
      {folder_.write("bomb.jpg", huge_jpeg(jpeg, 20'000, 30'000)), Code::too_large, "20000x30000"},
      {folder_.write("unknown.mp4", unknown), Code::unsupported_media, "cannot decode"},
      {folder_.clip("sound.m4a", sound), Code::unsupported_media, "has no video"},
  };
  for (const Case& c : cases) {
    const Error wrong = error(c.file, R"({"at":"50%"})");
    EXPECT_EQ(wrong.code, c.code) << c.file << ": " << wrong.message;
    EXPECT_NE(wrong.message.find(c.words), std::string::npos) << c.file << ": " << wrong.message;
    EXPECT_EQ(info(wrong.code).retry, Retry::never);
  }
}

TEST_F(Thumbnail, PlaylistsOpenNothing) {
  const auto clip = folder_.clip("clip.mp4", small_clip());
  const auto playlist = folder_.write(
      "list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n" + clip.string() + "\n#EXT-X-ENDLIST\n");
  const auto list = folder_.write("list.txt", "ffconcat version 1.0\nfile " + clip.string() + "\n");
  for (const auto& file : {playlist, list}) {
    const Error refused = error(file, "{}");
    EXPECT_EQ(refused.code, Code::unsupported_media);
    EXPECT_NE(refused.message.find("playlist"), std::string::npos) << refused.message;
  }
}

TEST_F(Thumbnail, CancellationEndsItAtOnce) {
  FakeTask task{"thumbnail", "{}", folder_.clip("clip.mp4", small_clip())};
  task.cancel_when([] { return true; });
  const auto reply = handlers_["thumbnail"](task);
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code, Code::cancelled);
}

TEST_F(Thumbnail, AFullDiskIsSaidSo) {
  FakeTask task{"thumbnail", "{}", folder_.clip("clip.mp4", small_clip())};
  task.write_to(FileHandle{open("/dev/full", O_WRONLY | O_CLOEXEC)});
  const auto reply = handlers_["thumbnail"](task);
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code, Code::disk_full);
}

TEST_F(Thumbnail, ForeignTruePictures) {
  const auto media = testing::test_media();
  if (!media) GTEST_SKIP() << "no foreign media: set HOTWELL_TEST_DATA";
  const auto clip = *media / "androidx/testvid_1022ms.mp4";
  const int numbers[] = {0, 14, 15, 16, 29};
  for (const int number : numbers) {
    const double time = (number + 0.5) * 1000 / 29'917;
    const Picture shown = picture(clip, R"({"width":480,"format":"png","at":)" + std::to_string(time) + "}", "testvid");
    double best = 0;
    int best_number = -1;
    for (const int candidate : numbers) {
      char name[60];
      std::snprintf(name, sizeof name, "androidx/testvid_1022ms_%03d.png", candidate);
      const auto truth = decode_still(testing::read_file(*media / name));
      ASSERT_TRUE(truth.has_value());
      const double likeness = psnr(shown, *truth);
      if (likeness > best) best_number = candidate;
      best = std::max(best, likeness);
    }
    EXPECT_EQ(best_number, number);
    EXPECT_GE(best, 30) << "frame " << number;
  }
}

TEST_F(Thumbnail, ForeignOrientationsAgree) {
  const auto media = testing::test_media();
  if (!media) GTEST_SKIP() << "no foreign media: set HOTWELL_TEST_DATA";
  const Picture upright = picture(*media / "exif/Landscape_1.jpg", R"({"width":300,"format":"png"})");
  for (const int orientation : {3, 6, 8}) {
    const Picture shown =
        picture(*media / ("exif/Landscape_" + std::to_string(orientation) + ".jpg"), R"({"width":300,"format":"png"})");
    ASSERT_EQ(shown.width, upright.width);
    ASSERT_EQ(shown.height, upright.height);
    EXPECT_GT(psnr(shown, upright), 22) << "orientation " << orientation;
  }
}

TEST_F(Thumbnail, ForeignFilesOfManyKinds) {
  const auto media = testing::test_media();
  if (!media) GTEST_SKIP() << "no foreign media: set HOTWELL_TEST_DATA";
  for (const char* name :
       {"androidx/mkv/sample_with_srt.mkv", "androidx/sample_fragmented.mp4", "androidx/avi/sample.avi",
        "androidx/flv/sample.flv", "androidx/sample_rotate_and_reflect.mp4", "androidx/jpeg/white-1x1.jpg",
        "androidx/hlg10-color-test.mp4", "androidx/ts/sample_h264.ts", "androidx/vp9/bear-vp9-odd-dimensions.webm",
        "androidx/sample_mdat_too_long.mp4", "androidx/sample_android_slow_motion.mp4", "nasa_13013.mp4",
        "h264_10bits.mp4", "vips/rgba.png", "vips/cogs.gif", "vips/1.webp", "thumbor/cmyk.jpg", "bbb_432_433.webm",
        "chaplin.mp4"}) {
    for (const char* at : {"0%", "50%", "100%"}) {
      const auto made = bytes(*media / name, std::string(R"({"at":")") + at + "\"}", name);
      EXPECT_TRUE(made.has_value()) << name << " at " << at << ": " << (made ? "" : to_string(made.error()));
    }
  }
}

TEST_F(Thumbnail, ForeignBadFiles) {
  const auto media = testing::test_media();
  if (!media) GTEST_SKIP() << "no foreign media: set HOTWELL_TEST_DATA";
  EXPECT_EQ(error(*media / "vips/truncated.jpg", "{}").code, Code::corrupt_input);
  EXPECT_EQ(info(error(*media / "thumbor/image_invalid.jpg", "{}").code).retry, Retry::never);
  EXPECT_EQ(error(*media / "androidx/sample_audio_only.mp4", "{}").code, Code::unsupported_media);
  EXPECT_EQ(error(*media / "androidx/mp3/bear-vbr-xing-header.mp3", "{}").code, Code::unsupported_media);
}

}  // namespace
}  // namespace hotwell::media

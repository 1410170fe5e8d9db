// The transcode operation, by tasks; its results are decoded by libav from scratch.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "media/handlers.hpp"
#include "media/testing/fake_task.hpp"
#include "media/testing/look.hpp"

namespace hotwell::media {
namespace {

using testing::DecodedFile;
using testing::FakeTask;
using testing::Folder;

sample::ClipOptions sounding_clip() {
  auto options = testing::small_clip();
  options.audio = true;
  return options;
}

class Transcode : public ::testing::Test {
 protected:
  Result<worker::Reply> run(FakeTask& task) { return handlers_["transcode"](task); }

  DecodedFile made(const std::filesystem::path& input, const std::string& payload) {
    FakeTask task{"transcode", payload, input};
    const auto reply = run(task);
    EXPECT_TRUE(reply.has_value()) << payload << ": " << (reply ? "" : to_string(reply.error()));
    const std::string bytes = task.written();
    EXPECT_EQ(bytes.size(), reply ? reply->size : bytes.size());
    auto decoded = testing::decode_file(folder_.write("out", bytes));
    EXPECT_TRUE(decoded.has_value()) << payload;
    return decoded.value_or(DecodedFile{});
  }

  Error error(const std::filesystem::path& input, const std::string& payload) {
    FakeTask task{"transcode", payload, input};
    const auto reply = run(task);
    EXPECT_FALSE(reply.has_value()) << payload;
    return reply ? Error{} : reply.error();
  }

  Folder folder_;
  std::map<std::string, worker::Handler, std::less<>> handlers_ = handlers();
};

/// Every frame from `first` on, in order, at its time, from zero.
void expect_frames(const DecodedFile& file, const sample::ClipOptions& options, int first, int count) {
  ASSERT_EQ(file.frames.size(), static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const auto& frame = file.frames[static_cast<std::size_t>(i)];
    EXPECT_EQ(frame.number, first + i);
    const double wanted = sample::frame_time(options, first + i) - sample::frame_time(options, first);
    EXPECT_NEAR(frame.time, wanted, 0.0015) << "frame " << i;
  }
}

TEST_F(Transcode, EveryContainerAndCodecKeepsFramesTimesAndSound) {
  const auto options = sounding_clip();
  const auto clip = folder_.clip("clip.mp4", options);
  struct Case {
    const char* payload;
    const char* container;
    const char* video;
    const char* audio;
  };
  const Case cases[] = {
      {R"({"format":"mp4"})", "mov,mp4,m4a,3gp,3g2,mj2", "h264", "aac"},
      {R"({"format":"webm"})", "matroska,webm", "vp9", "opus"},
      {R"({"format":"mkv"})", "matroska,webm", "h264", "aac"},
      {R"({"format":"webm","video":"vp8","audio":"vorbis"})", "matroska,webm", "vp8", "vorbis"},
      {R"({"format":"mkv","video":"copy","audio":"flac"})", "matroska,webm", "h264", "flac"},
      {R"({"format":"mp4","video":"copy","audio":"copy"})", "mov,mp4,m4a,3gp,3g2,mj2", "h264", "aac"},
      {R"({"format":"mp4","bitrate":300000,"preset":"ultrafast","audio":"mp3"})", "mov,mp4,m4a,3gp,3g2,mj2", "h264",
       "mp3"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.payload);
    const DecodedFile file = made(clip, c.payload);
    EXPECT_EQ(file.container, c.container);
    EXPECT_EQ(file.video_codec, c.video);
    EXPECT_EQ(file.audio_codec, c.audio);
    expect_frames(file, options, 0, 50);
    EXPECT_NEAR(file.audio_begin, 0, 0.03);
    EXPECT_NEAR(file.audio_seconds, 2, 0.1);
    EXPECT_GT(file.audio_level, 0.05);
    EXPECT_EQ(file.channels, 2);
  }
}

TEST_F(Transcode, HevcAndAv1WhereThisLibavHasThem) {
  auto options = testing::small_clip();
  options.seconds = 0.4;
  const auto clip = folder_.clip("clip.mp4", options);
  for (const char* codec : {"hevc", "av1"}) {
    const DecodedFile file =
        made(clip, std::string(R"({"format":"mp4","preset":"ultrafast","video":")") + codec + "\"}");
    EXPECT_EQ(file.video_codec, codec);
    expect_frames(file, options, 0, 10);
  }
}

TEST_F(Transcode, VariableRatesStayVariable) {
  auto options = testing::small_clip();
  options.variable_rate = true;
  const auto clip = folder_.clip("vfr.mp4", options);
  for (const char* format : {"mp4", "webm", "mkv"}) {
    expect_frames(made(clip, std::string(R"({"format":")") + format + "\"}"), options, 0, sample::frame_count(options));
  }
}

TEST_F(Transcode, CutsExactlyWhereItReencodes) {
  const auto options = sounding_clip();
  const auto clip = folder_.clip("clip.mp4", options);
  const DecodedFile file = made(clip, R"({"start":0.72,"duration":0.8})");
  expect_frames(file, options, 18, 20);
  EXPECT_NEAR(file.audio_seconds, 0.8, 0.05);
  EXPECT_NEAR(file.audio_begin, 0, 0.03);
  // Between two pictures it begins with the one that is shown then.
  const DecodedFile between = made(clip, R"({"start":0.73,"duration":0.1})");
  ASSERT_FALSE(between.frames.empty());
  EXPECT_EQ(between.frames[0].number, 18);
  EXPECT_NEAR(between.frames[0].time, 0, 1e-6);
  EXPECT_NEAR(between.frames[1].time, 0.03, 0.001);
}

TEST_F(Transcode, ACopyBeginsAtTheKeyFrameBefore) {
  const auto options = sounding_clip();
  const auto clip = folder_.clip("clip.mp4", options);
  const DecodedFile file = made(clip, R"({"start":1.2,"duration":0.4,"video":"copy"})");
  ASSERT_FALSE(file.frames.empty());
  ASSERT_TRUE(file.frames[0].number.has_value());
  EXPECT_LE(*file.frames[0].number, 30);
  EXPECT_GE(*file.frames[0].number, 24);
  EXPECT_NEAR(file.frames[0].time, 0, 0.001);
  EXPECT_LE(*file.frames.back().number, 40);
}

TEST_F(Transcode, ScalesAndKeepsTheAspect) {
  auto options = testing::small_clip();
  options.seconds = 0.4;
  const auto clip = folder_.clip("clip.mp4", options);
  const auto size = [&](const char* payload) {
    const DecodedFile file = made(clip, payload);
    EXPECT_EQ(file.frames.at(0).number, 0);
    return std::tuple{file.frames.at(0).width, file.frames.at(0).height, std::round(file.sar * 1000)};
  };
  EXPECT_EQ(size(R"({"width":96})"), (std::tuple{96, 54, 1000.0}));
  EXPECT_EQ(size(R"({"height":72})"), (std::tuple{128, 72, 1000.0}));
  EXPECT_EQ(size(R"({"width":384})"), (std::tuple{384, 216, 1000.0}));
  EXPECT_EQ(size(R"({"width":108,"height":108})"), (std::tuple{108, 108, 1778.0})) << "the shape that is shown stays";
}

TEST_F(Transcode, RotationIsBakedInAndSampleAspectKept) {
  for (int orientation = 2; orientation <= 8; ++orientation) {
    auto options = testing::small_clip();
    options.seconds = 0.2;
    options.orientation = orientation;
    options.sar_num = 4;
    options.sar_den = 3;
    const DecodedFile file = made(folder_.clip("turned.mp4", options), "{}");
    ASSERT_FALSE(file.frames.empty());
    EXPECT_EQ(file.frames[0].width, 192) << orientation;
    EXPECT_EQ(file.frames[0].height, 108);
    EXPECT_EQ(file.frames[0].number, 0) << orientation;
    EXPECT_NEAR(file.sar, orientation >= 5 ? 0.75 : 4.0 / 3, 0.01);
  }
}

TEST_F(Transcode, OddSizesBecomeEven) {
  auto options = testing::small_clip();
  options.seconds = 0.2;
  options.width = 161;
  options.height = 121;
  options.encoder = "libvpx-vp9";
  const DecodedFile file = made(folder_.clip("odd.webm", options), "{}");
  EXPECT_EQ(file.frames.at(0).width, 160);
  EXPECT_EQ(file.frames.at(0).height, 120);
  EXPECT_EQ(file.frames.at(0).number, 0);
}

TEST_F(Transcode, WhatIsNotThereIsLeftOut) {
  const DecodedFile silent =
      made(folder_.clip("silent.mp4", testing::small_clip()), R"({"video":"h264","audio":"aac"})");
  EXPECT_TRUE(silent.audio_codec.empty());
  EXPECT_EQ(silent.frames.size(), 50U);
  const auto clip = folder_.clip("clip.mp4", sounding_clip());
  EXPECT_TRUE(made(clip, R"({"audio":"none"})").audio_codec.empty());
  FakeTask task{"transcode", R"({"video":"none"})", clip};
  const auto reply = run(task);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->content_type, "audio/mp4");
}

TEST_F(Transcode, Mp4IsHandedOutAsItIsMade) {
  auto options = sounding_clip();
  options.seconds = 8;
  FakeTask task{"transcode", "{}", folder_.clip("clip.mp4", options)};
  // At each advance the bytes below it are the final ones already.
  std::string seen;
  task.on_advance([&](std::uint64_t n) {
    const std::string now = task.written();
    ASSERT_GE(now.size(), n);
    ASSERT_TRUE(now.starts_with(seen));
    seen = now.substr(0, n);
  });
  const auto reply = run(task);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->content_type, "video/mp4");
  EXPECT_TRUE(task.typed_in_time());
  EXPECT_GT(task.advances().size(), 2U);
  EXPECT_TRUE(std::ranges::is_sorted(task.advances()));
  EXPECT_EQ(task.advances().back(), reply->size);
  EXPECT_EQ(seen, task.written());
  // The first fragments alone can be played.
  const std::string whole = task.written();
  const auto second = whole.find("moof", whole.find("moof") + 4);
  const auto third = whole.find("moof", second + 4);
  ASSERT_NE(third, std::string::npos);
  const auto part = testing::decode_file(folder_.write("part.mp4", whole.substr(0, third - 4)));
  ASSERT_TRUE(part.has_value());
  EXPECT_GE(part->frames.size(), 50U);
}

TEST_F(Transcode, WebmIsFinalOnlyAtTheEnd) {
  FakeTask task{"transcode", R"({"format":"webm"})", folder_.clip("clip.mp4", sounding_clip())};
  const auto reply = run(task);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->content_type, "video/webm");
  EXPECT_EQ(task.advances(), std::vector<std::uint64_t>{reply->size});
}

TEST_F(Transcode, TellsItsProgress) {
  FakeTask task{"transcode", "{}", folder_.clip("clip.mp4", sounding_clip())};
  ASSERT_TRUE(run(task).has_value());
  EXPECT_GT(task.progresses().size(), 10U);
  EXPECT_TRUE(std::ranges::is_sorted(task.progresses()));
  EXPECT_EQ(task.progresses().back(), 1);
}

TEST_F(Transcode, CancellationEndsItInTheMiddle) {
  FakeTask task{"transcode", "{}", folder_.clip("clip.mp4", sounding_clip())};
  task.cancel_when([&] { return !task.progresses().empty() && task.progresses().back() > 0.4; });
  const auto reply = run(task);
  ASSERT_FALSE(reply.has_value());
  EXPECT_EQ(reply.error().code, Code::cancelled);
  EXPECT_LT(task.progresses().back(), 0.7);
}

TEST_F(Transcode, AFullDiskIsSaidSo) {
  for (const char* format : {"mp4", "webm"}) {
    FakeTask task{"transcode", std::string(R"({"format":")") + format + "\"}",
                  folder_.clip("clip.mp4", sounding_clip())};
    task.write_to(FileHandle{open("/dev/full", O_WRONLY | O_CLOEXEC)});
    const auto reply = run(task);
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().code, Code::disk_full) << reply.error().message;
  }
}

TEST_F(Transcode, BadRequestsAndInputsSayWhy) {
  const auto clip = folder_.clip("clip.mp4", sounding_clip());
  const auto expect = [&](const std::filesystem::path& input, const char* payload, Code code, const char* words) {
    const Error wrong = error(input, payload);
    EXPECT_EQ(wrong.code, code) << payload << ": " << wrong.message;
    EXPECT_NE(wrong.message.find(words), std::string::npos) << payload << ": " << wrong.message;
    EXPECT_EQ(info(wrong.code).retry, Retry::never);
  };
  expect(clip, R"({"video":"theora9"})", Code::invalid_argument, "h264");
  expect(clip, R"({"format":"webm","video":"h264"})", Code::invalid_argument, "webm cannot hold");
  expect(clip, R"({"format":"webm","video":"copy"})", Code::unsupported_media, "re-encoded");
  expect(clip, R"({"preset":"warp"})", Code::invalid_argument, "ultrafast");
  expect(clip, R"({"crf":60})", Code::invalid_argument, "51");
  expect(clip, R"({"crf":20,"bitrate":100000})", Code::invalid_argument, "exclude");
  expect(clip, R"({"start":60})", Code::invalid_argument, "beyond the end");
  expect(clip, R"({"video":"none","audio":"none"})", Code::unsupported_media, "nothing");
  expect(folder_.write("text.mp4", "no film at all, only a line"), "{}", Code::unsupported_media, "not a media file");
  expect(folder_.write("empty.mp4", ""), "{}", Code::corrupt_input, "empty");
  auto longer = sounding_clip();
  longer.seconds = 8;
  const std::string bytes = testing::read_file(folder_.clip("long.mp4", longer));
  expect(folder_.write("cut.mp4", std::string_view(bytes).substr(0, bytes.size() / 2)), "{}", Code::corrupt_input,
         "cut short");
}

TEST_F(Transcode, ForeignFiles) {
  const auto media = testing::test_media();
  if (!media) GTEST_SKIP() << "no foreign media: set HOTWELL_TEST_DATA";
  for (const char* name : {"androidx/mkv/sample_with_srt.mkv", "androidx/avi/sample.avi", "androidx/flv/sample.flv",
                           "androidx/sample_rotate_and_reflect.mp4", "androidx/ts/sample_h264.ts",
                           "androidx/vp9/bear-vp9-odd-dimensions.webm", "androidx/sample_fragmented.mp4",
                           "androidx/mp3/bear-vbr-xing-header.mp3", "androidx/ogg/bear_vorbis.ogg", "h264_10bits.mp4",
                           "vips/cogs.gif", "androidx/wav/sample.wav"}) {
    const DecodedFile file = made(*media / name, R"({"width":160,"preset":"ultrafast"})");
    EXPECT_FALSE(file.frames.empty() && file.audio_codec.empty()) << name;
    EXPECT_NEAR(file.frames.empty() ? 0 : file.frames[0].time, 0, 0.1) << name;
  }
}

}  // namespace
}  // namespace hotwell::media

// Every picture of a clip, in every way to come to it; and that no more is decoded than that needs.
#include "media/video_reader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <ostream>
#include <random>
#include <vector>

#include "media/still_encoder.hpp"
#include "media/testing/look.hpp"
#include "tests/support/seed.hpp"

namespace hotwell::media {
namespace {

using testing::Folder;

struct OpenClip {
  std::unique_ptr<Input> input;
  std::unique_ptr<VideoReader> reader;
};

OpenClip open_clip(const std::filesystem::path& file) {
  auto input = Input::open(FileHandle{open(file.c_str(), O_RDONLY | O_CLOEXEC)}, nullptr);
  EXPECT_TRUE(input.has_value());
  auto reader = VideoReader::open(**input);
  EXPECT_TRUE(reader.has_value());
  return {std::move(*input), std::move(*reader)};
}

std::int64_t micros(double seconds) { return std::llround(seconds * 1e6); }

/// The number of the picture at a time; -1 where none can be read, -2 for an error.
int number_at(VideoReader& reader, double seconds) {
  const auto frame = reader.frame_at(micros(seconds));
  if (!frame) return -2;
  const auto picture = render(**frame, shape_for({(*frame)->width, (*frame)->height}, {}, {}, {}), {});
  EXPECT_TRUE(picture.has_value());
  const AVFrame& rgb = **picture;
  return sample::frame_number({rgb.data[0], rgb.width, rgb.height, rgb.linesize[0], 3}).value_or(-1);
}

struct Kind {
  const char* name;
  const char* file;
  sample::ClipOptions options;
};

sample::ClipOptions clip_of(void (*change)(sample::ClipOptions&)) {
  sample::ClipOptions options = testing::small_clip();
  change(options);
  return options;
}

std::vector<Kind> kinds() {
  return {{"Mp4", "clip.mp4", testing::small_clip()},
          {"VariableRate", "vfr.mp4", clip_of([](auto& o) { o.variable_rate = true; })},
          {"NoReordering", "plain.mp4", clip_of([](auto& o) { o.b_frames = 0; })},
          {"ManyBFrames", "pyramid.mp4", clip_of([](auto& o) { o.b_frames = 7; })},
          {"OneGroupOfPictures", "long.mp4", clip_of([](auto& o) { o.gop_seconds = 10; })},
          {"KeyFramesAlone", "intra.mp4", clip_of([](auto& o) {
             o.gop_seconds = 0.04;
             o.b_frames = 0;
           })},
          {"Matroska", "clip.mkv", testing::small_clip()},
          {"WithSound", "sound.mp4", clip_of([](auto& o) { o.audio = true; })},
          {"Transport", "clip.ts", testing::small_clip()},
          {"Flash", "clip.flv", testing::small_clip()},
          {"Vp9", "clip.webm", clip_of([](auto& o) {
             o.encoder = "libvpx-vp9";
             o.width = 161;
             o.height = 121;
           })},
          {"Vp8", "vp8.webm", clip_of([](auto& o) { o.encoder = "libvpx"; })},
          {"Hevc", "hevc.mp4", clip_of([](auto& o) { o.encoder = "libx265"; })},
          {"Mpeg4", "clip.avi", clip_of([](auto& o) { o.encoder = "mpeg4"; })},
          {"Mpeg2", "clip.mpg", clip_of([](auto& o) { o.encoder = "mpeg2video"; })},
          {"TenBit", "deep.mp4", clip_of([](auto& o) { o.pixel_format = "yuv420p10le"; })}};
}

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class EveryPicture : public ::testing::TestWithParam<Kind> {};

TEST_P(EveryPicture, IsTheOneShownAtItsTimeInRandomOrder) {
  const Folder folder;
  const Kind& kind = GetParam();
  const OpenClip clip = open_clip(folder.clip(kind.file, kind.options));
  const int count = sample::frame_count(kind.options);
  std::vector<int> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random{hotwell::test::seed()};
  std::ranges::shuffle(order, random);
  for (const int number : order) {
    const double time = sample::frame_time(kind.options, number);
    const double next = sample::frame_time(kind.options, number + 1);
    // At its very time (containers round to milliseconds), in its middle, and just before the next one.
    ASSERT_EQ(number_at(*clip.reader, time + 0.001), number) << "at its time";
    ASSERT_EQ(number_at(*clip.reader, (time + next) / 2), number) << "in its middle";
    ASSERT_EQ(number_at(*clip.reader, next - 0.002), number) << "before the next";
  }
}

TEST_P(EveryPicture, IsTheOneShownAtItsTimeInOrderOfTime) {
  const Folder folder;
  const Kind& kind = GetParam();
  const OpenClip clip = open_clip(folder.clip(kind.file, kind.options));
  for (int number = 0; number < sample::frame_count(kind.options); ++number) {
    ASSERT_EQ(number_at(*clip.reader, sample::frame_time(kind.options, number) + 0.001), number);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryPicture, ::testing::ValuesIn(kinds()),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(VideoReader, ExactTimesNameTheirPicture) {
  const Folder folder;
  const auto options = testing::small_clip();
  const OpenClip clip = open_clip(folder.clip("clip.mp4", options));
  for (int number = 49; number >= 0; --number) {
    EXPECT_EQ(number_at(*clip.reader, sample::frame_time(options, number)), number);
  }
}

TEST(VideoReader, DecodesOnInsteadOfStartingOver) {
  const Folder folder;
  auto options = testing::small_clip();
  options.gop_seconds = 10;
  const OpenClip clip = open_clip(folder.clip("clip.mp4", options));
  for (int number = 0; number < 50; ++number) {
    ASSERT_EQ(number_at(*clip.reader, sample::frame_time(options, number)), number);
  }
  EXPECT_EQ(clip.reader->counters().seeks, 0U);
  EXPECT_LE(clip.reader->counters().frames, 50U);
  EXPECT_LE(clip.reader->counters().packets, 50U);
}

TEST(VideoReader, TheSamePictureAgainDecodesNothing) {
  const Folder folder;
  const auto options = testing::small_clip();
  const OpenClip clip = open_clip(folder.clip("clip.mp4", options));
  ASSERT_EQ(number_at(*clip.reader, 1.0), 25);
  const auto before = clip.reader->counters();
  EXPECT_EQ(number_at(*clip.reader, 1.0), 25);
  EXPECT_EQ(number_at(*clip.reader, 1.039), 25);
  EXPECT_EQ(clip.reader->counters().frames, before.frames);
  EXPECT_EQ(clip.reader->counters().packets, before.packets);
  EXPECT_EQ(clip.reader->counters().seeks, before.seeks);
}

TEST(VideoReader, SeeksWhereAKeyFrameLiesBetween) {
  const Folder folder;
  const auto options = testing::small_clip();  // key frames at 0, 12 or 13, 25, ...
  const OpenClip clip = open_clip(folder.clip("clip.mp4", options));
  ASSERT_EQ(number_at(*clip.reader, 0), 0);
  const auto before = clip.reader->counters();
  ASSERT_EQ(number_at(*clip.reader, 1.92), 48);
  EXPECT_EQ(clip.reader->counters().seeks, before.seeks + 1);
  EXPECT_LE(clip.reader->counters().frames - before.frames, 13U) << "one group of pictures at most";
}

TEST(VideoReader, DoesNotDecodeWhatNothingRefersTo) {
  const Folder folder;
  auto options = testing::small_clip();
  options.gop_seconds = 10;
  options.b_frames = 1;
  const OpenClip clip = open_clip(folder.clip("clip.mp4", options));
  ASSERT_EQ(number_at(*clip.reader, sample::frame_time(options, 45)), 45);
  // Every second picture is a B-frame that nothing refers to.
  EXPECT_LE(clip.reader->counters().frames, 26U);
}

TEST(VideoReader, BeforeTheBeginningIsTheFirstPictureAndAfterTheEndTheLast) {
  const Folder folder;
  const OpenClip clip = open_clip(folder.clip("clip.mp4", testing::small_clip()));
  EXPECT_EQ(number_at(*clip.reader, 100), 49);
  EXPECT_EQ(number_at(*clip.reader, 0), 0);
  EXPECT_EQ(number_at(*clip.reader, 1.99), 49);
}

TEST(VideoReader, FindsTheEndWithoutDecoding) {
  const Folder folder;
  const OpenClip clip = open_clip(folder.clip("clip.mp4", testing::small_clip()));
  const auto end = clip.reader->find_end();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(*end, 2'000'000);
  EXPECT_EQ(clip.reader->counters().frames, 0U);
  EXPECT_EQ(number_at(*clip.reader, 0.5), 12);
}

TEST(VideoReader, DamageAtTheTimeAskedIsAnErrorAndElsewhereIsNone) {
  const Folder folder;
  const auto file = folder.clip("clip.mp4", testing::small_clip());
  OpenClip whole = open_clip(file);
  const AVStream& stream = whole.reader->stream();
  // Overwrite the second key frame's packet with noise.
  std::string bytes = testing::read_file(file);
  const int entry =
      av_index_search_timestamp(const_cast<AVStream*>(&stream), stream.duration / 2, AVSEEK_FLAG_BACKWARD);
  const AVIndexEntry* key = avformat_index_get_entry(const_cast<AVStream*>(&stream), entry);
  ASSERT_NE(key, nullptr);
  std::mt19937 noise{7};
  for (int i = 8; i < key->size; ++i) bytes[static_cast<std::size_t>(key->pos + i)] = static_cast<char>(noise());
  const double time = static_cast<double>(key->timestamp) * av_q2d(stream.time_base);
  const OpenClip damaged = open_clip(folder.write("damaged.mp4", bytes));
  const auto there = damaged.reader->frame_at(micros(time + 0.1));
  ASSERT_FALSE(there.has_value());
  EXPECT_EQ(there.error().code, Code::corrupt_input) << there.error().message;
  EXPECT_EQ(number_at(*damaged.reader, 0.2), 5);
  EXPECT_EQ(number_at(*damaged.reader, 1.9), 47);
}

TEST(VideoReader, AFileCutShortShowsWhatItHasAndSaysWhereItEnds) {
  const Folder folder;
  auto options = testing::small_clip();
  options.seconds = 4;
  const std::string bytes = testing::read_file(folder.clip("clip.mp4", options));
  const OpenClip cut = open_clip(folder.write("cut.mp4", std::string_view(bytes).substr(0, bytes.size() / 2)));
  EXPECT_EQ(number_at(*cut.reader, 0.4), 10);
  const auto late = cut.reader->frame_at(micros(3.9));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Code::corrupt_input);
  EXPECT_NE(late.error().message.find("cut short"), std::string::npos) << late.error().message;
  EXPECT_EQ(number_at(*cut.reader, 0.2), 5);
}

}  // namespace
}  // namespace hotwell::media

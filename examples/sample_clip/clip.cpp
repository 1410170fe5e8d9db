#include "examples/sample_clip/clip.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
}

#include "examples/sample_clip/canvas.hpp"

namespace hotwell::sample {
namespace {

struct Free {
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(AVFormatContext* p) const {
    if (p->pb != nullptr) avio_closep(&p->pb);
    avformat_free_context(p);
  }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::unexpected<Error> av_fail(int status, const std::string& what) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(status, text, sizeof text);
  return fail(Code::io, what + ": " + text);
}

bool turned(int orientation) { return orientation >= 5; }

/// Where in the upright picture the stored pixel (x, y) comes from; width and height are the upright ones.
std::pair<int, int> upright(int orientation, int x, int y, int width, int height) {
  switch (orientation) {
    case 2: return {width - 1 - x, y};
    case 3: return {width - 1 - x, height - 1 - y};
    case 4: return {x, height - 1 - y};
    case 5: return {y, x};
    case 6: return {width - 1 - y, x};
    case 7: return {width - 1 - y, height - 1 - x};
    case 8: return {y, height - 1 - x};
    default: return {x, y};
  }
}

/// The display matrix that turns a stored picture upright: x' = a x + c y, y' = b x + d y, in libav's 16.16 layout.
void set_matrix(int orientation, std::int32_t* matrix) {
  struct Turn {
    int a, b, c, d;
  };
  constexpr Turn turns[] = {{1, 0, 0, 1}, {1, 0, 0, 1},  {-1, 0, 0, 1},  {-1, 0, 0, -1}, {1, 0, 0, -1},
                            {0, 1, 1, 0}, {0, 1, -1, 0}, {0, -1, -1, 0}, {0, -1, 1, 0}};
  const Turn& turn = turns[orientation];
  constexpr std::int32_t one = 1 << 16;
  const std::int32_t values[] = {turn.a * one, turn.b * one, 0, turn.c * one, turn.d * one, 0, 0, 0, 1 << 30};
  std::copy(std::begin(values), std::end(values), matrix);
}

/// BT.709, limited range, as the stream is tagged.
struct Yuv {
  int y, u, v;
};
Yuv to_yuv(const Rgb& c, int depth) {
  const double r = c.r / 255.0;
  const double g = c.g / 255.0;
  const double b = c.b / 255.0;
  const double y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const int scale = 1 << (depth - 8);
  return {static_cast<int>(std::lround((16 + 219 * y) * scale)),
          static_cast<int>(std::lround((128 + 224 * (b - y) / 1.8556) * scale)),
          static_cast<int>(std::lround((128 + 224 * (r - y) / 1.5748) * scale))};
}

void put(AVFrame* frame, int plane, int x, int y, int value, int depth) {
  std::uint8_t* row = frame->data[plane] + static_cast<std::ptrdiff_t>(y) * frame->linesize[plane];
  if (depth == 8) {
    row[x] = static_cast<std::uint8_t>(value);
  } else {
    row[2 * x] = static_cast<std::uint8_t>(value & 0xff);
    row[2 * x + 1] = static_cast<std::uint8_t>(value >> 8);
  }
}

void store(const Canvas& canvas, int orientation, AVFrame* frame) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame->format));
  const int depth = format->comp[0].depth;
  const int sub_x = (1 << format->log2_chroma_w) - 1;
  const int sub_y = (1 << format->log2_chroma_h) - 1;
  for (int y = 0; y < frame->height; ++y) {
    for (int x = 0; x < frame->width; ++x) {
      const auto [ux, uy] = upright(orientation, x, y, canvas.width(), canvas.height());
      const Yuv colour = to_yuv(canvas.at(ux, uy), depth);
      put(frame, 0, x, y, colour.y, depth);
      if ((x & sub_x) != 0 || (y & sub_y) != 0) continue;
      put(frame, 1, x >> format->log2_chroma_w, y >> format->log2_chroma_h, colour.u, depth);
      put(frame, 2, x >> format->log2_chroma_w, y >> format->log2_chroma_h, colour.v, depth);
    }
  }
}

/// One stream being written: an encoder and where its packets go.
struct Track {
  Owned<AVCodecContext> encoder;
  AVStream* stream = nullptr;
  Owned<AVFrame> frame;
  std::int64_t next = 0;  ///< frames or samples so far

  /// Sends one frame (none: the end) and writes what comes out.
  Result<void> push(AVFormatContext* out, const AVFrame* input) const {
    if (const int status = avcodec_send_frame(encoder.get(), input); status < 0) return av_fail(status, "encoding");
    const Owned<AVPacket> packet{av_packet_alloc()};
    for (;;) {
      const int status = avcodec_receive_packet(encoder.get(), packet.get());
      if (status == AVERROR(EAGAIN) || status == AVERROR_EOF) return {};
      if (status < 0) return av_fail(status, "encoding");
      av_packet_rescale_ts(packet.get(), encoder->time_base, stream->time_base);
      packet->stream_index = stream->index;
      if (const int written = av_interleaved_write_frame(out, packet.get()); written < 0)
        return av_fail(written, "writing");
    }
  }
};

std::int64_t frame_ticks(const ClipOptions& options, int number) {
  // In ticks of 1 / fps; with a variable rate frames 0, 3, 6, ... last two.
  return options.variable_rate ? number + (number + 2) / 3 : number;
}

Result<Track> open_track(AVFormatContext* out, const std::string& name, Owned<AVCodecContext> encoder,
                         AVDictionary* settings) {
  if ((out->oformat->flags & AVFMT_GLOBALHEADER) != 0) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  encoder->flags |= AV_CODEC_FLAG_BITEXACT;
  const int status = avcodec_open2(encoder.get(), encoder->codec, &settings);
  av_dict_free(&settings);
  if (status < 0) return av_fail(status, "opening the encoder " + name);
  Track track;
  track.stream = avformat_new_stream(out, nullptr);
  track.stream->time_base = encoder->time_base;
  track.frame.reset(av_frame_alloc());
  avcodec_parameters_from_context(track.stream->codecpar, encoder.get());
  track.encoder = std::move(encoder);
  return track;
}

Result<Owned<AVCodecContext>> find_encoder(const std::string& name) {
  const AVCodec* codec = avcodec_find_encoder_by_name(name.c_str());
  if (codec == nullptr) return fail(Code::unsupported_media, "this libav has no encoder \"" + name + "\"");
  return Owned<AVCodecContext>{avcodec_alloc_context3(codec)};
}

Result<Track> open_video(AVFormatContext* out, const ClipOptions& options) {
  auto found = find_encoder(options.encoder);
  if (!found) return std::unexpected(found.error());
  AVCodecContext& encoder = **found;
  encoder.width = turned(options.orientation) ? options.height : options.width;
  encoder.height = turned(options.orientation) ? options.width : options.height;
  encoder.pix_fmt = av_get_pix_fmt(options.pixel_format.c_str());
  encoder.time_base = {1, options.fps};
  encoder.framerate = {options.fps, 1};
  encoder.sample_aspect_ratio = {options.sar_num, options.sar_den};
  encoder.gop_size = std::max(1, static_cast<int>(std::lround(options.gop_seconds * options.fps)));
  encoder.max_b_frames = options.b_frames;
  encoder.colorspace = AVCOL_SPC_BT709;
  encoder.color_primaries = AVCOL_PRI_BT709;
  encoder.color_trc = AVCOL_TRC_BT709;
  encoder.color_range = AVCOL_RANGE_MPEG;
  AVDictionary* settings = nullptr;
  if (options.encoder == "libx264") {
    av_dict_set(&settings, "preset", "veryfast", 0);
    av_dict_set(&settings, "crf", "18", 0);
    av_dict_set(&settings, "x264-params", "scenecut=0:b-adapt=0", 0);
  } else {
    encoder.bit_rate = 2'000'000;
    if (options.encoder == "libx265") av_dict_set(&settings, "x265-params", "log-level=error", 0);
    if (options.encoder == "libvpx-vp9" || options.encoder == "libvpx") {
      av_dict_set(&settings, "deadline", "realtime", 0);
      av_dict_set(&settings, "cpu-used", "8", 0);
    }
  }
  auto track = open_track(out, options.encoder, std::move(*found), settings);
  if (!track) return track;
  track->stream->avg_frame_rate = {options.fps, 1};
  track->stream->sample_aspect_ratio = {options.sar_num, options.sar_den};
  if (options.orientation != 1) {
    std::uint8_t* data = av_stream_new_side_data(track->stream, AV_PKT_DATA_DISPLAYMATRIX, sizeof(std::int32_t) * 9);
    set_matrix(options.orientation, reinterpret_cast<std::int32_t*>(data));
  }
  track->frame->format = track->encoder->pix_fmt;
  track->frame->width = track->encoder->width;
  track->frame->height = track->encoder->height;
  track->frame->sample_aspect_ratio = track->encoder->sample_aspect_ratio;
  if (const int status = av_frame_get_buffer(track->frame.get(), 0); status < 0) return av_fail(status, "a frame");
  return track;
}

Result<Track> open_audio(AVFormatContext* out) {
  const bool webm = std::string_view(out->oformat->name) == "webm";
  auto found = find_encoder(webm ? "libopus" : "aac");
  if (!found) return std::unexpected(found.error());
  AVCodecContext& encoder = **found;
  encoder.sample_rate = 48'000;
  encoder.sample_fmt = encoder.codec->sample_fmts[0];
  encoder.bit_rate = 96'000;
  encoder.time_base = {1, encoder.sample_rate};
  av_channel_layout_default(&encoder.ch_layout, 2);
  auto track = open_track(out, encoder.codec->name, std::move(*found), nullptr);
  if (!track) return track;
  av_dict_set(&track->stream->metadata, "language", "eng", 0);
  AVFrame& frame = *track->frame;
  frame.format = track->encoder->sample_fmt;
  frame.nb_samples = track->encoder->frame_size;
  frame.sample_rate = track->encoder->sample_rate;
  av_channel_layout_copy(&frame.ch_layout, &track->encoder->ch_layout);
  if (const int status = av_frame_get_buffer(&frame, 0); status < 0) return av_fail(status, "an audio frame");
  return track;
}

/// A quiet 440 Hz tone, the same in every channel.
void fill_tone(AVFrame& frame, std::int64_t first_sample) {
  const bool planar = av_sample_fmt_is_planar(static_cast<AVSampleFormat>(frame.format)) != 0;
  const bool floats = av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame.format)) == AV_SAMPLE_FMT_FLT;
  const int channels = frame.ch_layout.nb_channels;
  for (int i = 0; i < frame.nb_samples; ++i) {
    const double seconds = static_cast<double>(first_sample + i) / frame.sample_rate;
    const double level = 0.2 * std::sin(2 * std::numbers::pi * 440 * seconds);
    for (int c = 0; c < channels; ++c) {
      std::uint8_t* plane = planar ? frame.data[c] : frame.data[0];
      const int at = planar ? i : i * channels + c;
      if (floats) {
        reinterpret_cast<float*>(plane)[at] = static_cast<float>(level);
      } else {
        reinterpret_cast<std::int16_t*>(plane)[at] = static_cast<std::int16_t>(level * 32'767);
      }
    }
  }
}

Result<void> push_tone(AVFormatContext* out, Track& audio, double until) {
  while (static_cast<double>(audio.next) < until * audio.encoder->sample_rate) {
    av_frame_make_writable(audio.frame.get());
    fill_tone(*audio.frame, audio.next);
    audio.frame->pts = audio.next;
    audio.next += audio.frame->nb_samples;
    if (auto pushed = audio.push(out, audio.frame.get()); !pushed) return pushed;
  }
  return {};
}

Result<void> check(const ClipOptions& o) {
  const auto refuse = [](const char* what) { return fail(Code::invalid_argument, what); };
  if (o.width < 18 || o.height < 16 || o.width > 8192 || o.height > 8192)
    return refuse("size must be 18x16 to 8192x8192");
  if (o.fps < 1 || o.fps > 240) return refuse("fps must be 1 to 240");
  if (o.orientation < 1 || o.orientation > 8) return refuse("orientation must be 1 to 8");
  if (o.sar_num < 1 || o.sar_den < 1) return refuse("the sample aspect ratio must be of two positive numbers");
  if (!(o.seconds > 0) || frame_count(o) < 1) return refuse("the clip must last at least one frame");
  if (frame_count(o) > max_frames) return refuse("the clip may have 4096 frames at most");
  if (!o.video && !o.audio) return refuse("a clip of neither video nor audio is none");
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(av_get_pix_fmt(o.pixel_format.c_str()));
  if (format == nullptr || format->nb_components != 3 || (format->flags & AV_PIX_FMT_FLAG_PLANAR) == 0 ||
      (format->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_BE)) != 0) {
    return refuse("pixel_format must be a planar YUV one, such as yuv420p or yuv420p10le");
  }
  return {};
}

}  // namespace

int frame_count(const ClipOptions& options) {
  const auto ticks = static_cast<std::int64_t>(std::llround(options.seconds * options.fps));
  int count = 0;
  while (count <= max_frames && frame_ticks(options, count) < ticks) ++count;
  return count;
}

double frame_time(const ClipOptions& options, int number) {
  return static_cast<double>(frame_ticks(options, number)) / options.fps;
}

Result<void> write_clip(const std::filesystem::path& file, const ClipOptions& options) {
  if (auto valid = check(options); !valid) return valid;
  AVFormatContext* made = nullptr;
  if (avformat_alloc_output_context2(&made, nullptr, nullptr, file.c_str()) < 0) {
    return fail(Code::unsupported_media,
                "no container is known for \"" + file.string() + "\": name it .mp4, .mkv or .webm");
  }
  const Owned<AVFormatContext> out{made};
  out->flags |= AVFMT_FLAG_BITEXACT;
  av_dict_set(&out->metadata, "title", "Hotwell sample clip", 0);
  Result<Track> video = Track{};
  Result<Track> audio = Track{};
  if (options.video) video = open_video(out.get(), options);
  if (!video) return std::unexpected(video.error());
  if (options.audio) audio = open_audio(out.get());
  if (!audio) return std::unexpected(audio.error());
  if (const int status = avio_open(&out->pb, file.c_str(), AVIO_FLAG_WRITE); status < 0)
    return av_fail(status, file.string());
  AVDictionary* settings = nullptr;
  av_dict_set(&settings, "movflags", "+faststart", 0);
  const int started = avformat_write_header(out.get(), &settings);
  av_dict_free(&settings);
  if (started < 0) return av_fail(started, file.string());

  Canvas canvas{options.width, options.height};
  const int count = frame_count(options);
  for (int number = 0; number < count; ++number) {
    if (options.video) {
      AVFrame* frame = video->frame.get();
      if (const int status = av_frame_make_writable(frame); status < 0) return av_fail(status, "a frame");
      canvas.draw(number, count);
      store(canvas, options.orientation, frame);
      frame->pts = frame_ticks(options, number);
      if (auto pushed = video->push(out.get(), frame); !pushed) return pushed;
    }
    if (options.audio) {
      if (auto pushed = push_tone(out.get(), *audio, frame_time(options, number + 1)); !pushed) return pushed;
    }
  }
  for (const Track* track : {&*video, &*audio}) {
    if (track->encoder == nullptr) continue;
    if (auto pushed = track->push(out.get(), nullptr); !pushed) return pushed;
  }
  if (const int status = av_write_trailer(out.get()); status < 0) return av_fail(status, file.string());
  return {};
}

std::optional<int> frame_number(const PixelView& picture) {
  const int y = picture.height / 8;
  unsigned bits = 0;
  for (int i = 0; i < code_blocks; ++i) {
    // The mean of the block's middle: edges blur into each other.
    const int left = (3 * i + 1) * picture.width / (3 * code_blocks);
    const int right = std::max(left + 1, (3 * i + 2) * picture.width / (3 * code_blocks));
    int sum = 0;
    for (int x = left; x < right; ++x) {
      const std::uint8_t* pixel =
          picture.pixels + y * picture.stride + static_cast<std::ptrdiff_t>(x) * picture.channels;
      sum += picture.channels >= 3 ? (pixel[0] + 2 * pixel[1] + pixel[2]) / 4 : pixel[0];
    }
    const int mean = sum / (right - left);
    if (mean > 70 && mean < 190) return std::nullopt;
    bits = (bits << 1U) | (mean >= 190 ? 1U : 0U);
  }
  const int number = static_cast<int>((bits >> 5U) & 0xfffU);
  unsigned expected = 0;
  for (const bool white : code_of(number)) expected = (expected << 1U) | (white ? 1U : 0U);
  if (bits != expected) return std::nullopt;
  return number;
}

}  // namespace hotwell::sample

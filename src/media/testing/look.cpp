#include "media/testing/look.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include "base/assert.hpp"
#include "media/av.hpp"

namespace hotwell::media::testing {
namespace {

/// Plainly converted, with libswscale's defaults and the frame's own range.
Picture to_picture(const AVFrame& frame, bool alpha) {
  Picture picture{.width = frame.width, .height = frame.height, .channels = alpha ? 4 : 3};
  const std::size_t line = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels);
  picture.pixels.resize(line * static_cast<std::size_t>(picture.height));
  const ScalerPtr scaler{sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
                                        frame.width, frame.height, alpha ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24,
                                        SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, nullptr, nullptr,
                                        nullptr)};
  HOTWELL_ASSERT(scaler != nullptr);
  std::uint8_t* planes[4] = {picture.pixels.data(), nullptr, nullptr, nullptr};
  const int lines[4] = {static_cast<int>(line), 0, 0, 0};
  sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, planes, lines);
  return picture;
}

FramePtr decode_one(AVCodecID codec, std::string_view bytes) {
  CodecPtr decoder{avcodec_alloc_context3(avcodec_find_decoder(codec))};
  decoder->thread_count = 1;
  if (avcodec_open2(decoder.get(), nullptr, nullptr) < 0) return nullptr;
  PacketPtr packet = make_packet();
  HOTWELL_ASSERT(av_new_packet(packet.get(), static_cast<int>(bytes.size())) == 0);
  std::memcpy(packet->data, bytes.data(), bytes.size());
  FramePtr frame = make_frame();
  if (avcodec_send_packet(decoder.get(), packet.get()) < 0) return nullptr;
  avcodec_send_packet(decoder.get(), nullptr);
  if (avcodec_receive_frame(decoder.get(), frame.get()) < 0) return nullptr;
  return frame;
}

std::string encode(const Picture& picture, const char* name, AVPixelFormat format) {
  FramePtr frame = make_frame();
  frame->format = format;
  frame->width = picture.width;
  frame->height = picture.height;
  HOTWELL_ASSERT(av_frame_get_buffer(frame.get(), 0) == 0);
  const std::uint8_t* planes[4] = {picture.pixels.data(), nullptr, nullptr, nullptr};
  const int lines[4] = {picture.width * picture.channels, 0, 0, 0};
  const ScalerPtr scaler{
      sws_getContext(picture.width, picture.height, picture.channels == 4 ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24,
                     picture.width, picture.height, format, SWS_BICUBIC | SWS_ACCURATE_RND, nullptr, nullptr, nullptr)};
  sws_scale(scaler.get(), planes, lines, 0, picture.height, frame->data, frame->linesize);
  CodecPtr encoder{avcodec_alloc_context3(avcodec_find_encoder_by_name(name))};
  encoder->width = picture.width;
  encoder->height = picture.height;
  encoder->pix_fmt = format;
  encoder->time_base = {1, 25};
  encoder->thread_count = 1;
  encoder->flags |= AV_CODEC_FLAG_QSCALE;
  encoder->global_quality = FF_QP2LAMBDA * 2;
  frame->quality = encoder->global_quality;
  HOTWELL_ASSERT(avcodec_open2(encoder.get(), nullptr, nullptr) == 0);
  avcodec_send_frame(encoder.get(), frame.get());
  avcodec_send_frame(encoder.get(), nullptr);
  const PacketPtr packet = make_packet();
  HOTWELL_ASSERT(avcodec_receive_packet(encoder.get(), packet.get()) == 0);
  return {reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size)};
}

/// An APP1 segment that holds the orientation tag alone, in big-endian TIFF.
std::string exif_segment(int orientation) {
  const char body[] = {'E', 'x', 'i', 'f',  0,    0, 'M', 'M', 0, 42, 0, 0, 0,
                       8,   0,   1,   0x01, 0x12, 0, 3,   0,   0, 0,  1, 0, static_cast<char>(orientation),
                       0,   0,   0,   0,    0,    0};
  const std::size_t length = sizeof body + 2;
  std::string segment = "\xff\xe1";
  segment += static_cast<char>(length >> 8);
  segment += static_cast<char>(length & 0xff);
  segment.append(body, sizeof body);
  return segment;
}

struct FormatClose {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
};

struct Decoding {
  AVStream* stream = nullptr;
  CodecPtr decoder;
};

Decoding open_best(AVFormatContext* format, AVMediaType type) {
  Decoding decoding;
  const AVCodec* codec = nullptr;
  const int index = av_find_best_stream(format, type, -1, -1, &codec, 0);
  if (index < 0) return decoding;
  decoding.stream = format->streams[index];
  decoding.decoder.reset(avcodec_alloc_context3(codec));
  avcodec_parameters_to_context(decoding.decoder.get(), decoding.stream->codecpar);
  decoding.decoder->pkt_timebase = decoding.stream->time_base;
  decoding.decoder->thread_count = 1;
  HOTWELL_ASSERT(avcodec_open2(decoding.decoder.get(), codec, nullptr) == 0);
  return decoding;
}

double time_of(const AVFrame& frame, const AVStream& stream) {
  return static_cast<double>(frame.best_effort_timestamp) * av_q2d(stream.time_base);
}

void take_sound(DecodedFile& file, const AVFrame& frame, const AVStream& stream) {
  if (file.audio_seconds == 0) file.audio_begin = time_of(frame, stream);
  file.audio_seconds += static_cast<double>(frame.nb_samples) / frame.sample_rate;
  // The first channel's samples; where they are interleaved, that many of all channels.
  const auto level = [&frame](int i) {
    switch (av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame.format))) {
      case AV_SAMPLE_FMT_FLT: return double{reinterpret_cast<const float*>(frame.data[0])[i]};
      case AV_SAMPLE_FMT_S16: return reinterpret_cast<const std::int16_t*>(frame.data[0])[i] / 32'768.0;
      case AV_SAMPLE_FMT_S32: return reinterpret_cast<const std::int32_t*>(frame.data[0])[i] / 2'147'483'648.0;
      default: return 0.0;
    }
  };
  double sum = 0;
  for (int i = 0; i < frame.nb_samples; ++i) sum += level(i) * level(i);
  file.audio_level = std::max(file.audio_level, std::sqrt(sum / frame.nb_samples));
}

}  // namespace

std::filesystem::path Folder::write(std::string_view name, std::string_view bytes) const {
  const auto file = *this / name;
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return file;
}

std::filesystem::path Folder::clip(std::string_view name, const sample::ClipOptions& options) const {
  quiet_libav();
  const auto file = *this / name;
  const auto written = sample::write_clip(file, options);
  HOTWELL_ASSERT(written.has_value());
  return file;
}

std::string read_file(const std::filesystem::path& file) {
  std::ostringstream bytes;
  bytes << std::ifstream(file, std::ios::binary).rdbuf();
  return bytes.str();
}

sample::ClipOptions small_clip() {
  return {.seconds = 2, .width = 192, .height = 108, .fps = 25, .gop_seconds = 0.5, .audio = false};
}

std::optional<std::filesystem::path> test_media() {
  const char* given = std::getenv("HOTWELL_TEST_DATA");
  const auto data =
      given != nullptr ? std::filesystem::path(given) : std::filesystem::path(HOTWELL_SOURCE_DIR) / "../shared/data";
  if (!std::filesystem::is_directory(data / "media")) return std::nullopt;
  return data / "media";
}

const std::uint8_t* Picture::at(int x, int y) const {
  return pixels.data() + (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) *
                             static_cast<std::size_t>(channels);
}

std::optional<int> Picture::number() const {
  return sample::frame_number({pixels.data(), width, height, std::ptrdiff_t{width} * channels, channels});
}

std::optional<Picture> decode_still(std::string_view bytes) {
  AVCodecID codec = AV_CODEC_ID_NONE;
  if (bytes.starts_with("\xff\xd8")) codec = AV_CODEC_ID_MJPEG;
  if (bytes.starts_with("\x89PNG")) codec = AV_CODEC_ID_PNG;
  if (bytes.starts_with("RIFF")) codec = AV_CODEC_ID_WEBP;
  if (codec == AV_CODEC_ID_NONE) return std::nullopt;
  const FramePtr frame = decode_one(codec, bytes);
  if (frame == nullptr) return std::nullopt;
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame->format));
  return to_picture(*frame, (format->flags & AV_PIX_FMT_FLAG_ALPHA) != 0);
}

std::string encode_png(const Picture& picture) {
  return encode(picture, "png", picture.channels == 4 ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24);
}

std::string encode_jpeg(const Picture& picture, int exif) {
  std::string bytes = encode(picture, "mjpeg", AV_PIX_FMT_YUVJ444P);
  if (exif > 0) bytes.insert(2, exif_segment(exif));
  return bytes;
}

double psnr(const Picture& a, const Picture& b) {
  HOTWELL_ASSERT(a.pixels.size() == b.pixels.size() && !a.pixels.empty());
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const double difference = static_cast<double>(a.pixels[i]) - static_cast<double>(b.pixels[i]);
    sum += difference * difference;
  }
  return 10 * std::log10(255 * 255 / (sum / static_cast<double>(a.pixels.size()) + 1e-9));
}

std::optional<DecodedFile> decode_file(const std::filesystem::path& path) {
  AVFormatContext* opened = nullptr;
  if (avformat_open_input(&opened, path.c_str(), nullptr, nullptr) < 0) return std::nullopt;
  const std::unique_ptr<AVFormatContext, FormatClose> format{opened};
  if (avformat_find_stream_info(opened, nullptr) < 0) return std::nullopt;
  DecodedFile file{.container = opened->iformat->name};
  Decoding video = open_best(opened, AVMEDIA_TYPE_VIDEO);
  Decoding audio = open_best(opened, AVMEDIA_TYPE_AUDIO);
  if (video.stream != nullptr) {
    file.video_codec = avcodec_get_name(video.stream->codecpar->codec_id);
    const AVRational sar = av_guess_sample_aspect_ratio(opened, video.stream, nullptr);
    if (sar.num > 0) file.sar = av_q2d(sar);
  }
  if (audio.stream != nullptr) {
    file.audio_codec = avcodec_get_name(audio.stream->codecpar->codec_id);
    file.channels = audio.stream->codecpar->ch_layout.nb_channels;
    file.sample_rate = audio.stream->codecpar->sample_rate;
  }
  const PacketPtr packet = make_packet();
  const FramePtr frame = make_frame();
  for (bool more = true; more;) {
    more = av_read_frame(opened, packet.get()) >= 0;
    for (Decoding* decoding : {&video, &audio}) {
      if (decoding->stream == nullptr || (more && packet->stream_index != decoding->stream->index)) continue;
      avcodec_send_packet(decoding->decoder.get(), more ? packet.get() : nullptr);
      while (avcodec_receive_frame(decoding->decoder.get(), frame.get()) >= 0) {
        if (decoding == &audio) {
          take_sound(file, *frame, *audio.stream);
        } else {
          file.frames.push_back({.time = time_of(*frame, *video.stream),
                                 .width = frame->width,
                                 .height = frame->height,
                                 .number = to_picture(*frame, false).number()});
        }
      }
    }
    av_packet_unref(packet.get());
  }
  return file;
}

}  // namespace hotwell::media::testing

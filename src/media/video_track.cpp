#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

extern "C" {
#include <libavutil/cpu.h>
#include <libavutil/mathematics.h>
#include <libavutil/pixdesc.h>
}

#include "media/scaler.hpp"
#include "media/tracks.hpp"

namespace hotwell::media {
namespace {

constexpr AVPixelFormat output_format = AV_PIX_FMT_YUV420P;

int even(double value) { return std::max(2, static_cast<int>(std::lround(value / 2)) * 2); }
int even_below(int value) { return std::max(2, value & ~1); }

/// The upright size of the output: as asked for; a side that was not follows from the stored picture's own.
Size output_size(Size stored, Orientation orientation, const TranscodeParameters& parameters) {
  const Size upright = orientation.transposes() ? Size{stored.height, stored.width} : stored;
  const double aspect = static_cast<double>(upright.width) / upright.height;
  if (parameters.width > 0 && parameters.height > 0) return {even(parameters.width), even(parameters.height)};
  if (parameters.width > 0) return {even(parameters.width), even(parameters.width / aspect)};
  if (parameters.height > 0) return {even(parameters.height * aspect), even(parameters.height)};
  return {even_below(upright.width), even_below(upright.height)};
}

/// The sample aspect ratio that keeps the picture's shape at its new size.
AVRational output_aspect(Size stored, Ratio aspect, Orientation orientation, Size output) {
  AVRational upright{aspect.num, aspect.den};
  Size from = stored;
  if (orientation.transposes()) {
    std::swap(upright.num, upright.den);
    std::swap(from.width, from.height);
  }
  AVRational ratio{1, 1};
  av_reduce(&ratio.num, &ratio.den, std::int64_t{upright.num} * from.width * output.height,
            std::int64_t{upright.den} * from.height * output.width, 1 << 16);
  // Rounding to even sides is no reason for pixels that are not square.
  if (std::abs(av_q2d(ratio) / av_q2d(upright) - 1) < 0.02) ratio = upright;
  return ratio;
}

class VideoTrack final : public Track {
 public:
  VideoTrack(const AVStream& from, CodecPtr decoder, EncodedStream out, Cut cut, Orientation orientation, Size scaled,
             Colour colour)
      : from_(from),
        decoder_(std::move(decoder)),
        out_(std::move(out)),
        begin_(av_rescale_q(cut.begin, AV_TIME_BASE_Q, from.time_base)),
        end_(cut.end == INT64_MAX ? INT64_MAX : av_rescale_q(cut.end, AV_TIME_BASE_Q, from.time_base)),
        orientation_(orientation),
        scaled_(scaled),
        colour_(colour) {}

  Result<void> push(const AVPacket& packet) override { return decode(&packet); }

  Result<void> finish() override {
    if (!done_) {
      if (auto rest = decode(nullptr); !rest) return rest;
    }
    if (held_ != nullptr) {
      if (auto encoded = encode(*std::exchange(held_, nullptr), 0); !encoded) return encoded;
    }
    if (!produced_) {
      return fail(Code::corrupt_input, damaged_ > 0 ? "no picture of the video can be decoded"
                                                    : "the video has no picture in the part that was asked for");
    }
    const auto flushed = out_.push(nullptr);
    if (!flushed) return std::unexpected(flushed.error());
    return {};
  }

 private:
  Result<void> decode(const AVPacket* packet) {
    if (done_) return {};
    int status = avcodec_send_packet(decoder_.get(), packet);
    if (status == AVERROR(ENOMEM)) return av_fail(status, "decoding the video");
    if (status < 0 && status != AVERROR_EOF) ++damaged_;  // players go on too
    while (!done_) {
      FramePtr frame = make_frame();
      status = avcodec_receive_frame(decoder_.get(), frame.get());
      if (status == AVERROR(EAGAIN) || status == AVERROR_EOF) return {};
      if (status == AVERROR(ENOMEM)) return av_fail(status, "decoding the video");
      if (status < 0) {
        ++damaged_;
        continue;
      }
      if (auto taken = take(std::move(frame)); !taken) return taken;
    }
    return {};
  }

  Result<void> take(FramePtr frame) {
    std::int64_t time = frame->best_effort_timestamp;
    if (time == AV_NOPTS_VALUE)
      time = last_in_ == AV_NOPTS_VALUE ? begin_ : last_in_ + std::max<std::int64_t>(frame->pkt_duration, 1);
    last_in_ = time;
    if (time >= end_) {
      done_ = true;
      return {};
    }
    if (time < begin_) {
      // What is still shown when the cut begins is its first picture.
      held_ = std::move(frame);
      return {};
    }
    if (FramePtr held = std::exchange(held_, nullptr); held != nullptr && time > begin_) {
      if (auto encoded = encode(*held, 0); !encoded) return encoded;
    }
    return encode(*frame, time - begin_);
  }

  Result<void> encode(const AVFrame& frame, std::int64_t pts) {
    // Encoders want times to rise; a picture that does not come later than the one before was never to be seen.
    if (last_out_ != AV_NOPTS_VALUE && pts <= last_out_) return {};
    last_out_ = pts;
    auto picture = prepare(frame);
    if (!picture) return std::unexpected(picture.error());
    (*picture)->pts = pts;
    (*picture)->pict_type = AV_PICTURE_TYPE_NONE;
    (*picture)->sample_aspect_ratio = out_.encoder().sample_aspect_ratio;
    produced_ = true;
    const auto pushed = out_.push(picture->get());
    if (!pushed) return std::unexpected(pushed.error());
    return {};
  }

  Result<FramePtr> prepare(const AVFrame& frame) {
    const Colour colour = colour_of(frame);
    const bool fits = frame.format == output_format && frame.width == scaled_.width && frame.height == scaled_.height &&
                      colour.full_range == colour_.full_range && colour.matrix == colour_.matrix;
    FramePtr picture;
    if (fits) {
      picture = make_frame();
      if (const int status = av_frame_ref(picture.get(), &frame); status < 0) return av_fail(status, "a picture");
    } else {
      auto made = make_picture(output_format, scaled_);
      if (!made) return made;
      if (auto done = scaler_.convert(frame, {0, 0, frame.width, frame.height}, colour, **made, colour_); !done) {
        return std::unexpected(done.error());
      }
      picture = std::move(*made);
    }
    return orientation_.identity() ? Result<FramePtr>{std::move(picture)} : turn(*picture, orientation_);
  }

  const AVStream& from_;
  CodecPtr decoder_;
  EncodedStream out_;
  std::int64_t begin_, end_;
  Orientation orientation_;
  Size scaled_;  ///< before turning
  Colour colour_;
  Scaler scaler_;
  FramePtr held_;
  std::int64_t last_in_ = AV_NOPTS_VALUE;
  std::int64_t last_out_ = AV_NOPTS_VALUE;
  unsigned damaged_ = 0;
};

/// What the output's pixels mean: as the input's, but in limited range, and BT.709 where the input is RGB.
Colour output_colour(const AVCodecParameters& codec) {
  FramePtr like = make_frame();
  like->format = codec.format;
  like->width = codec.width;
  like->height = codec.height;
  like->colorspace = codec.color_space;
  like->color_range = codec.color_range;
  const Colour from = colour_of(*like);
  return {.matrix = from.matrix == AVCOL_SPC_RGB ? AVCOL_SPC_BT709 : from.matrix, .full_range = false};
}

}  // namespace

Result<std::unique_ptr<Track>> video_track(Muxer& muxer, const Input& input, int stream, Cut cut,
                                           const VideoEncoder& kind, const TranscodeParameters& parameters) {
  AVStream& from = *input.format().streams[stream];
  const AVCodecParameters& codec = *from.codecpar;
  auto decoder = open_decoder(from, "video");
  if (!decoder) return std::unexpected(decoder.error());
  if (codec.width <= 0 || codec.height <= 0) return fail(Code::corrupt_input, "the video has no size");
  const AVCodec* found = avcodec_find_encoder_by_name(kind.encoder);
  if (found == nullptr) {
    return fail(Code::unsupported_media,
                std::string("this libav cannot encode ") + std::string(kind.name) + " (no " + kind.encoder + ")");
  }
  CodecPtr encoder{avcodec_alloc_context3(found)};
  if (encoder == nullptr) return av_fail(AVERROR(ENOMEM), "the encoder");
  const Orientation orientation = orientation_of(from);
  const Size stored{codec.width, codec.height};
  const Size size = output_size(stored, orientation, parameters);
  if (too_many_pixels(size.width, size.height)) {
    return fail(Code::invalid_argument, "the output would be " + std::to_string(size.width) + "x" +
                                            std::to_string(size.height) + ": the limit is " +
                                            std::to_string(max_pixels / 1'000'000) + " megapixels");
  }
  const Colour colour = output_colour(codec);
  encoder->width = size.width;
  encoder->height = size.height;
  encoder->pix_fmt = output_format;
  encoder->sample_aspect_ratio = output_aspect(stored, sample_aspect_of(input, from, nullptr), orientation, size);
  encoder->time_base = from.time_base;  // the input's own times pass through, at whatever rate
  encoder->framerate = av_guess_frame_rate(&input.format(), &from, nullptr);
  encoder->color_range = AVCOL_RANGE_MPEG;
  encoder->colorspace = codec.color_space == AVCOL_SPC_UNSPECIFIED ? AVCOL_SPC_UNSPECIFIED : colour.matrix;
  encoder->color_primaries = codec.color_primaries;
  encoder->color_trc = codec.color_trc;
  encoder->chroma_sample_location = AVCHROMA_LOC_LEFT;
  encoder->thread_count = std::clamp(av_cpu_count(), 1, 4);
  // A key frame every two seconds: that is how often a follower gets a fragment, and where players can seek to.
  const double rate = encoder->framerate.num > 0 ? av_q2d(encoder->framerate) : 25;
  encoder->gop_size = std::clamp(static_cast<int>(std::lround(2 * rate)), 1, 600);
  if (encoder->framerate.num <= 0) encoder->framerate = {25, 1};
  Settings settings;
  if (auto configured = configure(*encoder, settings, kind, parameters); !configured)
    return std::unexpected(configured.error());
  auto out = EncodedStream::open(muxer, std::move(encoder), settings);
  if (!out) return std::unexpected(out.error());
  out->stream().avg_frame_rate = out->encoder().framerate;
  out->stream().sample_aspect_ratio = out->encoder().sample_aspect_ratio;
  // What Apple's players insist on.
  if (kind.codec == AV_CODEC_ID_HEVC && parameters.format == "mp4")
    out->stream().codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');
  const Size scaled = orientation.transposes() ? Size{size.height, size.width} : size;
  return std::make_unique<VideoTrack>(from, std::move(*decoder), std::move(*out), cut, orientation, scaled, colour);
}

}  // namespace hotwell::media

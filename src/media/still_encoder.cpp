#include "media/still_encoder.hpp"

#include <algorithm>
#include <cmath>

extern "C" {
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
}

#include "media/scaler.hpp"

namespace hotwell::media {
namespace {

constexpr Colour rgb{.matrix = AVCOL_SPC_RGB, .full_range = true};

struct Target {
  const char* encoder;
  AVPixelFormat format;
  Colour colour;
};

Target target_for(StillFormat format, bool transparent) {
  switch (format) {
    case StillFormat::jpeg: return {"mjpeg", AV_PIX_FMT_YUVJ420P, {.matrix = AVCOL_SPC_SMPTE170M, .full_range = true}};
    case StillFormat::png: return {"png", transparent ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24, rgb};
    case StillFormat::webp:
      // The format's own convention: BT.601, limited. With transparency the encoder converts from BGRA by itself.
      if (transparent) return {"libwebp", AV_PIX_FMT_BGRA, rgb};
      return {"libwebp", AV_PIX_FMT_YUV420P, {.matrix = AVCOL_SPC_SMPTE170M, .full_range = false}};
  }
  return {};
}

int longest_side(StillFormat format) { return format == StillFormat::webp ? 16'383 : 65'500; }

bool has_alpha(int format) {
  const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(format));
  return d != nullptr && (d->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
}

/// Lays RGBA on white.
Result<FramePtr> on_white(const AVFrame& picture) {
  auto laid = make_picture(AV_PIX_FMT_RGB24, {picture.width, picture.height});
  if (!laid) return laid;
  for (int y = 0; y < picture.height; ++y) {
    const std::uint8_t* from = picture.data[0] + static_cast<std::ptrdiff_t>(y) * picture.linesize[0];
    std::uint8_t* to = (*laid)->data[0] + static_cast<std::ptrdiff_t>(y) * (*laid)->linesize[0];
    for (int x = 0; x < picture.width; ++x, from += 4, to += 3) {
      const int alpha = from[3];
      for (int c = 0; c < 3; ++c)
        to[c] = static_cast<std::uint8_t>((from[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  return laid;
}

/// The quantiser that gives about what JPEG libraries give for a quality: they scale a table that is about twice
/// MPEG's, which libav uses at an eighth of the quantiser.
int quantiser_for(int quality) {
  const double percent = quality < 50 ? 5000.0 / quality : 200.0 - 2.0 * quality;
  return std::clamp(static_cast<int>(std::lround(0.15 * percent)), 1, 31);
}

void set_quality(AVCodecContext& encoder, StillFormat format, int quality) {
  if (format == StillFormat::png) return;
  const int scale = format == StillFormat::jpeg ? quantiser_for(quality) : quality;
  encoder.flags |= AV_CODEC_FLAG_QSCALE;
  encoder.global_quality = FF_QP2LAMBDA * scale;
  encoder.qmin = 1;
}

}  // namespace

std::string_view content_type_of(StillFormat format) {
  switch (format) {
    case StillFormat::jpeg: return "image/jpeg";
    case StillFormat::png: return "image/png";
    case StillFormat::webp: return "image/webp";
  }
  return "application/octet-stream";
}

Result<FramePtr> render(const AVFrame& frame, const Shape& shape, Orientation orientation) {
  const AVPixelFormat format = has_alpha(frame.format) ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
  auto scaled = make_picture(format, shape.scaled);
  if (!scaled) return scaled;
  Scaler scaler;
  if (auto done = scaler.convert(frame, shape.source, colour_of(frame), **scaled, rgb); !done) {
    return std::unexpected(done.error());
  }
  return orientation.identity() ? std::move(scaled) : turn(**scaled, orientation);
}

Result<std::string> encode_still(const AVFrame& picture, StillFormat format, int quality) {
  if (std::max(picture.width, picture.height) > longest_side(format)) {
    return fail(Code::unsupported_media, std::string(content_type_of(format)) + " cannot be wider or higher than " +
                                             std::to_string(longest_side(format)) + " pixels");
  }
  const bool transparent = has_alpha(picture.format);
  FramePtr laid;
  const AVFrame* source = &picture;
  if (transparent && format == StillFormat::jpeg) {
    auto made = on_white(picture);
    if (!made) return std::unexpected(made.error());
    laid = std::move(*made);
    source = laid.get();
  }
  const Target target = target_for(format, transparent);
  const AVCodec* codec = avcodec_find_encoder_by_name(target.encoder);
  if (codec == nullptr) {
    return fail(Code::unsupported_media, std::string("this libav has no encoder \"") + target.encoder + "\"");
  }
  auto converted = make_picture(target.format, {picture.width, picture.height});
  if (!converted) return std::unexpected(converted.error());
  Scaler scaler;
  if (auto done = scaler.convert(*source, {0, 0, source->width, source->height}, rgb, **converted, target.colour);
      !done) {
    return std::unexpected(done.error());
  }
  const CodecPtr encoder{avcodec_alloc_context3(codec)};
  if (encoder == nullptr) return av_fail(AVERROR(ENOMEM), "the encoder");
  encoder->width = picture.width;
  encoder->height = picture.height;
  encoder->pix_fmt = target.format;
  encoder->time_base = {1, 25};
  encoder->sample_aspect_ratio = {1, 1};
  encoder->color_range = target.colour.full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  encoder->thread_count = 1;
  encoder->flags |= AV_CODEC_FLAG_BITEXACT;
  set_quality(*encoder, format, quality);
  if (format == StillFormat::png) av_opt_set(encoder.get(), "pred", "mixed", AV_OPT_SEARCH_CHILDREN);
  int status = avcodec_open2(encoder.get(), codec, nullptr);
  const PacketPtr packet = make_packet();
  (*converted)->quality = encoder->global_quality;
  (*converted)->pts = 0;
  if (status >= 0) status = avcodec_send_frame(encoder.get(), converted->get());
  if (status >= 0) status = avcodec_send_frame(encoder.get(), nullptr);
  if (status >= 0) status = avcodec_receive_packet(encoder.get(), packet.get());
  if (status == AVERROR(ENOMEM)) return av_fail(status, "encoding the picture");
  if (status < 0) {
    return fail(Code::unsupported_media,
                std::string("the picture cannot be written as ") + target.encoder + ": " + av_words(status));
  }
  return std::string(reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size));
}

}  // namespace hotwell::media

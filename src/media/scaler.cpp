#include "media/scaler.hpp"

#include <algorithm>
#include <cstring>
#include <string>

extern "C" {
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
}

#include "base/assert.hpp"

namespace hotwell::media {
namespace {

bool is_rgb(int format) {
  const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(format));
  return d != nullptr && (d->flags & AV_PIX_FMT_FLAG_RGB) != 0;
}

bool is_420(int format) {
  const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(format));
  return d != nullptr && d->log2_chroma_w == 1 && d->log2_chroma_h == 1;
}

bool is_grey(int format) {
  const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(format));
  return d != nullptr && d->nb_components <= 2;
}

bool names_full_range(int format) {
  switch (format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ411P: return true;
    default: return false;
  }
}

const int* coefficients(AVColorSpace matrix) {
  // libav's numbers of matrices are libswscale's, except for those that it does not know.
  switch (matrix) {
    case AVCOL_SPC_BT709:
    case AVCOL_SPC_FCC:
    case AVCOL_SPC_SMPTE240M:
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL: return sws_getCoefficients(matrix);
    default: return sws_getCoefficients(AVCOL_SPC_SMPTE170M);
  }
}

/// Where in the upright picture the stored pixel (0, 0) goes, and the steps there of one pixel right and one down.
struct Walk {
  std::ptrdiff_t origin, right, down;
};
Walk walk_of(Orientation orientation, int width, int height, std::ptrdiff_t pixel, std::ptrdiff_t line) {
  const std::ptrdiff_t last_x = (width - 1) * pixel;
  const std::ptrdiff_t last_y = (height - 1) * line;
  switch (orientation.exif) {
    case 2: return {last_x, -pixel, line};
    case 3: return {last_x + last_y, -pixel, -line};
    case 4: return {last_y, pixel, -line};
    case 5: return {0, line, pixel};
    case 6: return {last_x, line, -pixel};
    case 7: return {last_x + last_y, -line, -pixel};
    case 8: return {last_y, -line, pixel};
    default: return {0, pixel, line};
  }
}

template <std::size_t bytes>
void turn_plane(const std::uint8_t* from, std::ptrdiff_t from_line, int width, int height, std::uint8_t* to,
                Walk walk) {
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* source = from + y * from_line;
    std::uint8_t* target = to + walk.origin + y * walk.down;
    for (int x = 0; x < width; ++x, source += bytes, target += walk.right) std::memcpy(target, source, bytes);
  }
}

}  // namespace

Colour colour_of(const AVFrame& frame) {
  Colour colour{.matrix = frame.colorspace, .full_range = frame.color_range == AVCOL_RANGE_JPEG};
  if (is_rgb(frame.format)) return {.matrix = AVCOL_SPC_RGB, .full_range = true};
  if (names_full_range(frame.format)) colour.full_range = true;
  if (is_grey(frame.format) && frame.color_range == AVCOL_RANGE_UNSPECIFIED) colour.full_range = true;
  if (colour.matrix == AVCOL_SPC_UNSPECIFIED || colour.matrix == AVCOL_SPC_RESERVED || colour.matrix == AVCOL_SPC_RGB) {
    const bool high_definition =
        std::max(frame.width, frame.height) >= 1280 || std::min(frame.width, frame.height) >= 720;
    // JPEG's own convention is BT.601 whatever the size.
    colour.matrix = high_definition && !names_full_range(frame.format) ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
  }
  return colour;
}

Result<FramePtr> make_picture(AVPixelFormat format, Size size) {
  FramePtr frame = make_frame();
  frame->format = format;
  frame->width = size.width;
  frame->height = size.height;
  if (const int status = av_frame_get_buffer(frame.get(), 0); status < 0) {
    if (status == AVERROR(ENOMEM)) return av_fail(status, "a picture");
    return fail(Code::invalid_argument,
                "a picture of " + std::to_string(size.width) + "x" + std::to_string(size.height) + " cannot be made");
  }
  return frame;
}

Result<void> Scaler::prepare(const Kind& kind) {
  if (context_ != nullptr && kind == kind_) return {};
  context_.reset(sws_alloc_context());
  if (context_ == nullptr) return av_fail(AVERROR(ENOMEM), "scaling");
  void* options = context_.get();
  const auto set = [options](const char* name, std::int64_t value) { av_opt_set_int(options, name, value, 0); };
  set("srcw", kind.width);
  set("srch", kind.height);
  set("src_format", kind.format);
  set("dstw", kind.to_width);
  set("dsth", kind.to_height);
  set("dst_format", kind.to_format);
  // The ranges have to be known before the tables are made: libswscale does not correct them afterwards for deep
  // colour.
  set("src_range", kind.colour.full_range ? 1 : 0);
  set("dst_range", kind.to_colour.full_range ? 1 : 0);
  set("sws_flags", SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP);
  // Chroma lies between the lines, as in MPEG-2 and all that followed.
  if (is_420(kind.format)) set("src_v_chr_pos", 128);
  if (is_420(kind.to_format)) set("dst_v_chr_pos", 128);
  const int status = sws_init_context(context_.get(), nullptr, nullptr);
  if (status < 0) {
    context_.reset();
    if (status == AVERROR(ENOMEM)) return av_fail(status, "scaling");
    const char* name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(kind.format));
    return fail(Code::unsupported_media,
                std::string("pictures in the pixel format ") + (name != nullptr ? name : "?") + " cannot be converted");
  }
  // Refused where neither side has a matrix: then there is nothing to set.
  sws_setColorspaceDetails(context_.get(), coefficients(kind.colour.matrix), kind.colour.full_range ? 1 : 0,
                           coefficients(kind.to_colour.matrix), kind.to_colour.full_range ? 1 : 0, 0, 1 << 16, 1 << 16);
  kind_ = kind;
  return {};
}

Result<void> Scaler::convert(const AVFrame& from, Rect source, Colour from_colour, AVFrame& to, Colour to_colour) {
  FramePtr part = make_frame();
  if (const int status = av_frame_ref(part.get(), &from); status < 0) return av_fail(status, "a picture");
  if (source.width != from.width || source.height != from.height) {
    part->crop_left = static_cast<std::size_t>(source.left);
    part->crop_top = static_cast<std::size_t>(source.top);
    part->crop_right = static_cast<std::size_t>(from.width - source.left - source.width);
    part->crop_bottom = static_cast<std::size_t>(from.height - source.top - source.height);
    if (const int status = av_frame_apply_cropping(part.get(), AV_FRAME_CROP_UNALIGNED); status < 0) {
      return av_fail(status, "cutting the picture");
    }
  }
  const Kind kind{.width = part->width,
                  .height = part->height,
                  .format = part->format,
                  .to_width = to.width,
                  .to_height = to.height,
                  .to_format = to.format,
                  .colour = from_colour,
                  .to_colour = to_colour};
  if (auto prepared = prepare(kind); !prepared) return prepared;
  const int lines = sws_scale(context_.get(), part->data, part->linesize, 0, part->height, to.data, to.linesize);
  if (lines < 0) return av_fail(lines, "scaling");
  return {};
}

Result<FramePtr> turn(const AVFrame& stored, Orientation orientation) {
  const auto format = static_cast<AVPixelFormat>(stored.format);
  const Size size = orientation.transposes() ? Size{stored.height, stored.width} : Size{stored.width, stored.height};
  auto upright = make_picture(format, size);
  if (!upright) return upright;
  const AVPixFmtDescriptor* description = av_pix_fmt_desc_get(format);
  HOTWELL_ASSERT(description->log2_chroma_w == description->log2_chroma_h);
  for (int plane = 0; plane < av_pix_fmt_count_planes(format); ++plane) {
    const bool chroma = plane == 1 || plane == 2;
    const int shift = chroma ? description->log2_chroma_w : 0;
    const int width = AV_CEIL_RSHIFT(stored.width, shift);
    const int height = AV_CEIL_RSHIFT(stored.height, shift);
    const int bytes = description->comp[plane].step;
    // The walk is over the upright plane: its size is the turned one.
    const Size turned = orientation.transposes() ? Size{height, width} : Size{width, height};
    const Walk walk = walk_of(orientation, turned.width, turned.height, bytes, (*upright)->linesize[plane]);
    const std::uint8_t* from = stored.data[plane];
    std::uint8_t* to = (*upright)->data[plane];
    switch (bytes) {
      case 1: turn_plane<1>(from, stored.linesize[plane], width, height, to, walk); break;
      case 2: turn_plane<2>(from, stored.linesize[plane], width, height, to, walk); break;
      case 3: turn_plane<3>(from, stored.linesize[plane], width, height, to, walk); break;
      case 4: turn_plane<4>(from, stored.linesize[plane], width, height, to, walk); break;
      default: HOTWELL_ASSERT(!"a pixel of an unexpected size");
    }
  }
  return upright;
}

}  // namespace hotwell::media

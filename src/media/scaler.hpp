/// One conversion of size, pixel format, matrix and range by libswscale, and the turning of pictures.
#pragma once

#include "media/av.hpp"
#include "media/geometry.hpp"

namespace hotwell::media {

/// What the numbers of a picture's pixels mean.
struct Colour {
  AVColorSpace matrix = AVCOL_SPC_UNSPECIFIED;
  bool full_range = false;
  friend bool operator==(const Colour&, const Colour&) = default;
};

/// What `frame` says of itself; where it says nothing, what players assume: BT.709 from 720 lines up, BT.601 below.
[[nodiscard]] Colour colour_of(const AVFrame& frame);

/// Converts `source` of one frame to another size, format and meaning; keeps libswscale's tables for the next frame
/// of the same kind. Threads: one.
class Scaler {
 public:
  /// `to` has format, width, height and buffers. Errors: unsupported_media, out_of_memory.
  [[nodiscard]] Result<void> convert(const AVFrame& from, Rect source, Colour from_colour, AVFrame& to,
                                     Colour to_colour);

 private:
  struct Kind {
    int width = 0, height = 0, format = -1, to_width = 0, to_height = 0, to_format = -1;
    Colour colour, to_colour;
    friend bool operator==(const Kind&, const Kind&) = default;
  };
  [[nodiscard]] Result<void> prepare(const Kind& kind);

  Kind kind_;
  ScalerPtr context_;
};

/// A frame with buffers of its own. Errors: out_of_memory, invalid_argument (no pixels).
[[nodiscard]] Result<FramePtr> make_picture(AVPixelFormat format, Size size);

/// `stored` turned upright. Precondition: a format whose planes have whole bytes a pixel and which is subsampled in
/// both directions alike, or not at all.
[[nodiscard]] Result<FramePtr> turn(const AVFrame& stored, Orientation orientation);

}  // namespace hotwell::media

/// Pictures for the web: a decoded frame, upright, scaled and in RGB, and its bytes as JPEG, PNG or WebP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "media/av.hpp"
#include "media/geometry.hpp"

namespace hotwell::media {

enum class StillFormat : std::uint8_t { jpeg, png, webp };

[[nodiscard]] std::string_view content_type_of(StillFormat format);

/// What makes `frame` into a picture: with square pixels, in the sRGB values that its own matrix and range mean (gamut
/// and transfer stay as they are), as packed RGB24, or RGBA where it has transparency.
/// Errors: out_of_memory, unsupported_media (a pixel format that cannot be converted), invalid_argument (a shape of no
/// pixels).
[[nodiscard]] Result<FramePtr> render(const AVFrame& frame, const Shape& shape, Orientation orientation);

/// `quality` is 1 to 100 as JPEG libraries count; PNG is lossless and ignores it. JPEG has no transparency: the picture
/// is laid on white.
/// Precondition: `picture` comes from render(). Errors: unsupported_media (no such encoder in this libav, a side that
/// the format cannot have), out_of_memory.
[[nodiscard]] Result<std::string> encode_still(const AVFrame& picture, StillFormat format, int quality);

}  // namespace hotwell::media

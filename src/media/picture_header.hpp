/// The size that a picture file claims, read from its header alone. libav refuses sizes far over the limit without
/// saying so; this lets the error name them, before anything is decoded.
#pragma once

#include <optional>

#include "media/geometry.hpp"

namespace hotwell::media {

/// Of JPEG, PNG, GIF, WebP and BMP; nothing for what is none of these or ends before its size.
[[nodiscard]] std::optional<Size> size_in_header(int fd);

}  // namespace hotwell::media

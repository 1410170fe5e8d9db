/// What the operations can be asked for. Whoever asks has usually been checked already; this is where it is enforced.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <hotwell/result.hpp>

#include "media/geometry.hpp"
#include "media/still_encoder.hpp"

namespace hotwell::media {

inline constexpr int longest_side = 16'384;  ///< of what can be asked for, in pixels

/// A place in time: so many seconds, or a share of the whole.
struct At {
  double seconds = 0;
  double percent = -1;  ///< 0 to 100; negative: `seconds` counts
};

struct ThumbnailParameters {
  At at{.percent = 10};
  Box box{.width = 320};
  StillFormat format = StillFormat::jpeg;
  int quality = 85;
};

struct TranscodeParameters {
  std::string format = "mp4";  ///< mp4, webm, mkv
  std::string video;           ///< a codec, copy, none; empty: the container's own
  std::string audio;
  int width = 0;  ///< 0: follows from the other, or stays
  int height = 0;
  int crf = -1;              ///< -1: the encoder's usual
  std::int64_t bitrate = 0;  ///< of the video, bits a second; 0: by crf
  std::string preset;        ///< empty: the encoder's usual
  double start = 0;          ///< seconds
  double duration = 0;       ///< seconds; 0: to the end
};

/// Both take a JSON object; what is absent, null, 0 or empty means the default. Numbers may come as strings.
/// Errors: invalid_argument, naming the parameter and what it can be.
[[nodiscard]] Result<ThumbnailParameters> parse_thumbnail(std::string_view json);
[[nodiscard]] Result<TranscodeParameters> parse_transcode(std::string_view json);

}  // namespace hotwell::media

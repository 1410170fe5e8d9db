/// Which of libav's encoders stand behind the codecs that can be asked for, and how one scale of speeds and qualities
/// is said to each of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "media/av.hpp"
#include "media/parameters.hpp"

namespace hotwell::media {

/// From the fastest to the most thorough, as x264 names them: what `preset` can be.
inline constexpr std::string_view preset_names =
    "ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, veryslow";

struct VideoEncoder {
  std::string_view name;  ///< as asked for
  const char* encoder;    ///< as libav calls it
  AVCodecID codec;
  int most_crf;
};

struct AudioEncoder {
  std::string_view name;
  const char* encoder;
  AVCodecID codec;
  int bitrate_per_channel;
};

/// Errors: invalid_argument for a name that is not known, listing those that are.
[[nodiscard]] Result<VideoEncoder> find_video_encoder(std::string_view name);
[[nodiscard]] Result<AudioEncoder> find_audio_encoder(std::string_view name);

/// What a container holds unless something else is asked for.
[[nodiscard]] std::string_view usual_video(std::string_view format);
[[nodiscard]] std::string_view usual_audio(std::string_view format);

/// Sets speed, quality or rate. Errors: invalid_argument (preset, crf out of the codec's range, crf beside bitrate).
[[nodiscard]] Result<void> configure(AVCodecContext& encoder, Settings& settings, const VideoEncoder& kind,
                                     const TranscodeParameters& parameters);

}  // namespace hotwell::media

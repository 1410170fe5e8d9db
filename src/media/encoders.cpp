#include "media/encoders.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace hotwell::media {
namespace {

constexpr std::array<VideoEncoder, 6> video_encoders = {{{"h264", "libx264", AV_CODEC_ID_H264, 51},
                                                         {"hevc", "libx265", AV_CODEC_ID_HEVC, 51},
                                                         {"h265", "libx265", AV_CODEC_ID_HEVC, 51},
                                                         {"vp8", "libvpx", AV_CODEC_ID_VP8, 63},
                                                         {"vp9", "libvpx-vp9", AV_CODEC_ID_VP9, 63},
                                                         {"av1", "libsvtav1", AV_CODEC_ID_AV1, 63}}};

constexpr std::array<AudioEncoder, 5> audio_encoders = {{{"aac", "aac", AV_CODEC_ID_AAC, 64'000},
                                                         {"opus", "libopus", AV_CODEC_ID_OPUS, 48'000},
                                                         {"vorbis", "libvorbis", AV_CODEC_ID_VORBIS, 64'000},
                                                         {"mp3", "libmp3lame", AV_CODEC_ID_MP3, 80'000},
                                                         {"flac", "flac", AV_CODEC_ID_FLAC, 0}}};

/// One step of the common scale, as each encoder family takes it.
struct Preset {
  std::string_view name;
  const char* vpx_deadline;
  const char* vpx_speed;
  const char* av1;
};
constexpr std::array<Preset, 9> presets = {{{"ultrafast", "realtime", "8", "12"},
                                            {"superfast", "realtime", "7", "11"},
                                            {"veryfast", "realtime", "6", "10"},
                                            {"faster", "good", "5", "9"},
                                            {"fast", "good", "4", "8"},
                                            {"medium", "good", "3", "7"},
                                            {"slow", "good", "2", "5"},
                                            {"slower", "good", "1", "4"},
                                            {"veryslow", "good", "0", "3"}}};
constexpr std::string_view usual_preset = "veryfast";

template <class Kind>
Result<Kind> look_up(std::span<const Kind> kinds, std::string_view name, std::string_view what) {
  const auto found = std::ranges::find(kinds, name, &Kind::name);
  if (found != kinds.end()) return *found;
  std::string known;
  for (const Kind& kind : kinds) known += std::string(kind.name) + ", ";
  return fail(Code::invalid_argument,
              std::string(what) + " is \"" + std::string(name) + "\": it has to be " + known + "copy or none");
}

int usual_crf(AVCodecID codec) {
  switch (codec) {
    case AV_CODEC_ID_H264: return 23;
    case AV_CODEC_ID_HEVC: return 28;
    case AV_CODEC_ID_VP8: return 20;
    case AV_CODEC_ID_VP9: return 33;
    default: return 35;
  }
}

}  // namespace

Result<VideoEncoder> find_video_encoder(std::string_view name) {
  return look_up<VideoEncoder>(video_encoders, name, "video");
}

Result<AudioEncoder> find_audio_encoder(std::string_view name) {
  return look_up<AudioEncoder>(audio_encoders, name, "audio");
}

std::string_view usual_video(std::string_view format) { return format == "webm" ? "vp9" : "h264"; }
std::string_view usual_audio(std::string_view format) { return format == "webm" ? "opus" : "aac"; }

Result<void> configure(AVCodecContext& encoder, Settings& settings, const VideoEncoder& kind,
                       const TranscodeParameters& parameters) {
  const std::string_view wanted = parameters.preset.empty() ? usual_preset : std::string_view(parameters.preset);
  const auto preset = std::ranges::find(presets, wanted, &Preset::name);
  if (preset == presets.end()) {
    return fail(Code::invalid_argument,
                "preset is \"" + parameters.preset + "\": it has to be one of " + std::string(preset_names));
  }
  if (parameters.crf > kind.most_crf) {
    return fail(Code::invalid_argument, "crf is " + std::to_string(parameters.crf) + ": for " + std::string(kind.name) +
                                            " it has to be from 0 to " + std::to_string(kind.most_crf));
  }
  if (parameters.crf >= 0 && parameters.bitrate > 0) {
    return fail(Code::invalid_argument, "crf and bitrate exclude each other: give one");
  }
  const bool vpx = kind.codec == AV_CODEC_ID_VP8 || kind.codec == AV_CODEC_ID_VP9;
  if (vpx) {
    settings.set("deadline", preset->vpx_deadline);
    settings.set("cpu-used", preset->vpx_speed);
    if (kind.codec == AV_CODEC_ID_VP9) settings.set("row-mt", "1");
  } else {
    settings.set("preset", kind.codec == AV_CODEC_ID_AV1 ? preset->av1 : std::string(preset->name));
  }
  if (kind.codec == AV_CODEC_ID_HEVC) settings.set("x265-params", "log-level=error");
  if (parameters.bitrate > 0) {
    encoder.bit_rate = parameters.bitrate;
    return {};
  }
  settings.set("crf", std::to_string(parameters.crf >= 0 ? parameters.crf : usual_crf(kind.codec)));
  // VP8 knows constant quality only under a ceiling, VP9 only without one.
  encoder.bit_rate = kind.codec == AV_CODEC_ID_VP8 ? std::int64_t{encoder.width} * encoder.height * 8 : 0;
  return {};
}

}  // namespace hotwell::media

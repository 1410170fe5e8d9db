/// libav's objects with owners, and its numbers as our errors. Invariant: nothing of libav is freed by hand elsewhere.
#pragma once

#include <memory>
#include <string>
#include <string_view>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/frame.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
}

#include <hotwell/result.hpp>

namespace hotwell::media {

struct AvFree {
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(SwsContext* p) const { sws_freeContext(p); }
  void operator()(SwrContext* p) const { swr_free(&p); }
};
using CodecPtr = std::unique_ptr<AVCodecContext, AvFree>;
using FramePtr = std::unique_ptr<AVFrame, AvFree>;
using PacketPtr = std::unique_ptr<AVPacket, AvFree>;
using ScalerPtr = std::unique_ptr<SwsContext, AvFree>;
using ResamplerPtr = std::unique_ptr<SwrContext, AvFree>;

/// Options on their way into libav, freed with what it did not take.
class Settings {
 public:
  Settings() = default;
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;
  ~Settings() { av_dict_free(&entries_); }
  void set(const char* key, const std::string& value) { av_dict_set(&entries_, key, value.c_str(), 0); }
  [[nodiscard]] AVDictionary** out() { return &entries_; }

 private:
  AVDictionary* entries_ = nullptr;
};

[[nodiscard]] FramePtr make_frame();
[[nodiscard]] PacketPtr make_packet();

/// libav's own words for a status.
[[nodiscard]] std::string av_words(int status);

/// The error of a failed libav call; `what` says what was being done, to what. Memory, disk, cancellation and missing
/// features have codes of their own; whatever else libav finds wrong with the data is corrupt_input.
[[nodiscard]] Error av_error(int status, std::string_view what);
[[nodiscard]] inline std::unexpected<Error> av_fail(int status, std::string_view what) {
  return std::unexpected(av_error(status, what));
}

/// libav speaks on standard error, of errors alone.
void quiet_libav();

/// Of what is read or written by descriptor at once, in bytes.
inline constexpr int io_buffer_size = 64 << 10;

/// Pictures with more pixels than this are refused before they take memory.
inline constexpr std::int64_t max_pixels = 100'000'000;
[[nodiscard]] inline bool too_many_pixels(int width, int height) { return std::int64_t{width} * height > max_pixels; }
[[nodiscard]] std::unexpected<Error> picture_too_large(int width, int height);

}  // namespace hotwell::media

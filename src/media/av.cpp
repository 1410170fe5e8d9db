#include "media/av.hpp"

#include <cerrno>
#include <cstdlib>
#include <new>

extern "C" {
#include <libavutil/error.h>
#include <libavutil/log.h>
}

namespace hotwell::media {
namespace {

Code code_of(int status) {
  switch (status) {
    case AVERROR(ENOMEM): return Code::out_of_memory;
    case AVERROR(ENOSPC):
    case AVERROR(EDQUOT): return Code::disk_full;
    case AVERROR(EFBIG): return Code::too_large;
    case AVERROR(EIO): return Code::io;
    case AVERROR_EXIT: return Code::cancelled;
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_ENCODER_NOT_FOUND:
    case AVERROR_MUXER_NOT_FOUND:
    case AVERROR_PATCHWELCOME:
    case AVERROR(ENOSYS): return Code::unsupported_media;
    default: return Code::corrupt_input;
  }
}

}  // namespace

FramePtr make_frame() {
  FramePtr frame{av_frame_alloc()};
  if (frame == nullptr) throw std::bad_alloc{};
  return frame;
}

PacketPtr make_packet() {
  PacketPtr packet{av_packet_alloc()};
  if (packet == nullptr) throw std::bad_alloc{};
  return packet;
}

std::string av_words(int status) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(status, text, sizeof text);
  return text;
}

Error av_error(int status, std::string_view what) {
  if (status == AVERROR_EXIT) return {Code::cancelled, "the job was cancelled"};
  return {code_of(status), std::string(what) + ": " + av_words(status)};
}

void quiet_libav() {
  av_log_set_level(AV_LOG_ERROR);
  setenv("SVT_LOG", "1", 0);  // that encoder has a log of its own: errors alone
}

std::unexpected<Error> picture_too_large(int width, int height) {
  const auto megapixels = [](std::int64_t pixels) { return std::to_string(pixels / 1'000'000) + " megapixels"; };
  return fail(Code::too_large, "the picture is " + std::to_string(width) + "x" + std::to_string(height) + " (" +
                                   megapixels(std::int64_t{width} * height) + "): the limit is " +
                                   megapixels(max_pixels));
}

}  // namespace hotwell::media

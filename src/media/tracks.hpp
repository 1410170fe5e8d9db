/// What a transcode does with one stream: copy it, or decode, change and encode it. Times inside are microseconds on
/// the input's time line minus the cut's beginning, so that every output starts at zero.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "media/encoders.hpp"
#include "media/input.hpp"
#include "media/muxer.hpp"

namespace hotwell::media {

/// The part that is kept, in microseconds of the input's own time stamps.
struct Cut {
  std::int64_t begin = 0;
  std::int64_t end = INT64_MAX;
  bool from_start = true;  ///< nothing is cut off at the beginning, not even an encoder's padding before it
};

class Track {
 public:
  virtual ~Track() = default;
  /// Takes the next packet of its stream. Errors: those of decoding that end it, and the muxer's.
  [[nodiscard]] virtual Result<void> push(const AVPacket& packet) = 0;
  /// No packet follows.
  [[nodiscard]] virtual Result<void> finish() = 0;
  /// Everything of the cut has been seen.
  [[nodiscard]] bool done() const { return done_; }
  /// Whether anything came out.
  [[nodiscard]] bool produced() const { return produced_; }

 protected:
  bool done_ = false;
  bool produced_ = false;
};

/// Streams are added to the muxer in the order of these calls. Ownership: muxer and input must outlive the track.
/// Errors: unsupported_media (no decoder or encoder, a codec that the container cannot hold), invalid_argument,
/// too_large, out_of_memory.
[[nodiscard]] Result<std::unique_ptr<Track>> copy_track(Muxer& muxer, const Input& input, int stream, Cut cut);
[[nodiscard]] Result<std::unique_ptr<Track>> video_track(Muxer& muxer, const Input& input, int stream, Cut cut,
                                                         const VideoEncoder& kind,
                                                         const TranscodeParameters& parameters);
[[nodiscard]] Result<std::unique_ptr<Track>> audio_track(Muxer& muxer, const Input& input, int stream, Cut cut,
                                                         const AudioEncoder& kind);

/// An encoder and its place in the output; used by the tracks.
class EncodedStream {
 public:
  /// Opens `encoder`, which is configured but not open, and adds its stream.
  [[nodiscard]] static Result<EncodedStream> open(Muxer& muxer, CodecPtr encoder, Settings& settings);

  /// Encodes one frame (null: the end) and writes what comes out. True once a packet was written.
  [[nodiscard]] Result<bool> push(const AVFrame* frame);
  [[nodiscard]] AVCodecContext& encoder() const { return *encoder_; }
  [[nodiscard]] AVStream& stream() const { return *stream_; }

 private:
  EncodedStream(Muxer& muxer, CodecPtr encoder, AVStream& stream)
      : muxer_(&muxer), encoder_(std::move(encoder)), stream_(&stream) {}
  Muxer* muxer_;
  CodecPtr encoder_;
  AVStream* stream_;
};

/// A decoder for a stream, of one thread. Errors: unsupported_media, too_large, out_of_memory.
[[nodiscard]] Result<CodecPtr> open_decoder(const AVStream& stream, std::string_view what);

}  // namespace hotwell::media

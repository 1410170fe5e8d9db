/// The picture that a stream shows at a time, decoding as little as that needs.
///
/// The reader stands somewhere in the stream and keeps the picture it showed last. Asked for a later time it decodes
/// on, unless a key frame lies between; asked for the same picture again it decodes nothing. Invariants:
///  - the answer is the picture with the greatest presentation time at or before the one asked, exactly;
///  - a picture that nothing refers to is decoded only if it may be the answer or the one before it;
///  - a picture in which libav saw damage is never an answer.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "media/input.hpp"

namespace hotwell::media {

class VideoReader {
 public:
  /// What it has done so far; for tests and for the curious.
  struct Counters {
    std::uint64_t packets = 0;  ///< read from the file, of this stream
    std::uint64_t frames = 0;   ///< that came out of the decoder
    std::uint64_t skipped = 0;  ///< packets that the decoder was told to skip if nothing refers to them
    std::uint64_t seeks = 0;
  };

  /// Ownership: `input` must outlive the reader, which from here on decides what is read from it.
  /// Errors: unsupported_media (no video, no decoder: names the codec), too_large.
  [[nodiscard]] static Result<std::unique_ptr<VideoReader>> open(Input& input);

  /// `at` is in microseconds from the beginning of the input's time line; before the first picture it is the first,
  /// after the last it is the last. Ownership: the frame is the reader's, until the next call.
  /// Errors: corrupt_input (damaged at that time, cut short before it), too_large, cancelled, io, out_of_memory.
  [[nodiscard]] Result<const AVFrame*> frame_at(std::int64_t at);

  /// When the last picture known so far ends, in microseconds as `at` counts; known once the end was reached.
  [[nodiscard]] std::optional<std::int64_t> known_end() const;
  /// Reads on to the end, without decoding, to learn when it is. Errors: cancelled, io.
  [[nodiscard]] Result<std::int64_t> find_end();

  [[nodiscard]] const AVStream& stream() const { return *stream_; }
  [[nodiscard]] const AVCodecContext& decoder() const { return *decoder_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  enum class Found : std::uint8_t { shown, later };  ///< later: the decoder's first picture comes after the time asked

  VideoReader(Input& input, AVStream& stream, CodecPtr decoder);

  [[nodiscard]] std::int64_t to_ticks(std::int64_t at) const;
  [[nodiscard]] std::int64_t to_time(std::int64_t ticks) const;
  [[nodiscard]] Result<void> learn_delay();
  [[nodiscard]] bool better_to_seek(std::int64_t ticks) const;
  [[nodiscard]] Result<void> seek_before(std::int64_t ticks);
  [[nodiscard]] Result<void> jump(std::int64_t ticks);
  [[nodiscard]] std::int64_t second() const;
  [[nodiscard]] Result<Found> decode_until(std::int64_t ticks);
  [[nodiscard]] Result<const AVFrame*> answer(std::int64_t ticks);
  [[nodiscard]] Result<void> fill_queue(std::int64_t ticks);
  [[nodiscard]] Result<void> read_packet();
  [[nodiscard]] Result<void> send_next(std::int64_t ticks);
  [[nodiscard]] bool may_be_skipped(const AVPacket& packet, std::int64_t ticks) const;
  [[nodiscard]] bool all_known_until(std::int64_t ticks) const;
  [[nodiscard]] std::int64_t duration_of(const AVFrame& frame) const;
  [[nodiscard]] bool promised_more(std::int64_t ticks) const;
  void take_frame(FramePtr frame);
  static int guard_buffer(AVCodecContext* decoder, AVFrame* frame, int flags);

  Input& input_;
  AVStream* stream_;
  CodecPtr decoder_;
  bool skips_safely_;     ///< whether the codec's non-reference pictures can be told from their packets
  bool refused_ = false;  ///< guard_buffer saw a picture over the limit
  Counters counters_;

  // Where it stands. `queue_` was read but not sent; `coming_` holds the times of all that was read and not yet shown.
  std::deque<PacketPtr> queue_;
  std::set<std::int64_t> coming_;
  std::int64_t newest_dts_;
  std::int64_t lost_ = AV_NOPTS_VALUE;  ///< the last picture of `coming_` that never came
  std::int64_t key_delay_ = 0;          ///< from decoding to presentation of a key frame
  std::int64_t delay_ = 0;              ///< of all time stamps, where they are the decoder's
  bool delay_known_ = false;
  bool fresh_ = true;         ///< nothing was read since the start or the last seek
  bool at_beginning_ = true;  ///< no earlier place to seek to
  bool all_timed_ = true;     ///< every packet so far had both time stamps
  bool end_of_file_ = false;
  bool draining_ = false;
  bool drained_ = false;
  unsigned errors_ = 0;  ///< packets that the decoder refused since the last picture
  FramePtr shown_, ahead_;
  std::optional<std::int64_t> first_time_;  ///< of the stream's first picture, once known
  std::optional<std::int64_t> end_;
};

}  // namespace hotwell::media

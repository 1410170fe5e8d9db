#include "media/video_reader.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

extern "C" {
#include <libavutil/mathematics.h>
#include <libavutil/pixdesc.h>
}

namespace hotwell::media {
namespace {

/// How many packets are read before the next one is decoded: more than pictures are ever out of order by in practice.
/// Fewer would only cost skips, never exactness.
constexpr std::size_t look_ahead = 12;

/// Without an index, going on decoding is preferred to seeking over this distance, in microseconds.
constexpr std::int64_t decode_on_limit = 4'000'000;

std::int64_t pts_of(const AVFrame& frame) { return frame.best_effort_timestamp; }

/// Codecs of which libav knows from the packet alone that no other picture refers to it.
bool knows_non_reference(const AVCodecParameters& codec) {
  switch (codec.codec_id) {
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_MPEG4:
    case AV_CODEC_ID_VP8: return true;
    case AV_CODEC_ID_HEVC:
      // "Not referred to" holds within a temporal layer only: safe where hvcC says that there is just one.
      return codec.extradata_size > 22 && codec.extradata[0] == 1 && ((codec.extradata[21] >> 3) & 7) == 1;
    default: return false;
  }
}

}  // namespace

Result<std::unique_ptr<VideoReader>> VideoReader::open(Input& input) {
  const int index = input.best_stream(AVMEDIA_TYPE_VIDEO);
  if (index < 0) return fail(Code::unsupported_media, "the input has no video");
  AVFormatContext& format = input.format();
  AVStream& stream = *format.streams[index];
  const AVCodecParameters& codec = *stream.codecpar;
  if (too_many_pixels(codec.width, codec.height)) return picture_too_large(codec.width, codec.height);
  const AVCodec* found = avcodec_find_decoder(codec.codec_id);
  if (found == nullptr) {
    return fail(Code::unsupported_media,
                std::string("this libav cannot decode the input's video codec: ") + avcodec_get_name(codec.codec_id));
  }
  CodecPtr decoder{avcodec_alloc_context3(found)};
  if (decoder == nullptr) return av_fail(AVERROR(ENOMEM), "the decoder");
  if (const int status = avcodec_parameters_to_context(decoder.get(), &codec); status < 0) {
    return av_fail(status, "the decoder");
  }
  decoder->pkt_timebase = stream.time_base;
  decoder->thread_count = 1;  // a worker a core: threads would only add delay
  decoder->get_buffer2 = &VideoReader::guard_buffer;
  if (input.still()) {
    // A damaged picture is an error here, and a picture's size is checked before memory is taken for it.
    decoder->err_recognition |= AV_EF_EXPLODE | AV_EF_CRCCHECK;
  } else {
    decoder->max_pixels = max_pixels;
  }
  for (unsigned i = 0; i < format.nb_streams; ++i) {
    format.streams[i]->discard = static_cast<int>(i) == index ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
  }
  std::unique_ptr<VideoReader> reader{new VideoReader(input, stream, std::move(decoder))};
  if (const int status = avcodec_open2(reader->decoder_.get(), found, nullptr); status < 0) {
    return av_fail(status, std::string("the input's video (") + found->name + ") cannot be decoded");
  }
  return reader;
}

VideoReader::VideoReader(Input& input, AVStream& stream, CodecPtr decoder)
    : input_(input),
      stream_(&stream),
      decoder_(std::move(decoder)),
      skips_safely_(knows_non_reference(*stream.codecpar)),
      newest_dts_(AV_NOPTS_VALUE) {
  decoder_->opaque = this;
  if (stream.avg_frame_rate.num > 0) {
    key_delay_ = av_rescale_q(stream.codecpar->video_delay, av_inv_q(stream.avg_frame_rate), stream.time_base);
  }
}

/// Sees the size of every picture before its memory is allocated.
int VideoReader::guard_buffer(AVCodecContext* decoder, AVFrame* frame, int flags) {
  if (too_many_pixels(frame->width, frame->height)) {
    static_cast<VideoReader*>(decoder->opaque)->refused_ = true;
    return AVERROR(EFBIG);
  }
  return avcodec_default_get_buffer2(decoder, frame, flags);
}

std::int64_t VideoReader::to_ticks(std::int64_t at) const {
  // A microsecond of grace: a time that was printed with six digits still names its picture.
  return av_rescale_q_rnd(input_.start_time() + at + 1, AV_TIME_BASE_Q, stream_->time_base, AV_ROUND_DOWN) + delay_;
}

std::int64_t VideoReader::to_time(std::int64_t ticks) const {
  return av_rescale_q(ticks - delay_, stream_->time_base, AV_TIME_BASE_Q) - input_.start_time();
}

/// Where packets have no time of presentation (AVI), pictures are stamped when the decoder gives them, which is late by
/// its delay: then the first picture tells how late.
Result<void> VideoReader::learn_delay() {
  if (delay_known_) return {};
  delay_known_ = true;
  if (auto filled = fill_queue(INT64_MIN); !filled) return filled;
  if (all_timed_ || input_.still()) return {};
  if (auto first = decode_until(INT64_MIN); !first) return std::unexpected(first.error());
  if (first_time_ && stream_->start_time != AV_NOPTS_VALUE) delay_ = *first_time_ - stream_->start_time;
  return {};
}

Result<const AVFrame*> VideoReader::frame_at(std::int64_t at) {
  if (auto learnt = learn_delay(); !learnt) return std::unexpected(learnt.error());
  std::int64_t ticks = to_ticks(at);
  if (first_time_) ticks = std::max(ticks, *first_time_);
  const bool behind = shown_ != nullptr && ticks < pts_of(*shown_);
  if (behind || better_to_seek(ticks)) {
    if (auto sought = seek_before(ticks); !sought) return std::unexpected(sought.error());
  }
  // A decoder that starts in the middle may need longer than to `ticks` until its pictures are whole: further back,
  // then.
  for (std::int64_t back = second();; back *= 2) {
    auto found = decode_until(ticks);
    if (!found) return std::unexpected(found.error());
    if (*found == Found::shown || at_beginning_) return answer(ticks);
    if (auto sought = seek_before(ticks - back); !sought) return std::unexpected(sought.error());
  }
}

std::int64_t VideoReader::second() const {
  return std::max<std::int64_t>(av_rescale_q(1, {1, 1}, stream_->time_base), 1);
}

bool VideoReader::better_to_seek(std::int64_t ticks) const {
  if (input_.still() || (stream_->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) return false;
  const std::int64_t start = stream_->start_time != AV_NOPTS_VALUE ? stream_->start_time : 0;
  const std::int64_t here = newest_dts_ != AV_NOPTS_VALUE ? newest_dts_ : start;
  const int entry = av_index_search_timestamp(stream_, ticks - key_delay_, AVSEEK_FLAG_BACKWARD);
  if (entry > 0 && avformat_index_get_entry(stream_, entry)->timestamp > here) return true;
  const int count = avformat_index_get_entries_count(stream_);
  const bool index_reaches = count > 0 && avformat_index_get_entry(stream_, count - 1)->timestamp >= ticks;
  if (index_reaches) return false;
  return av_rescale_q(ticks - here, stream_->time_base, AV_TIME_BASE_Q) > decode_on_limit;
}

/// Stands before the packets of a key frame that is shown at or before `ticks`, or at the stream's beginning. Demuxers
/// seek by time of decoding, or anywhere near: each step goes back twice as far as the one before.
Result<void> VideoReader::seek_before(std::int64_t ticks) {
  const std::int64_t start = stream_->start_time != AV_NOPTS_VALUE ? stream_->start_time : 0;
  std::int64_t target = ticks;
  for (std::int64_t back = second();; back *= 2) {
    at_beginning_ = target <= start;
    if (auto jumped = jump(at_beginning_ ? start - 10 * second() : target); !jumped) return jumped;
    if (at_beginning_) return {};
    while (queue_.empty() && !end_of_file_) {
      if (auto more = read_packet(); !more) return more;
    }
    if (!queue_.empty()) {
      const AVPacket& key = *queue_.front();
      const std::int64_t shown = key.pts != AV_NOPTS_VALUE ? key.pts : key.dts;
      if (shown == AV_NOPTS_VALUE || shown <= ticks) return {};
    }
    target -= back;
  }
}

Result<void> VideoReader::jump(std::int64_t ticks) {
  int status = av_seek_frame(&input_.format(), stream_->index, ticks, AVSEEK_FLAG_BACKWARD);
  if (status < 0) {
    // No place before, or a container without time stamps to seek by: from the beginning, then.
    at_beginning_ = true;
    status = avformat_seek_file(&input_.format(), stream_->index, INT64_MIN, ticks, INT64_MAX, 0);
    if (status < 0) status = av_seek_frame(&input_.format(), -1, 0, AVSEEK_FLAG_BYTE);
  }
  if (input_.cancelled()) return av_fail(AVERROR_EXIT, "");
  if (input_.read_errno() != 0) return system_fail(input_.read_errno(), "reading the input");
  if (status < 0) return av_fail(status, "the input does not let itself be rewound");
  avcodec_flush_buffers(decoder_.get());
  queue_.clear();
  coming_.clear();
  newest_dts_ = AV_NOPTS_VALUE;
  lost_ = AV_NOPTS_VALUE;
  fresh_ = true;
  end_of_file_ = draining_ = drained_ = false;
  errors_ = 0;
  shown_.reset();
  ahead_.reset();
  ++counters_.seeks;
  return {};
}

Result<VideoReader::Found> VideoReader::decode_until(std::int64_t ticks) {
  for (;;) {
    if (input_.cancelled()) return av_fail(AVERROR_EXIT, "");
    if (auto filled = fill_queue(ticks); !filled) return std::unexpected(filled.error());
    if (ahead_ != nullptr) {
      if (pts_of(*ahead_) > ticks && shown_ != nullptr) return Found::shown;
      if (pts_of(*ahead_) > ticks && !at_beginning_) return Found::later;
      shown_ = std::move(ahead_);
      if (pts_of(*shown_) >= ticks) return Found::shown;
    }
    if (shown_ != nullptr && all_known_until(ticks)) {
      const auto next = coming_.upper_bound(pts_of(*shown_));
      if (next == coming_.end() || *next > ticks) return Found::shown;
    }
    FramePtr frame = make_frame();
    const int status = drained_ ? AVERROR_EOF : avcodec_receive_frame(decoder_.get(), frame.get());
    if (status >= 0) {
      take_frame(std::move(frame));
    } else if (status == AVERROR_EOF) {
      drained_ = true;
      return shown_ != nullptr || at_beginning_ ? Found::shown : Found::later;
    } else if (status == AVERROR(EAGAIN)) {
      if (auto sent = send_next(ticks); !sent) return std::unexpected(sent.error());
    } else {
      if (refused_) return picture_too_large(decoder_->width, decoder_->height);
      if (status == AVERROR(ENOMEM)) return av_fail(status, "decoding the video");
      ++errors_;
    }
  }
}

void VideoReader::take_frame(FramePtr frame) {
  ++counters_.frames;
  if (frame->best_effort_timestamp == AV_NOPTS_VALUE) {
    // Nothing tells: it follows the one before by that one's duration.
    frame->best_effort_timestamp = shown_ != nullptr ? pts_of(*shown_) + duration_of(*shown_) : 0;
  }
  const std::int64_t pts = pts_of(*frame);
  const auto lost = coming_.lower_bound(pts);
  if (lost != coming_.begin()) lost_ = *std::prev(lost);
  coming_.erase(coming_.begin(), coming_.upper_bound(pts));
  if (at_beginning_ && shown_ == nullptr && !first_time_) first_time_ = pts;
  ahead_ = std::move(frame);
}

Result<const AVFrame*> VideoReader::answer(std::int64_t ticks) {
  const auto where = "the video at " + std::to_string(static_cast<double>(to_time(ticks)) / AV_TIME_BASE) + " s";
  if (shown_ == nullptr) {
    if (input_.read_errno() != 0) return system_fail(input_.read_errno(), "reading the input");
    if (input_.still()) return fail(Code::corrupt_input, "the picture is damaged or cut short");
    return fail(Code::corrupt_input, "no picture can be decoded: " + where + " is damaged or cut short");
  }
  // Packets that are never shown by themselves are no loss; those that the decoder refused are.
  const auto next = coming_.upper_bound(pts_of(*shown_));
  const bool lost = errors_ > 0 && ((drained_ && next != coming_.end() && *next <= ticks) ||
                                    (lost_ > pts_of(*shown_) && lost_ <= ticks));
  const bool damaged = (shown_->flags & AV_FRAME_FLAG_CORRUPT) != 0 || shown_->decode_error_flags != 0;
  if (lost || damaged) return fail(Code::corrupt_input, where + " is damaged");
  if (end_of_file_ && ahead_ == nullptr && next == coming_.end()) {
    // It is the last one that can be read: is it the last there is?
    if (input_.read_errno() != 0) return system_fail(input_.read_errno(), "reading the input");
    end_ = std::max(end_.value_or(INT64_MIN), pts_of(*shown_) + duration_of(*shown_));
    if (promised_more(ticks)) return fail(Code::corrupt_input, "the input is cut short before " + where);
  }
  errors_ = 0;
  return shown_.get();
}

std::int64_t VideoReader::duration_of(const AVFrame& frame) const {
  if (frame.pkt_duration > 0) return frame.pkt_duration;
  if (stream_->avg_frame_rate.num <= 0) return 1;
  return std::max<std::int64_t>(av_rescale_q(1, av_inv_q(stream_->avg_frame_rate), stream_->time_base), 1);
}

bool VideoReader::promised_more(std::int64_t ticks) const {
  const int entry = av_index_search_timestamp(stream_, ticks - key_delay_, AVSEEK_FLAG_BACKWARD | AVSEEK_FLAG_ANY);
  return entry >= 0 && newest_dts_ != AV_NOPTS_VALUE &&
         avformat_index_get_entry(stream_, entry)->timestamp > newest_dts_;
}

bool VideoReader::all_known_until(std::int64_t ticks) const {
  // Presentation never precedes decoding: once a packet to be decoded after `ticks` was read, all to be shown before
  // it have been.
  return all_timed_ && (end_of_file_ || (newest_dts_ != AV_NOPTS_VALUE && newest_dts_ > ticks));
}

Result<void> VideoReader::fill_queue(std::int64_t ticks) {
  while (!end_of_file_ && queue_.size() < look_ahead &&
         !(newest_dts_ != AV_NOPTS_VALUE && newest_dts_ > ticks && !queue_.empty())) {
    if (auto more = read_packet(); !more) return more;
  }
  return {};
}

Result<void> VideoReader::read_packet() {
  const auto end = [this]() -> Result<void> {
    end_of_file_ = true;
    return {};
  };
  PacketPtr packet = make_packet();
  if ((stream_->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
    if (!fresh_) return end();
    if (const int status = av_packet_ref(packet.get(), &stream_->attached_pic); status < 0) {
      return av_fail(status, "the attached picture");
    }
  } else {
    const int status = av_read_frame(&input_.format(), packet.get());
    if (input_.cancelled()) return av_fail(AVERROR_EXIT, "");
    if (status == AVERROR(EAGAIN)) return {};
    if (status == AVERROR(ENOMEM)) return av_fail(status, "reading the input");
    // A read error ends the stream here; the answer looks at why, if it lies behind.
    if (status < 0) return end();
    if (packet->stream_index != stream_->index) return {};
  }
  ++counters_.packets;
  // After a seek into the middle the decoder can start with a key frame only.
  const bool key = (packet->flags & AV_PKT_FLAG_KEY) != 0;
  if (fresh_ && !key && !at_beginning_) return {};
  fresh_ = false;
  all_timed_ = all_timed_ && packet->pts != AV_NOPTS_VALUE && packet->dts != AV_NOPTS_VALUE;
  if (packet->dts != AV_NOPTS_VALUE) newest_dts_ = std::max(newest_dts_, packet->dts);
  if (packet->pts != AV_NOPTS_VALUE) {
    if (key && packet->dts != AV_NOPTS_VALUE) key_delay_ = packet->pts - packet->dts;
    if ((packet->flags & AV_PKT_FLAG_DISCARD) == 0) coming_.insert(packet->pts);
  }
  queue_.push_back(std::move(packet));
  return {};
}

Result<void> VideoReader::send_next(std::int64_t ticks) {
  int status = 0;
  if (queue_.empty()) {
    if (draining_) {
      drained_ = true;
      return {};
    }
    draining_ = true;
    status = avcodec_send_packet(decoder_.get(), nullptr);
  } else {
    const PacketPtr packet = std::move(queue_.front());
    queue_.pop_front();
    const bool skip = may_be_skipped(*packet, ticks);
    if (skip) {
      ++counters_.skipped;
      coming_.erase(packet->pts);
    }
    decoder_->skip_frame = skip ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    status = avcodec_send_packet(decoder_.get(), packet.get());
  }
  if (status >= 0 || status == AVERROR_EOF) return {};
  if (refused_) return picture_too_large(decoder_->width, decoder_->height);
  if (status == AVERROR(ENOMEM)) return av_fail(status, "decoding the video");
  if (status == AVERROR_PATCHWELCOME) return av_fail(status, "the input's video uses what this libav cannot decode");
  ++errors_;  // damage before the answer is tolerated, as players do
  return {};
}

bool VideoReader::may_be_skipped(const AVPacket& packet, std::int64_t ticks) const {
  if (!skips_safely_ || !all_timed_) return false;
  // Two later pictures at or before `ticks` are known: it is neither the answer nor the one before.
  auto later = coming_.upper_bound(packet.pts);
  if (later == coming_.end() || *later > ticks) return false;
  return ++later != coming_.end() && *later <= ticks;
}

std::optional<std::int64_t> VideoReader::known_end() const {
  if (!end_) return std::nullopt;
  return to_time(*end_);
}

Result<std::int64_t> VideoReader::find_end() {
  if (!end_) {
    if (auto sought = seek_before(INT64_MIN); !sought) return std::unexpected(sought.error());
    std::int64_t end = 0;
    while (!end_of_file_) {
      if (auto more = read_packet(); !more) return std::unexpected(more.error());
      for (const PacketPtr& packet : queue_) {
        const std::int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
        if (time != AV_NOPTS_VALUE) end = std::max(end, time + std::max<std::int64_t>(packet->duration, 1));
      }
      queue_.clear();
      coming_.clear();
    }
    if (input_.read_errno() != 0) return system_fail(input_.read_errno(), "reading the input");
    end_ = end;
    if (auto sought = seek_before(INT64_MIN); !sought) return std::unexpected(sought.error());
  }
  return to_time(*end_);
}

}  // namespace hotwell::media

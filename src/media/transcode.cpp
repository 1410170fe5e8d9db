#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

extern "C" {
#include <libavutil/mathematics.h>
}

#include "media/operations.hpp"
#include "media/parameters.hpp"
#include "media/tracks.hpp"

namespace hotwell::media {
namespace {

/// A stream of the input and what becomes of it; -1 and null where there is none.
struct Lane {
  int stream = -1;
  std::string codec;
  std::unique_ptr<Track> track;
  std::int64_t newest = std::numeric_limits<std::int64_t>::min();  ///< time of decoding of its last packet

  [[nodiscard]] bool copies() const { return codec == "copy"; }
};

/// Footage alone: cover art is not what somebody wants to have transcoded.
int video_stream(const Input& input) {
  const int stream = input.best_stream(AVMEDIA_TYPE_VIDEO);
  if (stream < 0) return -1;
  return (input.format().streams[stream]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0 ? -1 : stream;
}

Lane lane_for(const Input& input, AVMediaType type, const std::string& asked, std::string_view usual) {
  Lane lane{.codec = asked.empty() ? std::string(usual) : asked};
  if (lane.codec != "none") lane.stream = type == AVMEDIA_TYPE_VIDEO ? video_stream(input) : input.best_stream(type);
  return lane;
}

std::unexpected<Error> reading_failed(const Input& input, int status) {
  if (input.cancelled()) return av_fail(AVERROR_EXIT, "");
  if (input.read_errno() != 0) return system_fail(input.read_errno(), "reading the input");
  return av_fail(status, "the input is damaged or cut short");
}

/// Stands before the key frame of `stream` that is shown at or before `time`, and says when that is (microseconds).
Result<std::int64_t> seek_to_key_frame(Input& input, int stream, std::int64_t time) {
  AVFormatContext& format = input.format();
  const AVRational base = format.streams[stream]->time_base;
  const PacketPtr packet = make_packet();
  const auto jump = [&](std::int64_t to) {
    return av_seek_frame(&format, stream, av_rescale_q(to, AV_TIME_BASE_Q, base), AVSEEK_FLAG_BACKWARD);
  };
  std::int64_t target = time;
  for (std::int64_t back = AV_TIME_BASE;; back *= 2) {
    const bool beginning = target <= input.start_time();
    if (beginning) target = input.start_time() - 10 * AV_TIME_BASE;
    int status = jump(target);
    if (status < 0 && beginning) status = avformat_seek_file(&format, -1, INT64_MIN, input.start_time(), INT64_MAX, 0);
    if (status < 0 && beginning) return reading_failed(input, status);
    while (status >= 0) {
      status = av_read_frame(&format, packet.get());
      if (status < 0) break;
      const bool key = packet->stream_index == stream && (packet->flags & AV_PKT_FLAG_KEY) != 0;
      const std::int64_t stamp = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
      av_packet_unref(packet.get());
      if (!key) continue;
      const std::int64_t shown = stamp == AV_NOPTS_VALUE ? time : av_rescale_q(stamp, base, AV_TIME_BASE_Q);
      if (shown > time && !beginning) break;
      if (status = jump(target); status < 0)
        status = avformat_seek_file(&format, -1, INT64_MIN, input.start_time(), INT64_MAX, 0);
      if (status < 0) return reading_failed(input, status);
      return shown;
    }
    if (input.cancelled() || input.read_errno() != 0) return reading_failed(input, status);
    if (beginning) return reading_failed(input, status < 0 ? status : AVERROR_INVALIDDATA);
    target -= back;
  }
}

/// One transcode from its streams to its last byte.
class Transcode {
 public:
  Transcode(worker::Task& task, Input& input, Muxer& muxer, const TranscodeParameters& parameters)
      : task_(task), input_(input), muxer_(muxer), parameters_(parameters) {}

  Result<worker::Reply> run() {
    if (auto ready = prepare(); !ready) return std::unexpected(ready.error());
    if (auto begun = muxer_.begin(); !begun) return std::unexpected(begun.error());
    if (auto pumped = pump(); !pumped) return std::unexpected(pumped.error());
    bool produced = false;
    for (Lane* lane : {&video_, &audio_}) {
      if (lane->track == nullptr) continue;
      if (task_.cancelled()) return av_fail(AVERROR_EXIT, "");
      if (auto finished = lane->track->finish(); !finished) return std::unexpected(finished.error());
      produced = produced || lane->track->produced();
    }
    if (!produced) return fail(Code::corrupt_input, "nothing of the input can be read in the part that was asked for");
    auto size = muxer_.finish();
    if (!size) return std::unexpected(size.error());
    task_.progress(1);
    return worker::Reply::written(std::string(muxer_.content_type()), *size);
  }

 private:
  Result<void> prepare() {
    video_ = lane_for(input_, AVMEDIA_TYPE_VIDEO, parameters_.video, usual_video(parameters_.format));
    audio_ = lane_for(input_, AVMEDIA_TYPE_AUDIO, parameters_.audio, usual_audio(parameters_.format));
    if (video_.stream < 0 && audio_.stream < 0) {
      return fail(Code::unsupported_media,
                  "the input has nothing of what was asked for: neither video nor audio is left");
    }
    if (auto placed = place_cut(); !placed) return placed;
    if (auto made = add_video(); !made) return made;
    if (auto made = add_audio(); !made) return made;
    AVFormatContext& format = input_.format();
    for (unsigned i = 0; i < format.nb_streams; ++i) {
      const int index = static_cast<int>(i);
      format.streams[i]->discard = index == video_.stream || index == audio_.stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    AVDictionary*& metadata = muxer_.format().metadata;
    av_dict_copy(&metadata, format.metadata, 0);
    // What is said of the old container is not true of the new one.
    for (const char* key : {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}) {
      av_dict_set(&metadata, key, nullptr, 0);
    }
    return {};
  }

  Result<void> place_cut() {
    const std::int64_t duration = input_.declared_duration();
    const std::int64_t start = std::llround(parameters_.start * AV_TIME_BASE);
    if (duration != AV_NOPTS_VALUE && start > 0 && start >= duration) {
      return fail(Code::invalid_argument,
                  "start at " + std::to_string(parameters_.start) + " s lies beyond the end of this " +
                      std::to_string(static_cast<double>(duration) / AV_TIME_BASE) + " s input");
    }
    cut_.begin = input_.start_time() + start;
    if (parameters_.duration > 0) cut_.end = cut_.begin + std::llround(parameters_.duration * AV_TIME_BASE);
    if (duration != AV_NOPTS_VALUE) expected_end_ = std::min(cut_.end, input_.start_time() + duration);
    if (start == 0) return {};
    cut_.from_start = false;
    const int leader = video_.stream >= 0 ? video_.stream : audio_.stream;
    // Audio decoders want a little before what they are to give.
    const std::int64_t lead = video_.stream >= 0 ? 0 : AV_TIME_BASE / 5;
    const auto key = seek_to_key_frame(input_, leader, cut_.begin - lead);
    if (!key) return std::unexpected(key.error());
    // A copied video can begin only there, and then all of it does.
    if (video_.stream >= 0 && video_.copies()) cut_.begin = std::min(cut_.begin, *key);
    return {};
  }

  Result<void> add_video() {
    if (video_.stream < 0) return {};
    if (video_.copies()) return take(video_, copy_track(muxer_, input_, video_.stream, cut_));
    const auto kind = find_video_encoder(video_.codec);
    if (!kind) return std::unexpected(kind.error());
    if (auto held = check_container("video", video_.codec, kind->codec); !held) return held;
    return take(video_, video_track(muxer_, input_, video_.stream, cut_, *kind, parameters_));
  }

  Result<void> add_audio() {
    if (audio_.stream < 0) return {};
    if (audio_.copies()) return take(audio_, copy_track(muxer_, input_, audio_.stream, cut_));
    const auto kind = find_audio_encoder(audio_.codec);
    if (!kind) return std::unexpected(kind.error());
    if (auto held = check_container("audio", audio_.codec, kind->codec); !held) return held;
    return take(audio_, audio_track(muxer_, input_, audio_.stream, cut_, *kind));
  }

  Result<void> check_container(std::string_view what, const std::string& name, AVCodecID codec) const {
    if (muxer_.can_hold(codec)) return {};
    return fail(Code::invalid_argument,
                std::string(what) + " is \"" + name + "\": " + parameters_.format + " cannot hold that");
  }

  static Result<void> take(Lane& lane, Result<std::unique_ptr<Track>> track) {
    if (!track) return std::unexpected(track.error());
    lane.track = std::move(*track);
    return {};
  }

  Result<void> pump() {
    const PacketPtr packet = make_packet();
    while (!all_done()) {
      if (task_.cancelled()) return av_fail(AVERROR_EXIT, "");
      const int status = av_read_frame(&input_.format(), packet.get());
      if (status == AVERROR(EAGAIN)) continue;
      if (status == AVERROR_EOF && input_.read_errno() == 0) return check_complete();
      if (status < 0) return reading_failed(input_, status);
      auto pushed = push(*packet);
      av_packet_unref(packet.get());
      if (!pushed) return pushed;
    }
    return {};
  }

  Result<void> push(const AVPacket& packet) {
    for (Lane* lane : {&video_, &audio_}) {
      if (lane->track == nullptr || lane->stream != packet.stream_index) continue;
      if (packet.dts != AV_NOPTS_VALUE) {
        lane->newest = std::max(lane->newest, packet.dts);
        tell_progress(av_rescale_q(packet.dts, input_.format().streams[lane->stream]->time_base, AV_TIME_BASE_Q));
      }
      if (!lane->track->done()) return lane->track->push(packet);
    }
    return {};
  }

  void tell_progress(std::int64_t time) {
    if (expected_end_ <= cut_.begin) return;
    const double share = static_cast<double>(time - cut_.begin) / static_cast<double>(expected_end_ - cut_.begin);
    furthest_ = std::max(furthest_, std::clamp(share, 0.0, 0.999));
    task_.progress(furthest_);
  }

  [[nodiscard]] bool all_done() const {
    return (video_.track == nullptr || video_.track->done()) && (audio_.track == nullptr || audio_.track->done());
  }

  /// The file ended: did it hold what its index promised?
  [[nodiscard]] Result<void> check_complete() const {
    for (const Lane* lane : {&video_, &audio_}) {
      if (lane->track == nullptr || lane->track->done()) continue;
      const AVStream* stream = input_.format().streams[lane->stream];
      const int count = avformat_index_get_entries_count(stream);
      if (count == 0) continue;
      const std::int64_t last = avformat_index_get_entry(const_cast<AVStream*>(stream), count - 1)->timestamp;
      const std::int64_t second = std::max<std::int64_t>(av_rescale_q(1, {1, 1}, stream->time_base), 1);
      if (lane->newest < last - second) {
        return fail(Code::corrupt_input, "the input is cut short: its index promises more than the file holds");
      }
    }
    return {};
  }

  worker::Task& task_;
  Input& input_;
  Muxer& muxer_;
  const TranscodeParameters& parameters_;
  Lane video_, audio_;
  Cut cut_;
  std::int64_t expected_end_ = 0;
  double furthest_ = 0;
};

}  // namespace

Result<worker::Reply> transcode(worker::Task& task) {
  const auto parameters = parse_transcode(task.payload());
  if (!parameters) return std::unexpected(parameters.error());
  if (task.input_count() == 0) return fail(Code::invalid_argument, "transcode wants an input");
  if (task.output() < 0) return fail(Code::invalid_argument, "transcode wants an output to write to");
  auto input = Input::open(task.take_input(0), [&task] { return task.cancelled(); });
  if (!input) return std::unexpected(input.error());
  auto muxer = Muxer::open(task, parameters->format);
  if (!muxer) return std::unexpected(muxer.error());
  return Transcode{task, **input, **muxer, *parameters}.run();
}

}  // namespace hotwell::media

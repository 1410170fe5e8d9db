#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

extern "C" {
#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libavutil/mathematics.h>
}

#include "media/tracks.hpp"

namespace hotwell::media {
namespace {

struct FifoFree {
  void operator()(AVAudioFifo* p) const { av_audio_fifo_free(p); }
};
using FifoPtr = std::unique_ptr<AVAudioFifo, FifoFree>;

/// Samples are counted, not stamped; where the input's stamps and the count part by more than this, silence is put in
/// or samples are left out, so that sound stays with the picture.
constexpr double tolerated_drift = 0.1;  // seconds

/// The most samples that are encoded at once by encoders that take any number.
constexpr int any_frame_size = 1024;

constexpr int most_channels = 6;  ///< 5.1; what has more is mixed down to stereo

class AudioTrack final : public Track {
 public:
  AudioTrack(const AVStream& from, CodecPtr decoder, EncodedStream out, Cut cut, FifoPtr fifo)
      : from_(from), decoder_(std::move(decoder)), out_(std::move(out)), cut_(cut), fifo_(std::move(fifo)) {
    if (cut.end != INT64_MAX) most_ = av_rescale(cut.end - cut.begin, rate(), AV_TIME_BASE);
  }

  Result<void> push(const AVPacket& packet) override { return decode(&packet); }

  Result<void> finish() override {
    if (!done_) {
      if (auto rest = decode(nullptr); !rest) return rest;
      if (auto rest = resample(nullptr); !rest) return rest;
    }
    if (auto rest = encode_full_frames(1); !rest) return rest;
    if (!produced_ && damaged_ > 0) return fail(Code::corrupt_input, "nothing of the audio can be decoded");
    const auto flushed = out_.push(nullptr);
    if (!flushed) return std::unexpected(flushed.error());
    return {};
  }

 private:
  [[nodiscard]] int rate() const { return out_.encoder().sample_rate; }

  Result<void> decode(const AVPacket* packet) {
    if (done_) return {};
    int status = avcodec_send_packet(decoder_.get(), packet);
    if (status == AVERROR(ENOMEM)) return av_fail(status, "decoding the audio");
    if (status < 0 && status != AVERROR_EOF) ++damaged_;
    const FramePtr frame = make_frame();
    while (!done_) {
      status = avcodec_receive_frame(decoder_.get(), frame.get());
      if (status == AVERROR(EAGAIN) || status == AVERROR_EOF) return {};
      if (status == AVERROR(ENOMEM)) return av_fail(status, "decoding the audio");
      if (status < 0) {
        ++damaged_;
        continue;
      }
      if (auto resampled = resample(frame.get()); !resampled) return resampled;
    }
    return {};
  }

  /// A resampler for what the decoder gives now; it may change on the way.
  Result<void> prepare(const AVFrame& frame) {
    if (resampler_ != nullptr && frame.sample_rate == in_rate_ && frame.format == in_format_ &&
        frame.ch_layout.nb_channels == in_channels_) {
      return {};
    }
    AVChannelLayout layout = {};
    if (frame.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) {
      av_channel_layout_default(&layout, frame.ch_layout.nb_channels);
    } else if (av_channel_layout_copy(&layout, &frame.ch_layout) < 0) {
      return av_fail(AVERROR(ENOMEM), "the resampler");
    }
    AVCodecContext& encoder = out_.encoder();
    SwrContext* made = nullptr;
    int status = swr_alloc_set_opts2(&made, &encoder.ch_layout, encoder.sample_fmt, encoder.sample_rate, &layout,
                                     static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
    av_channel_layout_uninit(&layout);
    resampler_.reset(made);
    if (status >= 0) status = swr_init(made);
    if (status < 0) {
      resampler_.reset();
      return status == AVERROR(ENOMEM)
                 ? av_fail(status, "the resampler")
                 : fail(Code::unsupported_media, "the audio cannot be resampled: " + av_words(status));
    }
    in_rate_ = frame.sample_rate;
    in_format_ = frame.format;
    in_channels_ = frame.ch_layout.nb_channels;
    return {};
  }

  /// Null: what the resampler still holds.
  Result<void> resample(const AVFrame* frame) {
    if (frame != nullptr) {
      if (auto prepared = prepare(*frame); !prepared) return prepared;
      if (auto kept = keep_in_time(*frame); !kept) return kept;
    }
    if (resampler_ == nullptr) return {};
    const int room = swr_get_out_samples(resampler_.get(), frame != nullptr ? frame->nb_samples : 0);
    if (room <= 0) return {};
    auto made = make_samples(room);
    if (!made) return std::unexpected(made.error());
    const int got = swr_convert(resampler_.get(), (*made)->extended_data, room,
                                frame != nullptr ? const_cast<const std::uint8_t**>(frame->extended_data) : nullptr,
                                frame != nullptr ? frame->nb_samples : 0);
    if (got < 0) return av_fail(got, "resampling the audio");
    const int dropped = static_cast<int>(std::min<std::int64_t>(got, dropping_));
    dropping_ -= dropped;
    const int wanted = static_cast<int>(std::min<std::int64_t>(got - dropped, most_ - counted_));
    if (auto put = enqueue(**made, dropped, wanted); !put) return put;
    done_ = counted_ >= most_;
    return encode_full_frames(frame_size());
  }

  /// Lets the number of samples so far agree with the frame's time, exactly at the beginning, roughly later.
  Result<void> keep_in_time(const AVFrame& frame) {
    if (frame.best_effort_timestamp == AV_NOPTS_VALUE) return {};
    const std::int64_t time = av_rescale_q(frame.best_effort_timestamp, from_.time_base, AV_TIME_BASE_Q) - cut_.begin;
    const std::int64_t there = counted_ + swr_get_delay(resampler_.get(), rate()) - dropping_;
    const std::int64_t gap = av_rescale(time, rate(), AV_TIME_BASE) - there;
    if (started_ && std::abs(static_cast<double>(gap)) < tolerated_drift * rate()) return {};
    started_ = true;
    if (gap > 0) return silence(gap);
    dropping_ -= gap;
    return {};
  }

  /// Puts `count` samples into the queue, from the `first` on.
  Result<void> enqueue(const AVFrame& samples, int first, int count) {
    if (count <= 0) return {};
    const AVCodecContext& encoder = out_.encoder();
    const bool planar = av_sample_fmt_is_planar(encoder.sample_fmt) != 0;
    const int channels = encoder.ch_layout.nb_channels;
    const int step = av_get_bytes_per_sample(encoder.sample_fmt) * (planar ? 1 : channels);
    std::array<void*, most_channels> planes{};
    for (int plane = 0; plane < (planar ? channels : 1); ++plane) {
      planes[static_cast<std::size_t>(plane)] =
          samples.extended_data[plane] + static_cast<std::ptrdiff_t>(first) * step;
    }
    if (av_audio_fifo_write(fifo_.get(), planes.data(), count) < count) return av_fail(AVERROR(ENOMEM), "the audio");
    counted_ += count;
    return {};
  }

  Result<void> silence(std::int64_t samples) {
    for (std::int64_t left = std::min(samples, most_ - counted_); left > 0;) {
      const int now = static_cast<int>(std::min<std::int64_t>(left, rate()));
      auto made = make_samples(now);
      if (!made) return std::unexpected(made.error());
      av_samples_set_silence((*made)->extended_data, 0, now, out_.encoder().ch_layout.nb_channels,
                             out_.encoder().sample_fmt);
      if (auto put = enqueue(**made, 0, now); !put) return put;
      left -= now;
      if (auto encoded = encode_full_frames(frame_size()); !encoded) return encoded;
    }
    return {};
  }

  [[nodiscard]] int frame_size() const {
    return out_.encoder().frame_size > 0 ? out_.encoder().frame_size : any_frame_size;
  }

  /// Encodes as long as `least` samples are there; 1 takes what is left at the end.
  Result<void> encode_full_frames(int least) {
    while (av_audio_fifo_size(fifo_.get()) >= least) {
      const int now = std::min(av_audio_fifo_size(fifo_.get()), frame_size());
      auto made = make_samples(now);
      if (!made) return std::unexpected(made.error());
      if (av_audio_fifo_read(fifo_.get(), reinterpret_cast<void**>((*made)->extended_data), now) < now) {
        return av_fail(AVERROR(ENOMEM), "the audio");
      }
      (*made)->pts = encoded_;
      encoded_ += now;
      produced_ = true;
      if (const auto pushed = out_.push(made->get()); !pushed) return std::unexpected(pushed.error());
    }
    return {};
  }

  [[nodiscard]] Result<FramePtr> make_samples(int count) const {
    const AVCodecContext& encoder = out_.encoder();
    FramePtr frame = make_frame();
    frame->format = encoder.sample_fmt;
    frame->nb_samples = count;
    frame->sample_rate = encoder.sample_rate;
    int status = av_channel_layout_copy(&frame->ch_layout, &encoder.ch_layout);
    if (status >= 0) status = av_frame_get_buffer(frame.get(), 0);
    if (status < 0) return av_fail(status, "the audio");
    return frame;
  }

  const AVStream& from_;
  CodecPtr decoder_;
  EncodedStream out_;
  Cut cut_;
  FifoPtr fifo_;
  ResamplerPtr resampler_;
  int in_rate_ = 0, in_format_ = -1, in_channels_ = 0;
  bool started_ = false;
  std::int64_t counted_ = 0;   ///< samples that entered the queue
  std::int64_t dropping_ = 0;  ///< samples still to be left out
  std::int64_t encoded_ = 0;
  std::int64_t most_ = INT64_MAX;
  unsigned damaged_ = 0;
};

int sample_rate_for(const AVCodec& codec, int rate) {
  if (codec.supported_samplerates == nullptr) return rate;
  int above = 0;
  int most = 0;
  for (const int* offered = codec.supported_samplerates; *offered != 0; ++offered) {
    if (*offered >= rate && (above == 0 || *offered < above)) above = *offered;
    most = std::max(most, *offered);
  }
  return above != 0 ? above : most;
}

bool offers(const AVCodec& codec, const AVChannelLayout& layout) {
  if (codec.ch_layouts == nullptr) return true;
  for (const AVChannelLayout* offered = codec.ch_layouts; offered->nb_channels != 0; ++offered) {
    if (av_channel_layout_compare(offered, &layout) == 0) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Track>> audio_track(Muxer& muxer, const Input& input, int stream, Cut cut,
                                           const AudioEncoder& kind) {
  const AVStream& from = *input.format().streams[stream];
  auto decoder = open_decoder(from, "audio");
  if (!decoder) return std::unexpected(decoder.error());
  const AVCodecParameters& codec = *from.codecpar;
  if (codec.sample_rate <= 0 || codec.ch_layout.nb_channels <= 0)
    return fail(Code::corrupt_input, "the audio says neither its rate nor its channels");
  const AVCodec* found = avcodec_find_encoder_by_name(kind.encoder);
  if (found == nullptr) {
    return fail(Code::unsupported_media,
                std::string("this libav cannot encode ") + std::string(kind.name) + " (no " + kind.encoder + ")");
  }
  CodecPtr encoder{avcodec_alloc_context3(found)};
  if (encoder == nullptr) return av_fail(AVERROR(ENOMEM), "the encoder");
  encoder->sample_rate = sample_rate_for(*found, codec.sample_rate);
  encoder->sample_fmt = found->sample_fmts != nullptr ? found->sample_fmts[0] : AV_SAMPLE_FMT_FLTP;
  av_channel_layout_default(&encoder->ch_layout, std::min(codec.ch_layout.nb_channels, most_channels));
  if (!offers(*found, encoder->ch_layout) || codec.ch_layout.nb_channels > most_channels)
    av_channel_layout_default(&encoder->ch_layout, 2);
  encoder->bit_rate = std::int64_t{kind.bitrate_per_channel} * encoder->ch_layout.nb_channels;
  encoder->time_base = {1, encoder->sample_rate};
  Settings settings;
  auto out = EncodedStream::open(muxer, std::move(encoder), settings);
  if (!out) return std::unexpected(out.error());
  av_dict_copy(&out->stream().metadata, from.metadata, 0);
  const AVCodecContext& opened = out->encoder();
  FifoPtr fifo{av_audio_fifo_alloc(opened.sample_fmt, opened.ch_layout.nb_channels, any_frame_size)};
  if (fifo == nullptr) return av_fail(AVERROR(ENOMEM), "the audio");
  return std::make_unique<AudioTrack>(from, std::move(*decoder), std::move(*out), cut, std::move(fifo));
}

}  // namespace hotwell::media

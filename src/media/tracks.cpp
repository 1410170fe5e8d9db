#include "media/tracks.hpp"

#include <algorithm>
#include <cstring>
#include <string>

extern "C" {
#include <libavutil/mathematics.h>
}

namespace hotwell::media {
namespace {

/// Packets as they are. It can only begin at a key frame, so the cut of a copied video begins at the one before.
class CopyTrack final : public Track {
 public:
  CopyTrack(Muxer& muxer, const AVStream& from, AVStream& to, Cut cut)
      : muxer_(muxer), from_(from), to_(to), cut_(cut) {}

  Result<void> push(const AVPacket& packet) override {
    const std::int64_t stamp = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    const std::int64_t time =
        stamp == AV_NOPTS_VALUE ? cut_.begin : av_rescale_q(stamp, from_.time_base, AV_TIME_BASE_Q);
    const bool video = from_.codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    if (!started_ && video && (packet.flags & AV_PKT_FLAG_KEY) == 0) return {};
    if (time < cut_.begin && !cut_.from_start) return {};
    // Pictures are out of order: the end is where decoding has passed it.
    const std::int64_t decoded =
        packet.dts == AV_NOPTS_VALUE ? time : av_rescale_q(packet.dts, from_.time_base, AV_TIME_BASE_Q);
    done_ = decoded >= cut_.end;
    if (time >= cut_.end) return {};
    started_ = true;
    PacketPtr copy = make_packet();
    if (const int status = av_packet_ref(copy.get(), &packet); status < 0) return av_fail(status, "copying");
    const std::int64_t shift = av_rescale_q(cut_.begin, AV_TIME_BASE_Q, from_.time_base);
    if (copy->pts != AV_NOPTS_VALUE) copy->pts -= shift;
    if (copy->dts != AV_NOPTS_VALUE) copy->dts -= shift;
    av_packet_rescale_ts(copy.get(), from_.time_base, to_.time_base);
    copy->stream_index = to_.index;
    copy->pos = -1;
    produced_ = true;
    return muxer_.write(*copy);
  }

  Result<void> finish() override { return {}; }

 private:
  Muxer& muxer_;
  const AVStream& from_;
  AVStream& to_;
  Cut cut_;
  bool started_ = false;
};

}  // namespace

Result<CodecPtr> open_decoder(const AVStream& stream, std::string_view what) {
  const AVCodecParameters& codec = *stream.codecpar;
  if (too_many_pixels(codec.width, codec.height)) return picture_too_large(codec.width, codec.height);
  const AVCodec* found = avcodec_find_decoder(codec.codec_id);
  if (found == nullptr) {
    return fail(Code::unsupported_media, "this libav cannot decode the input's " + std::string(what) +
                                             " codec: " + avcodec_get_name(codec.codec_id));
  }
  CodecPtr decoder{avcodec_alloc_context3(found)};
  if (decoder == nullptr) return av_fail(AVERROR(ENOMEM), "the decoder");
  if (const int status = avcodec_parameters_to_context(decoder.get(), &codec); status < 0)
    return av_fail(status, "the decoder");
  decoder->pkt_timebase = stream.time_base;
  decoder->thread_count = 1;
  decoder->max_pixels = max_pixels;
  if (const int status = avcodec_open2(decoder.get(), found, nullptr); status < 0) {
    return av_fail(status, "the input's " + std::string(what) + " (" + found->name + ") cannot be decoded");
  }
  return decoder;
}

Result<EncodedStream> EncodedStream::open(Muxer& muxer, CodecPtr encoder, Settings& settings) {
  if (muxer.wants_global_headers()) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (const int status = avcodec_open2(encoder.get(), encoder->codec, settings.out()); status < 0) {
    if (status == AVERROR(ENOMEM)) return av_fail(status, "the encoder");
    return fail(Code::unsupported_media,
                std::string("the encoder ") + encoder->codec->name + " refuses: " + av_words(status));
  }
  AVStream* stream = avformat_new_stream(&muxer.format(), nullptr);
  if (stream == nullptr) return av_fail(AVERROR(ENOMEM), "the output");
  stream->time_base = encoder->time_base;
  if (const int status = avcodec_parameters_from_context(stream->codecpar, encoder.get()); status < 0) {
    return av_fail(status, "the output");
  }
  return EncodedStream{muxer, std::move(encoder), *stream};
}

Result<bool> EncodedStream::push(const AVFrame* frame) {
  if (const int status = avcodec_send_frame(encoder_.get(), frame); status < 0 && status != AVERROR_EOF) {
    if (status == AVERROR(ENOMEM)) return av_fail(status, "encoding");
    return fail(Code::failed, std::string("the encoder ") + encoder_->codec->name + " failed: " + av_words(status));
  }
  bool written = false;
  const PacketPtr packet = make_packet();
  for (;;) {
    const int status = avcodec_receive_packet(encoder_.get(), packet.get());
    if (status == AVERROR(EAGAIN) || status == AVERROR_EOF) return written;
    if (status < 0)
      return fail(Code::failed, std::string("the encoder ") + encoder_->codec->name + " failed: " + av_words(status));
    if (packet->duration <= 0 && encoder_->framerate.num > 0) {
      packet->duration = av_rescale_q(1, av_inv_q(encoder_->framerate), encoder_->time_base);
    }
    av_packet_rescale_ts(packet.get(), encoder_->time_base, stream_->time_base);
    packet->stream_index = stream_->index;
    if (auto put = muxer_->write(*packet); !put) return std::unexpected(put.error());
    written = true;
  }
}

Result<std::unique_ptr<Track>> copy_track(Muxer& muxer, const Input& input, int stream, Cut cut) {
  const AVStream& from = *input.format().streams[stream];
  const AVCodecID codec = from.codecpar->codec_id;
  if (!muxer.can_hold(codec)) {
    return fail(Code::unsupported_media, std::string(muxer.format().oformat->name) + " cannot hold the input's " +
                                             avcodec_get_name(codec) + ": it has to be re-encoded");
  }
  AVStream* to = avformat_new_stream(&muxer.format(), nullptr);
  if (to == nullptr) return av_fail(AVERROR(ENOMEM), "the output");
  if (const int status = avcodec_parameters_copy(to->codecpar, from.codecpar); status < 0)
    return av_fail(status, "the output");
  to->codecpar->codec_tag = 0;  // the other container's name for it
  to->time_base = from.time_base;
  to->avg_frame_rate = from.avg_frame_rate;
  to->sample_aspect_ratio = from.sample_aspect_ratio;
  av_dict_copy(&to->metadata, from.metadata, 0);
  std::size_t size = 0;
  if (const std::uint8_t* matrix = av_stream_get_side_data(&from, AV_PKT_DATA_DISPLAYMATRIX, &size);
      matrix != nullptr) {
    std::uint8_t* copy = av_stream_new_side_data(to, AV_PKT_DATA_DISPLAYMATRIX, size);
    if (copy == nullptr) return av_fail(AVERROR(ENOMEM), "the output");
    std::memcpy(copy, matrix, size);
  }
  return std::make_unique<CopyTrack>(muxer, from, *to, cut);
}

}  // namespace hotwell::media

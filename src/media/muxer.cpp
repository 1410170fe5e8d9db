#include "media/muxer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

extern "C" {
#include <libavutil/mem.h>
}

namespace hotwell::media {
namespace {

struct Container {
  std::string_view name;
  const char* muxer;
  std::string_view video_type, audio_type;
};
constexpr Container containers[] = {
    {"mp4", "mp4", "video/mp4", "audio/mp4"},
    {"webm", "webm", "video/webm", "audio/webm"},
    {"mkv", "matroska", "video/x-matroska", "audio/x-matroska"},
};

}  // namespace

Result<std::unique_ptr<Muxer>> Muxer::open(worker::Task& task, const std::string& format) {
  const auto* container = std::ranges::find(containers, format, &Container::name);
  if (container == std::end(containers)) {
    return fail(Code::invalid_argument, "format is \"" + format + "\": it has to be mp4, webm or mkv");
  }
  std::unique_ptr<Muxer> muxer{new Muxer(task, container->video_type)};
  if (const int status = avformat_alloc_output_context2(&muxer->format_, nullptr, container->muxer, nullptr);
      status < 0) {
    if (status == AVERROR(ENOMEM)) return av_fail(status, "the output");
    return fail(Code::unsupported_media, "this libav cannot write " + format);
  }
  muxer->sequential_ = format == "mp4";
  auto* buffer = static_cast<unsigned char*>(av_malloc(io_buffer_size));
  AVIOContext* io = buffer == nullptr ? nullptr
                                      : avio_alloc_context(buffer, io_buffer_size, 1, muxer.get(), nullptr, &Muxer::put,
                                                           muxer->sequential_ ? nullptr : &Muxer::seek);
  if (io == nullptr) {
    av_free(buffer);
    return av_fail(AVERROR(ENOMEM), "the output");
  }
  muxer->format_->pb = io;
  muxer->format_->flags |= AVFMT_FLAG_CUSTOM_IO;
  return muxer;
}

Muxer::~Muxer() {
  if (format_ == nullptr) return;
  if (format_->pb != nullptr) av_freep(static_cast<void*>(&format_->pb->buffer));
  avio_context_free(&format_->pb);
  avformat_free_context(format_);
}

bool Muxer::can_hold(AVCodecID codec) const {
  return avformat_query_codec(format_->oformat, codec, FF_COMPLIANCE_NORMAL) == 1;
}

Result<void> Muxer::begin() {
  bool video = false;
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    video = video || format_->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
  }
  if (!video) {
    const auto* container = std::ranges::find(containers, content_type_, &Container::video_type);
    content_type_ = container->audio_type;
  }
  task_.set_content_type(content_type_);
  Settings settings;
  // Times here begin at zero. What precedes it is an encoder's padding, which Matroska keeps apart: shifting everything
  // by it would part sound and picture.
  if (!sequential_) format_->avoid_negative_ts = 0;
  if (sequential_) {
    // The header waits for the first fragment, when it knows where streams begin; fragments begin at key frames.
    settings.set("movflags", "+frag_keyframe+delay_moov+default_base_moof");
    if (!video) settings.set("frag_duration", "2000000");
  }
  return judge(avformat_write_header(format_, settings.out()), "writing the header");
}

Result<void> Muxer::write(AVPacket& packet) {
  return judge(av_interleaved_write_frame(format_, &packet), "writing the output");
}

Result<std::uint64_t> Muxer::finish() {
  if (auto written = judge(av_write_trailer(format_), "finishing the output"); !written) {
    return std::unexpected(written.error());
  }
  avio_flush(format_->pb);
  if (auto flushed = judge(format_->pb->error, "finishing the output"); !flushed)
    return std::unexpected(flushed.error());
  const auto size = static_cast<std::uint64_t>(size_);
  task_.advance(size);
  return size;
}

Result<void> Muxer::judge(int status, std::string_view what) const {
  if (status >= 0 && errno_ == 0) return {};
  if (errno_ == EFBIG) return fail(Code::too_large, "the output grew larger than a result may be");
  if (errno_ != 0) return system_fail(errno_, what);
  if (status == AVERROR_EXIT || status == AVERROR(ENOMEM)) return av_fail(status, what);
  return fail(Code::unsupported_media, std::string(what) + ": " + av_words(status));
}

int Muxer::put(void* self, std::uint8_t* bytes, int size) {
  auto& muxer = *static_cast<Muxer*>(self);
  int done = 0;
  while (done < size) {
    const ssize_t wrote =
        pwrite(muxer.task_.output(), bytes + done, static_cast<std::size_t>(size - done), muxer.offset_);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      muxer.errno_ = errno;
      return AVERROR(muxer.errno_);
    }
    done += static_cast<int>(wrote);
    muxer.offset_ += wrote;
  }
  muxer.size_ = std::max(muxer.size_, muxer.offset_);
  if (muxer.sequential_) muxer.task_.advance(static_cast<std::uint64_t>(muxer.size_));
  return size;
}

std::int64_t Muxer::seek(void* self, std::int64_t offset, int whence) {
  auto& muxer = *static_cast<Muxer*>(self);
  switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE: return muxer.size_;
    case SEEK_SET: break;
    case SEEK_CUR: offset += muxer.offset_; break;
    case SEEK_END: offset += muxer.size_; break;
    default: return AVERROR(EINVAL);
  }
  if (offset < 0) return AVERROR(EINVAL);
  return muxer.offset_ = offset;
}

}  // namespace hotwell::media

#include "media/input.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

extern "C" {
#include <libavutil/mem.h>
}

#include "media/picture_header.hpp"

namespace hotwell::media {
namespace {

/// Formats whose files are no media but say where some is.
constexpr std::string_view playlists[] = {"hls", "concat", "dash", "imf", "sdp", "rtsp", "webm_dash_manifest"};

int refuse_to_open(AVFormatContext* /*format*/, AVIOContext** /*io*/, const char* /*url*/, int /*flags*/,
                   AVDictionary** /*options*/) {
  return AVERROR(EPERM);
}

}  // namespace

Result<std::unique_ptr<Input>> Input::open(FileHandle file, Cancelled cancelled) {
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return system_fail(errno, "the input");
  if (!S_ISREG(status.st_mode)) return fail(Code::invalid_argument, "the input is not a regular file");
  if (status.st_size == 0) return fail(Code::corrupt_input, "the input is empty (0 bytes)");
  std::unique_ptr<Input> input{new Input};
  input->file_ = std::move(file);
  input->size_ = status.st_size;
  input->cancelled_ = std::move(cancelled);
  if (auto opened = input->open_format(); !opened) return std::unexpected(opened.error());
  return input;
}

Result<void> Input::open_format() {
  auto* buffer = static_cast<unsigned char*>(av_malloc(io_buffer_size));
  if (buffer != nullptr) io_ = avio_alloc_context(buffer, io_buffer_size, 0, this, &Input::read, nullptr, &Input::seek);
  if (io_ == nullptr) {
    av_free(buffer);
    return av_fail(AVERROR(ENOMEM), "reading the input");
  }
  const AVInputFormat* kind = nullptr;
  if (const int status = av_probe_input_buffer2(io_, &kind, "", nullptr, 0, 0); status < 0) {
    if (cancelled()) return av_fail(AVERROR_EXIT, "");
    if (errno_ != 0) return system_fail(errno_, "reading the input");
    if (status == AVERROR(ENOMEM)) return av_fail(status, "reading the input");
    return fail(Code::unsupported_media, "the input is not a media file that libav knows");
  }
  const std::string_view name = kind->name;
  if (std::ranges::find(playlists, name) != std::end(playlists)) {
    return fail(Code::unsupported_media,
                "the input (" + std::string(name) + ") is a playlist: it names media elsewhere, which is not opened");
  }
  if (const auto size = size_in_header(file_.get()); size && too_many_pixels(size->width, size->height)) {
    return picture_too_large(size->width, size->height);
  }
  format_ = avformat_alloc_context();
  if (format_ == nullptr) return av_fail(AVERROR(ENOMEM), "reading the input");
  format_->pb = io_;
  format_->flags |= AVFMT_FLAG_CUSTOM_IO;
  // A playlist or a reference inside the file must not make this process open anything.
  format_->io_open = &refuse_to_open;
  Settings settings;
  settings.set("protocol_whitelist", "none");
  settings.set("max_streams", "256");
  const std::string what = std::string("the input looks like ") + kind->name + " but its header cannot be read";
  // Frees format_ and leaves null where it fails.
  int status = avformat_open_input(&format_, nullptr, kind, settings.out());
  if (status >= 0) {
    std::vector<AVDictionary*> options(format_->nb_streams, nullptr);
    for (AVDictionary*& entry : options) av_dict_set_int(&entry, "max_pixels", max_pixels, 0);
    status = avformat_find_stream_info(format_, options.empty() ? nullptr : options.data());
    for (AVDictionary*& entry : options) av_dict_free(&entry);
  }
  if (cancelled()) return av_fail(AVERROR_EXIT, "");
  if (status < 0) {
    if (errno_ != 0) return system_fail(errno_, "reading the input");
    return av_fail(status, what);
  }
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    const AVMediaType type = format_->streams[i]->codecpar->codec_type;
    if (type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO) return {};
  }
  return fail(Code::unsupported_media,
              std::string("the input (") + kind->name + ") holds neither video, audio nor a picture");
}

Input::~Input() {
  avformat_close_input(&format_);
  if (io_ != nullptr) av_freep(static_cast<void*>(&io_->buffer));
  avio_context_free(&io_);
}

int Input::read(void* self, std::uint8_t* into, int size) {
  auto& input = *static_cast<Input*>(self);
  if (input.cancelled()) return AVERROR_EXIT;
  for (;;) {
    const ssize_t got = pread(input.file_.get(), into, static_cast<std::size_t>(size), input.offset_);
    if (got > 0) {
      input.offset_ += got;
      return static_cast<int>(got);
    }
    if (got == 0) return AVERROR_EOF;
    if (errno == EINTR) continue;
    input.errno_ = errno;
    return AVERROR(input.errno_);
  }
}

std::int64_t Input::seek(void* self, std::int64_t offset, int whence) {
  auto& input = *static_cast<Input*>(self);
  switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE: return input.size_;
    case SEEK_SET: break;
    case SEEK_CUR: offset += input.offset_; break;
    case SEEK_END: offset += input.size_; break;
    default: return AVERROR(EINVAL);
  }
  if (offset < 0) return AVERROR(EINVAL);
  return input.offset_ = offset;
}

bool Input::still() const {
  const std::string_view name = format_->iformat->name;
  return name.ends_with("_pipe") || name == "gif" || name == "apng" || name == "ico" || name == "image2";
}

int Input::best_stream(AVMediaType type) const {
  const AVCodec* decoder = nullptr;
  const int decodable = av_find_best_stream(format_, type, -1, -1, &decoder, 0);
  return decodable >= 0 ? decodable : std::max(av_find_best_stream(format_, type, -1, -1, nullptr, 0), -1);
}

std::int64_t Input::declared_duration() const {
  const std::int64_t duration = format_->duration;
  if (duration == AV_NOPTS_VALUE || duration <= 0) return AV_NOPTS_VALUE;
  // Fragmented files are seen whose headers hold 2^32 - 1: less than 16 bytes a second is no footage.
  if (duration / AV_TIME_BASE > size_ / 16 + 10) return AV_NOPTS_VALUE;
  return duration;
}

std::int64_t Input::start_time() const { return format_->start_time == AV_NOPTS_VALUE ? 0 : format_->start_time; }

Orientation orientation_of(const AVStream& stream) {
  std::size_t size = 0;
  const std::uint8_t* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (data == nullptr || size < 9 * sizeof(std::int32_t)) return {};
  return orientation_of(reinterpret_cast<const std::int32_t*>(data));
}

Ratio sample_aspect_of(const Input& input, const AVStream& stream, const AVFrame* frame) {
  // Only to be read, whatever libav's signature says.
  const AVRational ratio =
      av_guess_sample_aspect_ratio(&input.format(), const_cast<AVStream*>(&stream), const_cast<AVFrame*>(frame));
  if (ratio.num <= 0 || ratio.den <= 0) return {};
  return {ratio.num, ratio.den};
}

}  // namespace hotwell::media

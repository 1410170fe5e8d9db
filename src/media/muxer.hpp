/// A media file written to a descriptor. Invariant: MP4 is written strictly from front to back, so every byte is final
/// once written and the task is told so; WebM and Matroska get their index and duration patched in at the end, so
/// nothing is final before finish().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <hotwell/worker.hpp>

#include "media/av.hpp"

namespace hotwell::media {

class Muxer {
 public:
  /// `format` is mp4, webm or mkv. Ownership: `task` must outlive it.
  /// Errors: unsupported_media (this libav cannot write the container), out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<Muxer>> open(worker::Task& task, const std::string& format);
  ~Muxer();
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;

  [[nodiscard]] AVFormatContext& format() const { return *format_; }
  [[nodiscard]] bool wants_global_headers() const { return (format_->oformat->flags & AVFMT_GLOBALHEADER) != 0; }
  [[nodiscard]] bool can_hold(AVCodecID codec) const;
  [[nodiscard]] std::string_view content_type() const { return content_type_; }

  /// Once every stream was added, before the first packet. Errors: as write().
  [[nodiscard]] Result<void> begin();
  /// Takes what is in the packet. Errors: disk_full, too_large, io, unsupported_media (a stream that the container
  /// refuses), cancelled, out_of_memory.
  [[nodiscard]] Result<void> write(AVPacket& packet);
  /// Errors: as write(). Returns the file's size.
  [[nodiscard]] Result<std::uint64_t> finish();

 private:
  Muxer(worker::Task& task, std::string_view content_type) : task_(task), content_type_(content_type) {}
  [[nodiscard]] Result<void> judge(int status, std::string_view what) const;
  static int put(void* self, std::uint8_t* bytes, int size);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);

  worker::Task& task_;
  std::string_view content_type_;
  AVFormatContext* format_ = nullptr;
  bool sequential_ = false;
  std::int64_t offset_ = 0;
  std::int64_t size_ = 0;
  int errno_ = 0;
};

}  // namespace hotwell::media

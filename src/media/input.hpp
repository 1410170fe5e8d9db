/// A media file that was handed in as a descriptor: libav's demuxer over pread. Invariants: libav never opens a path,
/// a protocol or a second file on its behalf; the descriptor's own offset is neither used nor moved; what a cancelled
/// job was reading is not taken for the end of the file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <hotwell/body.hpp>

#include "media/av.hpp"
#include "media/geometry.hpp"

namespace hotwell::media {

/// Asked in every loop that may take long.
using Cancelled = std::function<bool()>;

class Input {
 public:
  /// Recognises the file by its content and reads what its header says. Errors: corrupt_input (empty, or a known
  /// container whose header is broken), unsupported_media (not media), cancelled, io, out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<Input>> open(FileHandle file, Cancelled cancelled);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  [[nodiscard]] AVFormatContext& format() const { return *format_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  /// A picture rather than footage: `at` means nothing.
  [[nodiscard]] bool still() const;
  /// Whose cancellation is asked while reading. Null asks nobody.
  void set_cancelled(Cancelled cancelled) { cancelled_ = std::move(cancelled); }
  [[nodiscard]] bool cancelled() const { return cancelled_ != nullptr && cancelled_(); }
  /// The system error that reading last met, 0 where the data itself is at fault.
  [[nodiscard]] int read_errno() const { return errno_; }

  /// The stream a player would show or play; -1 if there is none. Streams that can be decoded go first.
  [[nodiscard]] int best_stream(AVMediaType type) const;
  /// How long the whole plays, in microseconds; AV_NOPTS_VALUE where neither the header nor a plausible estimate says.
  [[nodiscard]] std::int64_t declared_duration() const;
  /// Where the time line that a player shows begins, in microseconds.
  [[nodiscard]] std::int64_t start_time() const;

 private:
  Input() = default;
  [[nodiscard]] Result<void> open_format();
  static int read(void* self, std::uint8_t* into, int size);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);

  FileHandle file_;
  std::int64_t size_ = 0;
  std::int64_t offset_ = 0;
  int errno_ = 0;
  Cancelled cancelled_;
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
};

/// How `stream` has to be turned to stand upright.
[[nodiscard]] Orientation orientation_of(const AVStream& stream);

/// The sample aspect ratio that counts: the container's, else the codec's. 1:1 where neither says a usable one.
[[nodiscard]] Ratio sample_aspect_of(const Input& input, const AVStream& stream, const AVFrame* frame);

}  // namespace hotwell::media

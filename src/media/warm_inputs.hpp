/// The last few inputs, kept open with their decoders where they stand, so that the next job on one of them starts
/// there. Invariants: at most `limit` are kept, and pictures of at most `pixel_limit` pixels in sum but for the newest;
/// an input of no identity is never found again; one that failed is not kept.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include <hotwell/worker.hpp>

#include "media/input.hpp"
#include "media/video_reader.hpp"

namespace hotwell::media {

/// An input and, once a picture was asked for, the reader that stands in it.
struct OpenInput {
  std::string identity;
  std::unique_ptr<Input> input;
  std::unique_ptr<VideoReader> video;  ///< after `input`: it goes first

  /// Opens the reader at the first call. Errors: as VideoReader::open.
  [[nodiscard]] Result<VideoReader*> reader();
  [[nodiscard]] std::int64_t pixels() const;
};

class WarmInputs {
 public:
  static constexpr std::size_t limit = 4;
  static constexpr std::int64_t pixel_limit = 12'000'000;

  /// The task's input 0, taken out of those kept or opened. Errors: as Input::open.
  [[nodiscard]] Result<OpenInput> take(worker::Task& task);
  /// Keeps it, as the newest, for the next job.
  void keep(OpenInput input);

  [[nodiscard]] std::size_t size() const { return kept_.size(); }
  [[nodiscard]] std::uint64_t opens() const { return opens_; }
  /// The newest one's reader; null if there is none.
  [[nodiscard]] const VideoReader* newest_reader() const { return kept_.empty() ? nullptr : kept_.front().video.get(); }

 private:
  std::list<OpenInput> kept_;  ///< newest first
  std::uint64_t opens_ = 0;
};

}  // namespace hotwell::media

#include "media/warm_inputs.hpp"

#include <algorithm>
#include <utility>

namespace hotwell::media {

Result<VideoReader*> OpenInput::reader() {
  if (video == nullptr) {
    auto opened = VideoReader::open(*input);
    if (!opened) return std::unexpected(opened.error());
    video = std::move(*opened);
  }
  return video.get();
}

std::int64_t OpenInput::pixels() const {
  return video == nullptr ? 0 : std::int64_t{video->decoder().width} * video->decoder().height;
}

Result<OpenInput> WarmInputs::take(worker::Task& task) {
  if (task.input_count() == 0) return fail(Code::invalid_argument, "the operation wants an input");
  Cancelled cancelled = [&task] { return task.cancelled(); };
  const std::string identity{task.input_identity()};
  if (!identity.empty()) {
    const auto found = std::ranges::find(kept_, identity, &OpenInput::identity);
    if (found != kept_.end()) {
      OpenInput input = std::move(*found);
      kept_.erase(found);
      input.input->set_cancelled(std::move(cancelled));
      return input;
    }
  }
  auto opened = Input::open(task.take_input(0), std::move(cancelled));
  if (!opened) return std::unexpected(opened.error());
  ++opens_;
  return OpenInput{.identity = identity, .input = std::move(*opened)};
}

void WarmInputs::keep(OpenInput input) {
  if (input.identity.empty()) return;
  input.input->set_cancelled(nullptr);
  kept_.push_front(std::move(input));
  std::int64_t pixels = 0;
  std::size_t count = 0;
  const auto surplus = std::ranges::find_if(kept_, [&](const OpenInput& kept) {
    pixels += kept.pixels();
    return ++count > limit || (count > 1 && pixels > pixel_limit);
  });
  kept_.erase(surplus, kept_.end());
}

}  // namespace hotwell::media

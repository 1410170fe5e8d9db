#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <string>

#include "media/operations.hpp"
#include "media/parameters.hpp"
#include "media/still_encoder.hpp"

namespace hotwell::media {
namespace {

std::string seconds_text(double seconds, const char* format) {
  char text[40];
  std::snprintf(text, sizeof text, format, seconds);
  return text;
}

std::unexpected<Error> beyond_the_end(double at, std::int64_t end) {
  return fail(Code::invalid_argument, "at " + seconds_text(at, "%.6g") + " s lies beyond the end of this " +
                                          seconds_text(static_cast<double>(end) / AV_TIME_BASE, "%.1f") + " s video");
}

/// The time asked for, in microseconds, and the frame there.
Result<const AVFrame*> frame_asked_for(const Input& input, VideoReader& reader, const At& at) {
  if (input.still() || (reader.stream().disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) return reader.frame_at(0);
  std::int64_t duration = input.declared_duration();
  if (at.percent >= 0) {
    if (duration == AV_NOPTS_VALUE) {
      const auto end = reader.find_end();
      if (!end) return std::unexpected(end.error());
      duration = *end;
    }
    return reader.frame_at(std::llround(static_cast<double>(duration) * at.percent / 100));
  }
  const std::int64_t time = std::llround(at.seconds * AV_TIME_BASE);
  if (duration != AV_NOPTS_VALUE && time > duration) return beyond_the_end(at.seconds, duration);
  auto frame = reader.frame_at(time);
  if (frame && duration == AV_NOPTS_VALUE && reader.known_end() && time > *reader.known_end()) {
    return beyond_the_end(at.seconds, *reader.known_end());
  }
  return frame;
}

/// A picture's own orientation (EXIF) counts, else the container's.
Orientation orientation_shown(const AVFrame& frame, const AVStream& stream) {
  const AVFrameSideData* matrix = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
  if (matrix != nullptr && matrix->size >= 9 * sizeof(std::int32_t)) {
    return orientation_of(reinterpret_cast<const std::int32_t*>(matrix->data));
  }
  return orientation_of(stream);
}

Result<std::string> make(const Input& input, VideoReader& reader, const ThumbnailParameters& parameters) {
  const auto frame = frame_asked_for(input, reader, parameters.at);
  if (!frame) return std::unexpected(frame.error());
  const Orientation orientation = orientation_shown(**frame, reader.stream());
  const Ratio aspect = sample_aspect_of(input, reader.stream(), *frame);
  const Shape shape = shape_for({(*frame)->width, (*frame)->height}, aspect, orientation, parameters.box);
  const auto picture = render(**frame, shape, orientation);
  if (!picture) return std::unexpected(picture.error());
  return encode_still(**picture, parameters.format, parameters.quality);
}

Result<void> write_all(int fd, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EFBIG) return fail(Code::too_large, "the thumbnail is larger than a result may be");
    if (wrote < 0) return system_fail(errno, "writing the thumbnail");
    done += static_cast<std::size_t>(wrote);
  }
  return {};
}

}  // namespace

Result<worker::Reply> thumbnail(worker::Task& task, WarmInputs& inputs) {
  const auto parameters = parse_thumbnail(task.payload());
  if (!parameters) return std::unexpected(parameters.error());
  auto input = inputs.take(task);
  if (!input) return std::unexpected(input.error());
  const auto reader = input->reader();
  if (!reader) return std::unexpected(reader.error());
  auto bytes = make(*input->input, **reader, *parameters);
  if (!bytes) {
    // A question that was wrong says nothing about the input.
    if (bytes.error().code == Code::invalid_argument) inputs.keep(std::move(*input));
    return std::unexpected(bytes.error());
  }
  inputs.keep(std::move(*input));
  std::string type{content_type_of(parameters->format)};
  if (task.output() < 0) return worker::Reply::inline_text(std::move(type), std::move(*bytes));
  task.set_content_type(type);
  if (auto written = write_all(task.output(), *bytes); !written) return std::unexpected(written.error());
  task.advance(bytes->size());
  return worker::Reply::written(std::move(type), bytes->size());
}

}  // namespace hotwell::media

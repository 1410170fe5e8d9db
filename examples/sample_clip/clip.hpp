/// A test clip of our own making, so that nobody needs foreign footage to see or to prove that the right picture
/// comes out. Every frame carries its number twice: as digits for people and as a bar code of large black and white
/// blocks that survives scaling and compression. Invariant: frame_number() reads it only from an upright picture;
/// one that is rotated, mirrored or cropped reads as nothing, not as another number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <hotwell/result.hpp>

namespace hotwell::sample {

struct ClipOptions {
  double seconds = 10;
  int width = 640;  ///< as shown, upright and before the sample aspect ratio stretches it
  int height = 360;
  int fps = 25;
  double gop_seconds = 2;
  int b_frames = 2;
  int orientation = 1;  ///< how the stored picture has to be turned to stand upright, as EXIF numbers it: 1 to 8
  int sar_num = 1;      ///< sample aspect ratio of the stored picture
  int sar_den = 1;
  bool variable_rate = false;  ///< every third frame is shown twice as long
  bool video = true;
  bool audio = true;
  std::string encoder = "libx264";
  std::string pixel_format = "yuv420p";  ///< or yuv420p10le
};

/// The most frames a clip can have: what its bar code can count.
inline constexpr int max_frames = 4096;

/// Writes the clip; the file's ending names the container. Replaces what is there. Errors: invalid_argument,
/// unsupported_media (no such encoder or container here), io.
[[nodiscard]] Result<void> write_clip(const std::filesystem::path& file, const ClipOptions& options = {});

/// The time at which frame `number` comes on, in seconds.
[[nodiscard]] double frame_time(const ClipOptions& options, int number);

/// The frames that a clip of these options has.
[[nodiscard]] int frame_count(const ClipOptions& options);

/// A picture in memory: `channels` bytes a pixel, 1 for grey or 3 and 4 for RGB.
struct PixelView {
  const std::uint8_t* pixels = nullptr;
  int width = 0;
  int height = 0;
  std::ptrdiff_t stride = 0;
  int channels = 3;
};

/// The number in the picture's bar code; nothing where there is none that is whole and upright.
[[nodiscard]] std::optional<int> frame_number(const PixelView& picture);

}  // namespace hotwell::sample

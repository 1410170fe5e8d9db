/// What media tests look with: pictures and clips decoded by plain libav calls, not by the code under test, and the
/// folder in which a test keeps its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "examples/sample_clip/clip.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::media::testing {

/// A fresh folder, removed with what is in it.
class Folder {
 public:
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return dir_.path() / name; }
  /// A file with these bytes.
  [[nodiscard]] std::filesystem::path write(std::string_view name, std::string_view bytes) const;
  [[nodiscard]] std::filesystem::path clip(std::string_view name, const sample::ClipOptions& options) const;

 private:
  hotwell::test::TempDir dir_;
};

[[nodiscard]] std::string read_file(const std::filesystem::path& file);

/// Small and quick to make: two seconds of 192x108 at 25 frames a second, a key frame each half second, no sound.
[[nodiscard]] sample::ClipOptions small_clip();

/// Foreign files for development, where they are: HOTWELL_TEST_DATA, or ../shared/data beside the sources.
[[nodiscard]] std::optional<std::filesystem::path> test_media();

struct Picture {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels;

  [[nodiscard]] const std::uint8_t* at(int x, int y) const;
  /// The number in its bar code.
  [[nodiscard]] std::optional<int> number() const;
};

/// Decodes JPEG, PNG or WebP; 4 channels where it has transparency. Nothing if it is none of these.
[[nodiscard]] std::optional<Picture> decode_still(std::string_view bytes);

/// Writes a picture as PNG or JPEG; `exif` is the orientation tag of a JPEG, 0 for none.
[[nodiscard]] std::string encode_png(const Picture& picture);
[[nodiscard]] std::string encode_jpeg(const Picture& picture, int exif = 0);

/// Peak signal to noise ratio of two pictures of one size, in dB.
[[nodiscard]] double psnr(const Picture& a, const Picture& b);

struct ShownFrame {
  double time = 0;
  int width = 0;
  int height = 0;
  std::optional<int> number;
};
struct DecodedFile {
  std::string container;
  std::string video_codec, audio_codec;  ///< empty where there is none
  std::vector<ShownFrame> frames;
  double sar = 1;
  double audio_begin = 0;
  double audio_seconds = 0;
  double audio_level = 0;  ///< root mean square of the middle, 0..1
  int channels = 0;
  int sample_rate = 0;
};
/// The whole of a file; nothing if it cannot be opened.
[[nodiscard]] std::optional<DecodedFile> decode_file(const std::filesystem::path& file);

}  // namespace hotwell::media::testing

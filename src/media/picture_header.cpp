#include "media/picture_header.hpp"

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hotwell::media {
namespace {

/// The bytes from `offset` on, zeros behind the end of the file.
std::array<std::uint8_t, 32> bytes_at(int fd, off_t offset) {
  std::array<std::uint8_t, 32> bytes{};
  if (pread(fd, bytes.data(), bytes.size(), offset) < 0) bytes = {};
  return bytes;
}

using Bytes32 = std::array<std::uint8_t, 32>;

bool starts(const Bytes32& bytes, std::size_t at, std::string_view magic) {
  for (std::size_t i = 0; i < magic.size(); ++i) {
    if (bytes[at + i] != static_cast<std::uint8_t>(magic[i])) return false;
  }
  return true;
}

int big16(const Bytes32& b, std::size_t at) { return b[at] << 8 | b[at + 1]; }
int little16(const Bytes32& b, std::size_t at) { return b[at + 1] << 8 | b[at]; }
int little24(const Bytes32& b, std::size_t at) { return b[at + 2] << 16 | little16(b, at); }
int big31(const Bytes32& b, std::size_t at) { return (b[at] & 0x7f) << 24 | b[at + 1] << 16 | big16(b, at + 2); }
int little31(const Bytes32& b, std::size_t at) { return (b[at + 3] & 0x7f) << 24 | little24(b, at); }

std::optional<Size> size_of_webp(const Bytes32& b) {
  if (starts(b, 12, "VP8X")) return Size{little24(b, 24) + 1, little24(b, 27) + 1};
  if (starts(b, 12, "VP8 ")) return Size{little16(b, 26) & 0x3fff, little16(b, 28) & 0x3fff};
  if (starts(b, 12, "VP8L")) {
    const int low = little16(b, 21);
    const int high = little16(b, 23);
    return Size{(low & 0x3fff) + 1, ((high & 0x0fff) << 2 | low >> 14) + 1};
  }
  return std::nullopt;
}

/// Walks over the segments to the frame header.
std::optional<Size> size_of_jpeg(int fd) {
  off_t offset = 2;
  for (int segments = 0; segments < 1000; ++segments) {
    const Bytes32 b = bytes_at(fd, offset);
    if (b[0] != 0xff) return std::nullopt;
    const int marker = b[1];
    if (marker == 0xff) {
      ++offset;  // a fill byte
      continue;
    }
    const bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame) return Size{big16(b, 7), big16(b, 5)};
    if (marker == 0xd9 || marker == 0xda || marker == 0) return std::nullopt;
    offset += 2 + big16(b, 2);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Size> size_in_header(int fd) {
  const Bytes32 b = bytes_at(fd, 0);
  std::optional<Size> size;
  if (starts(b, 0, "\xff\xd8\xff")) size = size_of_jpeg(fd);
  if (starts(b, 0, "\x89PNG\r\n") && starts(b, 12, "IHDR")) size = Size{big31(b, 16), big31(b, 20)};
  if (starts(b, 0, "GIF8")) size = Size{little16(b, 6), little16(b, 8)};
  if (starts(b, 0, "RIFF") && starts(b, 8, "WEBP")) size = size_of_webp(b);
  if (starts(b, 0, "BM") && b[14] >= 40) size = Size{little31(b, 18), little31(b, 22)};
  if (size && (size->width <= 0 || size->height <= 0)) return std::nullopt;
  return size;
}

}  // namespace hotwell::media

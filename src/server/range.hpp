/// Range requests (RFC 9110, section 14): the Range header, and what of it a representation of a known size satisfies.
/// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hotwell::server {

/// One element of a Range header: "5-9", "5-" or, with no first, the last `last` bytes ("-5").
struct RangeSpec {
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> last;
};

/// Bytes [offset, offset + length) of a representation.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  friend bool operator==(ByteRange, ByteRange) = default;
};

/// Nothing where the header is to be ignored: an unknown unit, or not well formed.
[[nodiscard]] std::optional<std::vector<RangeSpec>> parse_range(std::string_view header);

struct RangeAnswer {
  enum class Kind : std::uint8_t {
    whole,          ///< answer as if no range had been asked
    parts,          ///< 206: `ranges` has at least one
    unsatisfiable,  ///< 416
  };
  Kind kind = Kind::whole;
  std::vector<ByteRange> ranges;
};

/// Unsatisfiable elements are left out; a set that asks for more bytes than there are, or for too many parts, is
/// answered whole, since it can only cost.
[[nodiscard]] RangeAnswer resolve_range(const std::vector<RangeSpec>& specs, std::uint64_t size);

/// "bytes 0-4/10"; "*" for a total that is not known yet.
[[nodiscard]] std::string content_range(ByteRange range, std::optional<std::uint64_t> size);

}  // namespace hotwell::server

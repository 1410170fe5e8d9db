/// The bytes of the disk tier's regions: values in, bytes out, and back. docs/formats/disk-tier.md is the description.
///
/// Everything but a region's first 64 bytes is checksummed with the region's own random salt: bytes of another region,
/// and bytes that a user stored to look like an entry, are never taken for one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <hotwell/result.hpp>

#include "cache/object.hpp"

namespace hotwell::cache {

/// Entries begin at multiples of this; it is also the size of a region's header, of its footer and of an entry's head.
inline constexpr std::uint64_t unit = 64;

struct RegionHeader {
  std::uint64_t id = 0;    ///< rises: entries of a higher region are younger
  std::uint64_t size = 0;  ///< of the whole file
  std::uint64_t salt = 0;
};
inline constexpr std::uint64_t smallest_region = 64 << 10;
inline constexpr std::uint64_t largest_region = 1ULL << 31;

[[nodiscard]] std::string encode(const RegionHeader& header);
/// Errors: invalid_argument for a version this program does not know, io for what encode() would not have written.
[[nodiscard]] Result<RegionHeader> decode_region_header(ByteView bytes);

/// What one entry needs of a region, and where it is.
struct IndexItem {
  std::uint64_t hash = 0;  ///< XXH3-64 of the key
  WallTime expires{};
  std::uint32_t slot = 0;  ///< its first unit
  std::uint32_t units = 0;
};
inline constexpr std::uint64_t index_item_size = 24;

/// Where the parts of a region lie: header, entries, (unused), index, footer, deaths.
struct RegionShape {
  std::uint64_t size = 0;

  [[nodiscard]] constexpr std::uint64_t slots() const { return size / unit; }
  /// One byte for every two slots, since no entry is shorter than two.
  [[nodiscard]] constexpr std::uint64_t deaths_size() const { return slots() / 2; }
  [[nodiscard]] constexpr std::uint64_t deaths_offset() const { return size - deaths_size(); }
  [[nodiscard]] constexpr std::uint64_t death_of(std::uint32_t slot) const { return deaths_offset() + slot / 2; }
  [[nodiscard]] constexpr std::uint64_t footer_offset() const { return deaths_offset() - unit; }
  [[nodiscard]] constexpr std::uint64_t index_offset(std::uint64_t items) const {
    return footer_offset() - items * index_item_size;
  }
  /// Whether `units` more fit behind slot `tail` where `items` entries are in the region already.
  [[nodiscard]] constexpr bool fits(std::uint64_t tail, std::uint64_t items, std::uint64_t units) const {
    return (tail + units) * unit + (items + 1) * index_item_size <= footer_offset();
  }
};

/// A slot's byte among the deaths: written whole, so that no flipped bit kills an entry or brings one back.
inline constexpr std::uint8_t dead = 0xff;
[[nodiscard]] constexpr bool is_dead(std::byte death) {
  return std::popcount(std::to_integer<std::uint8_t>(death)) >= 4;
}

struct Footer {
  std::uint64_t items = 0;
  std::uint64_t index_checksum = 0;
  std::uint64_t last_generation = 0;  ///< the highest of its entries
};
struct SealedIndex {
  std::string index;
  std::string footer;
};
[[nodiscard]] SealedIndex encode(const RegionHeader& region, const std::vector<IndexItem>& items,
                                 std::uint64_t last_generation);
/// None where the region was not sealed, or its footer is damaged.
[[nodiscard]] std::optional<Footer> decode_footer(const RegionHeader& region, ByteView bytes);
/// In the order of their slots. None where the bytes are not what was sealed.
[[nodiscard]] std::optional<std::vector<IndexItem>> decode_index(const RegionHeader& region, const Footer& footer,
                                                                 ByteView bytes);

/// The first unit of an entry. Behind it: key, content type, type, metadata, value.
struct EntryHead {
  std::uint64_t checksum = 0;  ///< of everything behind the head
  std::uint64_t hash = 0;
  std::uint64_t generation = 0;
  WallTime created{};
  WallTime expires{};
  std::uint32_t value_size = 0;
  std::uint32_t metadata_size = 0;
  std::uint16_t key_size = 0;
  std::uint16_t content_type_size = 0;
  std::uint16_t type_size = 0;

  [[nodiscard]] std::uint64_t texts_size() const {
    return std::uint64_t{key_size} + content_type_size + type_size + metadata_size;
  }
  [[nodiscard]] std::uint64_t length() const { return unit + texts_size() + value_size; }
  [[nodiscard]] std::uint64_t units() const { return (length() + unit - 1) / unit; }
};

/// None where a text or the value is too long for the format.
[[nodiscard]] std::optional<EntryHead> head_of(const Details& details, std::uint64_t hash, std::uint64_t value_size);
/// Key, content type, type and metadata, as they lie behind the head.
void append_texts(const Details& details, std::string& out);
[[nodiscard]] std::string encode(const EntryHead& head, std::uint64_t salt);
/// None where the bytes are no head of a region with this salt.
[[nodiscard]] std::optional<EntryHead> decode_head(ByteView bytes, std::uint64_t salt);
/// Precondition: `texts` has texts_size() bytes. None where they do not add up.
[[nodiscard]] std::optional<Details> decode_texts(const EntryHead& head, ByteView texts);

}  // namespace hotwell::cache

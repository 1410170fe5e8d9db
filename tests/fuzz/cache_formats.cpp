// Every parser of the cache's bytes on disk, fed by libFuzzer: the first byte says which. Whatever comes out of a
// parser is written again and must be read as the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "cache/disk/format.hpp"
#include "cache/stream/manifest.hpp"

namespace {

using namespace hotwell::cache;

void expect(bool holds) {
  if (!holds) std::abort();
}

constexpr RegionHeader region{1, smallest_region, 42};

void region_header(std::string_view bytes) {
  if (const auto header = decode_region_header(bytes)) expect(encode(*header) == bytes.substr(0, unit));
}

void entry(std::string_view bytes) {
  // With a head that checks out for once: the rest must not depend on its being honest.
  if (bytes.size() < unit) return;
  std::string head_bytes(bytes.substr(0, unit));
  EntryHead head;
  if (const auto found = decode_head(head_bytes, region.salt)) {
    expect(encode(*found, region.salt) == head_bytes);
    head = *found;
  }
  const auto texts = bytes.substr(unit);
  head.key_size = static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[0]));
  head.content_type_size = static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[1]));
  head.type_size = static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[2]));
  if (const auto details = decode_texts(head, texts)) {
    std::string again;
    append_texts(*details, again);
    const auto same = decode_texts(head_of(*details, 0, 0).value_or(head), again);
    expect(details->key.empty() || (same && same->metadata == details->metadata && same->key == details->key));
  }
}

void region_index(std::string_view bytes) {
  if (bytes.size() < unit) return;
  const auto footer = decode_footer(region, bytes.substr(0, unit));
  const auto index = bytes.substr(unit);
  // A checksum that matches, so that the items themselves are looked at.
  const Footer honest{index.size() / index_item_size, hotwell::base::xxh3_64(index, region.salt), 0};
  if (footer) (void)decode_index(region, *footer, index);
  if (const auto items = decode_index(region, honest, index)) expect(encode(region, *items, 0).index == index);
}

void manifest(std::string_view bytes) {
  if (const auto found = decode_manifest(bytes)) expect(decode_manifest(encode(*found)).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: region_header(bytes); break;
    case 1: entry(bytes); break;
    case 2: region_index(bytes); break;
    default: manifest(bytes);
  }
  return 0;
}

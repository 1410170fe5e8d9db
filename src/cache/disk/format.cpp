#include "cache/disk/format.hpp"

#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include <fmt/format.h>

#include "base/digest.hpp"

namespace hotwell::cache {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and so is this code");

constexpr std::string_view region_magic = "HOTWLOG\n";
constexpr std::string_view footer_magic = "HOTWEND\n";
constexpr std::uint32_t region_version = 1;
constexpr std::uint16_t entry_magic = 0x4548;
constexpr std::size_t last_word = unit - sizeof(std::uint64_t);

template <class T>
  requires std::is_integral_v<T>
void store(std::string& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}
void store(std::string& bytes, std::size_t offset, WallTime time) {
  store(bytes, offset, static_cast<std::int64_t>(time.time_since_epoch().count()));
}

/// Precondition: within the bytes.
template <class T>
T load(ByteView bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}
WallTime load_time(ByteView bytes, std::size_t offset) {
  return WallTime{WallTime::duration{load<std::int64_t>(bytes, offset)}};
}

bool is_region_size(std::uint64_t size) {
  return std::has_single_bit(size) && size >= smallest_region && size <= largest_region;
}

template <class Size>
bool narrow(std::uint64_t from, Size& to) {
  to = static_cast<Size>(from);
  return from <= std::numeric_limits<Size>::max();
}

std::uint64_t metadata_size(const Metadata& metadata) {
  std::uint64_t sum = 0;
  for (const auto& [name, value] : metadata) sum += 2 * sizeof(std::uint32_t) + name.size() + value.size();
  return sum;
}

/// Takes texts off the front; once one was not there, `ok` stays false.
struct Texts {
  std::string_view rest;
  bool ok = true;

  std::string_view take(std::size_t count) {
    if (count > rest.size()) {
      ok = false;
      count = rest.size();
    }
    const auto text = rest.substr(0, count);
    rest.remove_prefix(count);
    return text;
  }
  std::size_t take_size() {
    std::uint32_t size = 0;
    if (const auto bytes = take(sizeof size); ok) std::memcpy(&size, bytes.data(), sizeof size);
    return size;
  }
};

}  // namespace

std::string encode(const RegionHeader& header) {
  std::string bytes(unit, '\0');
  bytes.replace(0, region_magic.size(), region_magic);
  store(bytes, 8, region_version);
  store(bytes, 16, header.id);
  store(bytes, 24, header.size);
  store(bytes, 32, header.salt);
  store(bytes, last_word, base::xxh3_64(std::string_view(bytes).substr(0, last_word)));
  return bytes;
}

Result<RegionHeader> decode_region_header(ByteView bytes) {
  if (bytes.size() < unit || bytes.text().substr(0, region_magic.size()) != region_magic)
    return fail(Code::io, "it does not begin as a region");
  if (const auto version = load<std::uint32_t>(bytes, 8); version != region_version) {
    // A flipped bit would make a version as well: only one that checks out is a format to be left alone.
    if (load<std::uint64_t>(bytes, last_word) == base::xxh3_64(bytes.subview(0, last_word)))
      return fail(Code::invalid_argument,
                  fmt::format("a region of version {}; this program knows {}", version, region_version));
    return fail(Code::io, "its header is damaged");
  }
  const RegionHeader header{load<std::uint64_t>(bytes, 16), load<std::uint64_t>(bytes, 24),
                            load<std::uint64_t>(bytes, 32)};
  if (load<std::uint64_t>(bytes, last_word) != base::xxh3_64(bytes.subview(0, last_word)) ||
      !is_region_size(header.size))
    return fail(Code::io, "its header is damaged");
  return header;
}

SealedIndex encode(const RegionHeader& region, const std::vector<IndexItem>& items, std::uint64_t last_generation) {
  SealedIndex sealed{std::string(items.size() * index_item_size, '\0'), std::string(unit, '\0')};
  std::size_t at = 0;
  for (const auto& item : items) {
    store(sealed.index, at, item.hash);
    store(sealed.index, at + 8, item.expires);
    store(sealed.index, at + 16, item.slot);
    store(sealed.index, at + 20, item.units);
    at += index_item_size;
  }
  auto& footer = sealed.footer;
  footer.replace(0, footer_magic.size(), footer_magic);
  store(footer, 8, region.id);
  store(footer, 16, static_cast<std::uint64_t>(items.size()));
  store(footer, 24, base::xxh3_64(sealed.index, region.salt));
  store(footer, 32, last_generation);
  store(footer, last_word, base::xxh3_64(std::string_view(footer).substr(0, last_word), region.salt));
  return sealed;
}

std::optional<Footer> decode_footer(const RegionHeader& region, ByteView bytes) {
  if (bytes.size() < unit || bytes.text().substr(0, footer_magic.size()) != footer_magic ||
      load<std::uint64_t>(bytes, last_word) != base::xxh3_64(bytes.subview(0, last_word), region.salt) ||
      load<std::uint64_t>(bytes, 8) != region.id)
    return std::nullopt;
  const Footer footer{load<std::uint64_t>(bytes, 16), load<std::uint64_t>(bytes, 24), load<std::uint64_t>(bytes, 32)};
  if (footer.items > RegionShape{region.size}.footer_offset() / index_item_size) return std::nullopt;
  return footer;
}

std::optional<std::vector<IndexItem>> decode_index(const RegionHeader& region, const Footer& footer, ByteView bytes) {
  const RegionShape shape{region.size};
  if (bytes.size() != footer.items * index_item_size || base::xxh3_64(bytes, region.salt) != footer.index_checksum)
    return std::nullopt;
  std::vector<IndexItem> items;
  items.reserve(footer.items);
  std::uint64_t next = 1;
  for (std::size_t at = 0; at < bytes.size(); at += index_item_size) {
    const IndexItem item{load<std::uint64_t>(bytes, at), load_time(bytes, at + 8), load<std::uint32_t>(bytes, at + 16),
                         load<std::uint32_t>(bytes, at + 20)};
    if (item.slot < next || item.units < 2) return std::nullopt;
    next = std::uint64_t{item.slot} + item.units;
    if (next * unit > shape.index_offset(footer.items)) return std::nullopt;
    items.push_back(item);
  }
  return items;
}

std::optional<EntryHead> head_of(const Details& details, std::uint64_t hash, std::uint64_t value_size) {
  EntryHead head{
      .hash = hash, .generation = details.generation, .created = details.created, .expires = details.expires};
  const bool fits = narrow(value_size, head.value_size) & narrow(metadata_size(details.metadata), head.metadata_size) &
                    narrow(details.key.size(), head.key_size) &
                    narrow(details.content_type.size(), head.content_type_size) &
                    narrow(details.type.size(), head.type_size);
  if (!fits || details.key.empty()) return std::nullopt;
  return head;
}

void append_texts(const Details& details, std::string& out) {
  const auto append_size = [&](const std::string& text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    out.append(reinterpret_cast<const char*>(&size), sizeof size);
  };
  out.append(details.key).append(details.content_type).append(details.type);
  for (const auto& [name, value] : details.metadata) {
    append_size(name);
    append_size(value);
    out.append(name).append(value);
  }
}

std::string encode(const EntryHead& head, std::uint64_t salt) {
  std::string bytes(unit, '\0');
  store(bytes, 8, head.checksum);
  store(bytes, 16, head.hash);
  store(bytes, 24, head.generation);
  store(bytes, 32, head.created);
  store(bytes, 40, head.expires);
  store(bytes, 48, head.value_size);
  store(bytes, 52, head.metadata_size);
  store(bytes, 56, head.key_size);
  store(bytes, 58, head.content_type_size);
  store(bytes, 60, head.type_size);
  store(bytes, 62, entry_magic);
  store(bytes, 0, base::xxh3_64(std::string_view(bytes).substr(8), salt));
  return bytes;
}

std::optional<EntryHead> decode_head(ByteView bytes, std::uint64_t salt) {
  if (bytes.size() < unit || load<std::uint16_t>(bytes, 62) != entry_magic ||
      load<std::uint64_t>(bytes, 0) != base::xxh3_64(bytes.subview(8, unit - 8), salt))
    return std::nullopt;
  EntryHead head;
  head.checksum = load<std::uint64_t>(bytes, 8);
  head.hash = load<std::uint64_t>(bytes, 16);
  head.generation = load<std::uint64_t>(bytes, 24);
  head.created = load_time(bytes, 32);
  head.expires = load_time(bytes, 40);
  head.value_size = load<std::uint32_t>(bytes, 48);
  head.metadata_size = load<std::uint32_t>(bytes, 52);
  head.key_size = load<std::uint16_t>(bytes, 56);
  head.content_type_size = load<std::uint16_t>(bytes, 58);
  head.type_size = load<std::uint16_t>(bytes, 60);
  if (head.key_size == 0) return std::nullopt;
  return head;
}

std::optional<Details> decode_texts(const EntryHead& head, ByteView bytes) {
  Texts texts{bytes.text()};
  Details details;
  details.generation = head.generation;
  details.created = head.created;
  details.expires = head.expires;
  details.key = texts.take(head.key_size);
  details.content_type = texts.take(head.content_type_size);
  details.type = texts.take(head.type_size);
  while (texts.ok && !texts.rest.empty()) {
    const auto name_size = texts.take_size();
    const auto value_size = texts.take_size();
    std::string name(texts.take(name_size));
    details.metadata.insert_or_assign(std::move(name), std::string(texts.take(value_size)));
  }
  if (!texts.ok) return std::nullopt;
  return details;
}

}  // namespace hotwell::cache

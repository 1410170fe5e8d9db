#include "cache/disk/entry.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "cache/keys.hpp"

namespace hotwell::cache {
namespace {

/// Read at once where nobody knows how long the entry is: a head and the longest key.
constexpr std::size_t first_read = unit + longest_key;
/// Up to this size a look-up reads the bytes; beyond it hands out a slice of the region.
constexpr std::uint64_t copied_up_to = 64 << 10;
constexpr std::size_t check_piece = 64 << 10;

struct Free {
  void operator()(std::byte* block) const { std::free(block); }
};
/// From malloc, since that can give back what is not needed in the end.
using Block = std::unique_ptr<std::byte, Free>;
Block allocate(std::uint64_t size) {
  auto* block = static_cast<std::byte*>(std::malloc(size));
  if (block == nullptr) throw std::bad_alloc();
  return Block(block);
}
void shrink(Block& block, std::uint64_t size) {
  auto* shrunk = static_cast<std::byte*>(std::realloc(block.get(), size));
  if (shrunk == nullptr) return;
  (void)block.release();
  block.reset(shrunk);
}

/// Whether everything behind the head is what was stored, read in pieces. Errors: io.
Result<bool> check_content(const Region& region, std::uint32_t slot, const EntryHead& head) {
  base::Xxh3 sum(region.header().salt);
  const auto part = std::make_unique_for_overwrite<std::byte[]>(check_piece);
  const auto begin = slot * unit;
  for (auto at = unit; at < head.length();) {
    const std::span<std::byte> into(part.get(), std::min<std::uint64_t>(check_piece, head.length() - at));
    if (auto read = region.read(begin + at, into); !read) return std::unexpected(read.error());
    sum.add(into);
    at += into.size();
  }
  return sum.value() == head.checksum;
}

/// The description of a slice: verifies the whole entry once.
class SliceDescription final : public Description {
 public:
  SliceDescription(std::shared_ptr<const Region> region, std::uint32_t slot, EntryHead head, Details details)
      : region_(std::move(region)), slot_(slot), head_(head) {
    assign(*this, std::move(details));
  }

  [[nodiscard]] Result<void> verify(std::uint64_t, std::uint64_t) const override {
    if (good_.load(std::memory_order_relaxed)) return {};
    auto good = check_content(*region_, slot_, head_);
    if (!good) return std::unexpected(good.error());
    if (!*good)
      return fail(Code::io, fmt::format("{} is damaged: \"{}\" is not what was stored", region_->path().string(), key));
    good_.store(true, std::memory_order_relaxed);
    return {};
  }
  [[nodiscard]] bool verified(std::uint64_t, std::uint64_t) const noexcept override {
    return good_.load(std::memory_order_relaxed);
  }

 private:
  const std::shared_ptr<const Region> region_;
  const std::uint32_t slot_;
  const EntryHead head_;
  mutable std::atomic<bool> good_{false};
};

Result<StoredEntry> read_large(const std::shared_ptr<Region>& region, std::uint32_t slot, const EntryHead& head,
                               Check check, Waits waits) {
  std::string texts(head.texts_size(), '\0');
  if (auto read = region->read(slot * unit + unit, std::as_writable_bytes(std::span(texts)), waits); !read)
    return std::unexpected(read.error());
  auto details = decode_texts(head, texts);
  if (!details) return StoredEntry{StoredEntry::State::damaged};
  const auto described = std::make_shared<SliceDescription>(region, slot, head, std::move(*details));
  if (check == Check::whole) {
    auto good = check_content(*region, slot, head);
    if (!good) return std::unexpected(good.error());
    if (!*good) return StoredEntry{StoredEntry::State::damaged};
  }
  return StoredEntry{
      StoredEntry::State::whole,
      Description::object(described, Level::disk,
                          FileSlice{region->file(), slot * unit + unit + head.texts_size(), head.value_size})};
}

}  // namespace

Result<StoredEntry> read_entry(const std::shared_ptr<Region>& region, Sought sought, std::string_view key, WallTime now,
                               Check check) {
  // Small entries are read here and copied; of a middle-sized one the block that is read becomes the object's.
  std::array<std::byte, first_read> first;  // as it is: it is filled below, as far as it is looked at
  const auto slot = sought.slot;
  const auto wanted = sought.expected != 0 ? sought.expected : first_read;
  auto block = wanted > first_read ? allocate(wanted) : nullptr;
  auto count = region->read_some(slot * unit, {block ? block.get() : first.data(), wanted}, sought.waits);
  if (!count) return std::unexpected(count.error());
  const ByteView there{block ? block.get() : first.data(), *count};
  const auto head = decode_head(there, region->header().salt);
  if (!head || slot + head->units() > region->shape().slots() || *count < std::min(head->length(), wanted))
    return StoredEntry{StoredEntry::State::damaged};
  if (head->key_size != key.size() || *count < unit + key.size() || there.subview(unit, key.size()).text() != key)
    return StoredEntry{StoredEntry::State::other};
  if (head->expires <= now) return StoredEntry{StoredEntry::State::expired};
  if (head->value_size > copied_up_to) return read_large(region, slot, *head, check, sought.waits);

  const auto length = head->length();
  if (block && *count >= length) {
    shrink(block, length);
  } else {
    auto whole = allocate(length);
    const auto have = std::min<std::uint64_t>(length, *count);
    std::memcpy(whole.get(), there.data(), have);
    if (have < length)
      if (auto read = region->read(slot * unit + have, {whole.get() + have, length - have}, sought.waits); !read)
        return std::unexpected(read.error());
    block = std::move(whole);
  }
  const auto content = ByteView{block.get(), length}.subview(unit, length - unit);
  if (base::xxh3_64(content, region->header().salt) != head->checksum) return StoredEntry{StoredEntry::State::damaged};
  auto details = decode_texts(*head, content.subview(0, head->texts_size()));
  if (!details) return StoredEntry{StoredEntry::State::damaged};
  return StoredEntry{StoredEntry::State::whole,
                     Description::object(describe(std::move(*details)), Level::disk,
                                         Buffer::wrap(std::shared_ptr<const std::byte>(std::move(block)),
                                                      content.subview(head->texts_size(), head->value_size)))};
}

Result<std::optional<EntryHead>> read_head_of(const Region& region, std::uint32_t slot, std::string_view key) {
  std::array<std::byte, first_read> bytes;  // filled below
  const std::span<std::byte> wanted(bytes.data(), unit + std::min(key.size(), longest_key));
  auto count = region.read_some(slot * unit, wanted);
  if (!count) return std::unexpected(count.error());
  const ByteView there{bytes.data(), *count};
  const auto head = decode_head(there, region.header().salt);
  if (!head || head->key_size != key.size() || there.size() < unit + key.size() ||
      there.subview(unit, key.size()).text() != key)
    return std::nullopt;
  return head;
}

Result<std::optional<EntryHead>> read_head_of(const Region& region, std::uint32_t slot) {
  std::array<std::byte, unit> bytes{};
  auto count = region.read_some(slot * unit, bytes);
  if (!count) return std::unexpected(count.error());
  return decode_head({bytes.data(), *count}, region.header().salt);
}

std::optional<ReadDetails> read_details(const Region& region, std::uint32_t slot) {
  const auto head = read_head_of(region, slot);
  if (!head || !*head || slot + (*head)->units() > region.shape().slots()) return std::nullopt;
  std::string texts((*head)->texts_size(), '\0');
  if (!region.read(slot * unit + unit, std::as_writable_bytes(std::span(texts)))) return std::nullopt;
  auto details = decode_texts(**head, texts);
  if (!details) return std::nullopt;
  return ReadDetails{**head, std::move(*details)};
}

Result<std::optional<std::string>> read_content(const Region& region, std::uint32_t slot, const EntryHead& head) {
  if (slot + head.units() > region.shape().slots()) return std::nullopt;
  std::string content(head.length() - unit, '\0');
  if (auto read = region.read(slot * unit + unit, std::as_writable_bytes(std::span(content))); !read)
    return std::unexpected(read.error());
  if (base::xxh3_64(content, region.header().salt) != head.checksum) return std::nullopt;
  return content;
}

}  // namespace hotwell::cache

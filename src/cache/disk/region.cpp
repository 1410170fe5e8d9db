#include "cache/disk/region.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"

namespace hotwell::cache {
namespace {

constexpr std::string_view region_suffix = ".region";
constexpr std::size_t id_digits = 16;
constexpr std::size_t scan_piece = 64 << 10;
/// Read at once while a region is scanned: an entry that fits into it costs no reads of its own.
constexpr std::size_t scan_window = 1 << 20;

std::shared_ptr<const FileHandle> charged(FileHandle file, std::shared_ptr<Charge> charge) {
  // Let go of here: a weak pointer to the handle would keep the deleter itself.
  return {new FileHandle(std::move(file)), [charge = std::move(charge)](const FileHandle* open) mutable {
            delete open;
            charge.reset();
          }};
}

}  // namespace

std::string region_name(std::uint64_t id) { return fmt::format("{:016x}{}", id, region_suffix); }

std::optional<std::uint64_t> region_id_of(std::string_view name) {
  std::uint64_t id = 0;
  const auto digits = name.substr(0, std::min(id_digits, name.size()));
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id, 16);
  if (error != std::errc() || name != region_name(id)) return std::nullopt;
  return id;
}

Region::Region(host::Disk& disk, RegionHeader header, std::filesystem::path path, FileHandle file,
               std::shared_ptr<Charge> charge)
    : disk_(disk), header_(header), path_(std::move(path)), file_(charged(std::move(file), std::move(charge))) {
  figures.id = header.id;
}

Result<std::shared_ptr<Region>> Region::create(host::Disk& disk, const std::filesystem::path& directory,
                                               RegionHeader header, std::shared_ptr<Charge> charge) {
  const auto path = directory / region_name(header.id);
  auto file = disk.create(path);
  if (!file) return std::unexpected(file.error());
  auto made = disk.preallocate(*file, header.size);
  if (made) made = disk.write(*file, 0, encode(header));
  if (!made) {
    // Where it cannot be removed either, the next start does: it has no entry.
    (void)disk.remove(path);
    return std::unexpected(made.error());
  }
  return std::shared_ptr<Region>(new Region(disk, header, path, std::move(*file), std::move(charge)));
}

Result<std::shared_ptr<Region>> Region::open(host::Disk& disk, const std::filesystem::path& path,
                                             const std::shared_ptr<Budget>& budget) {
  auto file = disk.open_to_change(path);
  if (!file) return std::unexpected(file.error());
  std::array<std::byte, unit> bytes{};
  auto count = disk.read(*file, 0, bytes);
  if (!count) return std::unexpected(count.error());
  auto header = decode_region_header({bytes.data(), *count});
  if (!header) return std::unexpected(header.error());
  if (region_name(header->id) != path.filename().string())
    return fail(Code::io, fmt::format("it is region {:016x} under another's name", header->id));
  auto status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  if (status->size != header->size)
    return fail(Code::io, fmt::format("it is {} bytes long instead of {}", status->size, header->size));

  auto charge = std::make_shared<Charge>(budget);
  charge->set(header->size);
  const std::shared_ptr<Region> region(new Region(disk, *header, path, std::move(*file), std::move(charge)));
  if (const auto footer = region->read_footer()) {
    region->sealed_ = true;
    region->appended_ = footer->items;
    region->last_generation_ = footer->last_generation;
  }
  return region;
}

Result<Region::Loaded> Region::load() {
  std::vector<std::byte> deaths(shape().deaths_size());
  if (auto there = read(shape().deaths_offset(), deaths); !there) return std::unexpected(there.error());
  Loaded loaded;
  if (auto sealed = sealed_ ? read_sealed_index() : std::nullopt) {
    loaded.items = std::move(*sealed);
  } else {
    sealed_ = false;
    loaded.items = scan();
    appended_ = loaded.items.size();
    // A footer means that it was sealed once: then only the scan knows what is in it, and nothing may be added.
    std::array<std::byte, 1> first{};
    loaded.damaged = read(shape().footer_offset(), first) && first[0] != std::byte{0};
    // What was killed without ever being whole keeps its slot: the next entry there would be born dead.
    const auto killed = std::find_if(deaths.rbegin(), deaths.rend(), is_dead);
    tail_ = std::max<std::uint64_t>(tail_, 2 * static_cast<std::uint64_t>(deaths.rend() - killed));
  }
  std::erase_if(loaded.items, [&](const IndexItem& item) { return is_dead(deaths[item.slot / 2]); });
  return loaded;
}

Result<std::size_t> Region::read_some(std::uint64_t offset, std::span<std::byte> into, Waits waits) const {
  if (waits == Waits::no) {
    if (const auto count = disk_.read_resident(*file_, offset, into)) return *count;
    return fail(Code::unavailable, fmt::format("{} is not in memory", path_.string()));
  }
  auto count = disk_.read(*file_, offset, into);
  if (!count) return fail(Code::io, fmt::format("cannot read {}", path_.string()), count.error());
  return count;
}

Result<void> Region::read(std::uint64_t offset, std::span<std::byte> into, Waits waits) const {
  auto count = read_some(offset, into, waits);
  if (!count) return std::unexpected(count.error());
  if (*count != into.size())
    return fail(Code::io,
                fmt::format("{} ends at {}, before its size of {}", path_.string(), offset + *count, header_.size));
  return {};
}

Region::Appended Region::append(const EntryHead& head, ByteView front, ByteView rest) {
  HOTWELL_ASSERT(!sealed_ && fits(head.units()));
  const auto slot = static_cast<std::uint32_t>(tail_);
  tail_ += head.units();
  ++appended_;
  items_.push_back({head.hash, head.expires, slot, static_cast<std::uint32_t>(head.units())});
  last_generation_ = std::max(last_generation_, head.generation);
  ++writes_;
  // What of it is missing after a crash, its checksum tells.
  return {slot, rest.empty() ? disk_.write(*file_, slot * unit, front) : disk_.write(*file_, slot * unit, front, rest)};
}

Result<void> Region::kill(std::uint32_t slot) {
  ++writes_;
  constexpr std::array<std::uint8_t, 1> death{dead};
  return disk_.write(*file_, shape().death_of(slot), death);
}

Result<void> Region::seal() {
  const auto sealed = encode(header_, items_, last_generation_);
  ++writes_;
  if (auto written = disk_.write(*file_, shape().index_offset(items_.size()), sealed.index); !written) return written;
  if (auto written = disk_.write(*file_, shape().footer_offset(), sealed.footer); !written) return written;
  sealed_ = true;
  sealed_at_ = writes_;
  items_ = {};
  return {};
}

Result<std::vector<IndexItem>> Region::items() const {
  if (!sealed_) return items_;
  if (auto read = read_sealed_index()) return std::move(*read);
  return fail(Code::io, fmt::format("the index of {} is damaged", path_.string()));
}

std::optional<Footer> Region::read_footer() const {
  std::array<std::byte, unit> bytes{};
  if (!read(shape().footer_offset(), bytes)) return std::nullopt;
  return decode_footer(header_, bytes);
}

std::optional<std::vector<IndexItem>> Region::read_sealed_index() const {
  const auto footer = read_footer();
  if (!footer) return std::nullopt;
  std::vector<std::byte> index(footer->items * index_item_size);
  if (!read(shape().index_offset(footer->items), index)) return std::nullopt;
  return decode_index(header_, *footer, index);
}

/// A part of a region in memory, moved on as it is scanned.
class Region::Window {
 public:
  explicit Window(const Region& region)
      : region_(region), bytes_(std::make_unique_for_overwrite<std::byte[]>(scan_window)) {}

  /// Bytes [offset, offset + length) of the region; zeros where they cannot be read. Valid until the next call.
  /// Precondition: no more than a window, and before the footer.
  [[nodiscard]] ByteView see(std::uint64_t offset, std::uint64_t length) {
    if (offset < begin_ || offset + length > begin_ + size_) {
      const auto left = region_.shape().footer_offset() - offset;
      // What cannot be read whole costs no more than a piece.
      for (const auto most : {scan_window, scan_piece}) {
        begin_ = offset;
        size_ = std::max<std::uint64_t>(std::min<std::uint64_t>(most, left), length);
        if (region_.read(begin_, {bytes_.get(), size_})) break;
        if (most == scan_piece) std::fill_n(bytes_.get(), size_, std::byte{0});
      }
    }
    return ByteView(bytes_.get(), size_).subview(offset - begin_, length);
  }

 private:
  const Region& region_;
  const std::unique_ptr<std::byte[]> bytes_;
  std::uint64_t begin_ = 0;
  std::uint64_t size_ = 0;
};

std::vector<IndexItem> Region::scan() {
  items_.clear();
  tail_ = 1;
  Window window(*this);
  const auto whole = [&](const EntryHead& head, std::uint64_t offset) {
    if (head.length() > scan_window) return is_whole(head, offset);
    const auto content = window.see(offset, head.length()).subview(unit, head.length() - unit);
    return base::xxh3_64(content, header_.salt) == head.checksum;
  };
  // An entry whose writing was cut off leaves a gap; what comes behind it was whole all the same.
  for (std::uint64_t slot = 1; (slot + 2) * unit <= shape().footer_offset();) {
    const auto offset = slot * unit;
    const auto head = decode_head(window.see(offset, unit), header_.salt);
    if (!head || !shape().fits(slot, items_.size(), head->units()) || !whole(*head, offset)) {
      ++slot;
      continue;
    }
    items_.push_back(
        {head->hash, head->expires, static_cast<std::uint32_t>(slot), static_cast<std::uint32_t>(head->units())});
    last_generation_ = std::max(last_generation_, head->generation);
    slot += head->units();
    tail_ = slot;
  }
  return items_;
}

bool Region::is_whole(const EntryHead& head, std::uint64_t offset) const {
  base::Xxh3 sum(header_.salt);
  std::vector<std::byte> part(std::min<std::uint64_t>(scan_piece, head.length() - unit));
  for (auto at = unit; at < head.length(); at += part.size()) {
    part.resize(std::min<std::uint64_t>(scan_piece, head.length() - at));
    if (!read(offset + at, part)) return false;
    sum.add(part);
  }
  return sum.value() == head.checksum;
}

}  // namespace hotwell::cache

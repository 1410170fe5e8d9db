/// One region of the disk tier's log: a file of fixed size that entries are appended to, that is sealed with an index
/// when it is full, and whose entries die one by one by a byte each.
///
/// Invariants:
/// - Bytes of entries never change: a reader that has the file reads what was stored, even after the region went.
/// - A slot below the tail is never written a second time.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "cache/budget.hpp"
#include "cache/disk/eviction.hpp"
#include "cache/disk/format.hpp"
#include "host/disk.hpp"

namespace hotwell::cache {

/// Whether a read may wait for the medium, or is only made where the kernel has the bytes in memory.
enum class Waits : std::uint8_t { yes, no };

/// Threads: what says so may be called from any; the rest is guarded by the tier's writer lock, and `figures` by the
/// lock of its index.
class Region {
 public:
  /// A new file that takes its whole size at once, charged to `charge` while any reader has it open.
  /// Errors: disk_full, io.
  [[nodiscard]] static Result<std::shared_ptr<Region>> create(host::Disk& disk, const std::filesystem::path& directory,
                                                              RegionHeader header, std::shared_ptr<Charge> charge);
  /// A region that is there, as far as its header and footer tell: load() reads the rest.
  /// Errors: invalid_argument for a version that is not known, io for what is no region.
  [[nodiscard]] static Result<std::shared_ptr<Region>> open(host::Disk& disk, const std::filesystem::path& path,
                                                            const std::shared_ptr<Budget>& budget);
  struct Loaded {
    std::vector<IndexItem> items;  ///< in the order they were appended, the dead left out
    bool damaged = false;          ///< it was sealed, and its index is not readable any more
  };
  /// What lives in it. Once, after open(). Errors: io, where its deaths cannot be read: then nobody could tell what was
  /// deleted.
  [[nodiscard]] Result<Loaded> load();

  [[nodiscard]] const RegionHeader& header() const { return header_; }
  [[nodiscard]] RegionShape shape() const { return {header_.size}; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Any thread: for slices of it.
  [[nodiscard]] const std::shared_ptr<const FileHandle>& file() const { return file_; }
  /// Any thread. As far as the file goes; returns how much that was. Errors: io; unavailable, where it would have to
  /// wait for the medium and must not.
  [[nodiscard]] Result<std::size_t> read_some(std::uint64_t offset, std::span<std::byte> into,
                                              Waits waits = Waits::yes) const;
  /// Any thread. Errors: as read_some(); io, where the file ends too early.
  Result<void> read(std::uint64_t offset, std::span<std::byte> into, Waits waits = Waits::yes) const;

  [[nodiscard]] bool sealed() const { return sealed_; }
  [[nodiscard]] bool fits(std::uint64_t units) const { return shape().fits(tail_, items_.size(), units); }
  /// Appends an entry whose parts lie behind each other, and returns its slot. After an error its slot is used up, and
  /// what is there must be killed. Precondition: fits(), not sealed.
  struct Appended {
    std::uint32_t slot = 0;
    Result<void> written;
  };
  [[nodiscard]] Appended append(const EntryHead& head, ByteView front, ByteView rest);
  /// The entry in this slot is none any more, for every start from here on.
  Result<void> kill(std::uint32_t slot);
  /// Writes index and footer; nothing is appended from here on.
  Result<void> seal();
  /// How often it was written to; and up to which of those writes it outlives the machine's death.
  [[nodiscard]] std::uint64_t writes() const { return writes_; }
  [[nodiscard]] std::uint64_t synced_writes() const { return synced_writes_; }
  void set_synced(std::uint64_t writes) { synced_writes_ = writes; }
  /// The highest of all entries that were appended.
  [[nodiscard]] std::uint64_t last_generation() const { return last_generation_; }
  /// The value of writes() when it was sealed.
  [[nodiscard]] std::uint64_t sealed_at() const { return sealed_at_; }
  /// How many entries were ever appended, as far as its footer or this process knows.
  [[nodiscard]] std::uint64_t appended() const { return appended_; }
  /// All entries that were appended, dead or not. Errors: io, where the index cannot be read.
  [[nodiscard]] Result<std::vector<IndexItem>> items() const;

  RegionFigures figures;
  WallTime earliest_expiry = WallTime::max();  ///< guarded as figures are

 private:
  class Window;
  Region(host::Disk& disk, RegionHeader header, std::filesystem::path path, FileHandle file,
         std::shared_ptr<Charge> charge);
  [[nodiscard]] std::optional<Footer> read_footer() const;
  [[nodiscard]] std::optional<std::vector<IndexItem>> read_sealed_index() const;
  /// Finds the entries of a region without a readable index by their heads, and where the next may go.
  [[nodiscard]] std::vector<IndexItem> scan();
  /// Of an entry that is read in pieces.
  [[nodiscard]] bool is_whole(const EntryHead& head, std::uint64_t offset) const;

  host::Disk& disk_;
  const RegionHeader header_;
  const std::filesystem::path path_;
  const std::shared_ptr<const FileHandle> file_;
  std::uint64_t tail_ = 1;        ///< the first free slot
  std::vector<IndexItem> items_;  ///< until it is sealed
  bool sealed_ = false;
  std::uint64_t writes_ = 1;
  std::uint64_t synced_writes_ = 0;
  std::uint64_t sealed_at_ = 1;
  std::uint64_t appended_ = 0;
  std::uint64_t last_generation_ = 0;
};

/// The file's name in the tier's directory; id_of() is its inverse, none for other names.
[[nodiscard]] std::string region_name(std::uint64_t id);
[[nodiscard]] std::optional<std::uint64_t> region_id_of(std::string_view name);

}  // namespace hotwell::cache

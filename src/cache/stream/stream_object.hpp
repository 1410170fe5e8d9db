/// One object of the stream tier: its description, where its file is, and which of its chunks were verified since
/// start.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "cache/budget.hpp"
#include "cache/stream/manifest.hpp"
#include "host/disk.hpp"

namespace hotwell::cache {

/// The handle keeps the charge: an unlinked file that is still read still takes space.
[[nodiscard]] std::shared_ptr<const FileHandle> share(FileHandle file, std::shared_ptr<const Charge> space);

/// Threads: any.
class StreamObject final : public Description {
 public:
  enum class Trust : std::uint8_t { made_now, found };

  StreamObject(host::Disk& disk, Manifest manifest, std::filesystem::path path, std::shared_ptr<const Charge> space,
               Trust trust);

  [[nodiscard]] std::uint64_t length() const { return size_; }
  [[nodiscard]] const std::vector<std::uint64_t>& checksums() const { return checksums_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// True while a reader, or the writer that made it, has the file open.
  [[nodiscard]] bool open_elsewhere() const { return space_.use_count() > 1; }

  /// The open file: one descriptor however many readers. Errors: not_found where it is gone, io.
  [[nodiscard]] Result<std::shared_ptr<const FileHandle>> file() const;
  /// Lets readers share the descriptor that a writer has open already.
  void adopt(const std::shared_ptr<const FileHandle>& file) const;
  /// The whole content out of file(), verified. Errors: as verify().
  [[nodiscard]] Result<Buffer> read(const FileHandle& open) const;
  [[nodiscard]] Result<void> verify(std::uint64_t offset, std::uint64_t length) const override;
  [[nodiscard]] bool verified(std::uint64_t offset, std::uint64_t length) const noexcept override;
  /// The open file where somebody has it open; never blocks.
  [[nodiscard]] std::shared_ptr<const FileHandle> open_file() const;

 private:
  [[nodiscard]] Result<void> check(std::uint64_t chunk, ByteView bytes) const;
  [[nodiscard]] bool verified(std::uint64_t chunk) const noexcept;

  host::Disk& disk_;
  const std::uint64_t size_;
  const std::vector<std::uint64_t> checksums_;
  const std::filesystem::path path_;  ///< empty where the file has no name
  const std::shared_ptr<const Charge> space_;
  mutable std::vector<std::atomic<std::uint64_t>> verified_;  ///< one bit a chunk
  mutable std::mutex mutex_;
  mutable std::weak_ptr<const FileHandle> open_;
};

}  // namespace hotwell::cache

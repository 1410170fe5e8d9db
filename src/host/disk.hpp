/// The disk seam: what a tier of files needs of a file system and nothing more, so that tests can put one in its place
/// that fills up, fails and stops at any step.
///
/// Paths are whole paths. Every mutation is one step: a crash lies before or after it. Data is in the kernel when a
/// call returns; only sync() and sync_directory() wait for the medium.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <hotwell/body.hpp>
#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell::host {

/// Threads: any. Errors: as system_error(), with the path in the message; not_found where a file is absent.
class Disk {
 public:
  enum class Kind : std::uint8_t { file, directory, other };
  struct Entry {
    std::string name;
    Kind kind = Kind::other;
  };
  struct Status {
    std::uint64_t size = 0;
    WallTime modified{};
  };

  virtual ~Disk() = default;
  /// For reading.
  [[nodiscard]] virtual Result<FileHandle> open(const std::filesystem::path& path) = 0;
  /// For reading and writing a file that is there.
  [[nodiscard]] virtual Result<FileHandle> open_to_change(const std::filesystem::path& path) = 0;
  /// A new, empty file for reading and writing; fails where one is.
  [[nodiscard]] virtual Result<FileHandle> create(const std::filesystem::path& path) = 0;
  /// The same without a name: gone with its last descriptor.
  [[nodiscard]] virtual Result<FileHandle> create_unnamed(const std::filesystem::path& directory) = 0;
  /// Fills `into` from `offset` on, as far as the file goes; returns how much that was.
  [[nodiscard]] virtual Result<std::size_t> read(const FileHandle& file, std::uint64_t offset,
                                                 std::span<std::byte> into) = 0;
  /// read() of what the kernel has in memory. None where it has not all of it, or does not say; then nothing waited.
  [[nodiscard]] virtual std::optional<std::size_t> read_resident(const FileHandle& file, std::uint64_t offset,
                                                                 std::span<std::byte> into) = 0;
  virtual Result<void> write(const FileHandle& file, std::uint64_t offset, ByteView bytes) = 0;
  /// Two runs of bytes behind each other, as one step.
  virtual Result<void> write(const FileHandle& file, std::uint64_t offset, ByteView first, ByteView second) = 0;
  virtual Result<void> resize(const FileHandle& file, std::uint64_t size) = 0;
  /// Makes an empty file `size` zero bytes long and takes the space for them where the file system can.
  virtual Result<void> preallocate(const FileHandle& file, std::uint64_t size) = 0;
  /// Gives back the space of whole blocks in [offset, offset + length), which read as zeros from now on. Errors: also
  /// where the file system cannot.
  virtual Result<void> punch(const FileHandle& file, std::uint64_t offset, std::uint64_t length) = 0;
  /// What was written to the file outlives the machine's death.
  virtual Result<void> sync(const FileHandle& file) = 0;
  /// The same for names that came, went and changed in the directory.
  virtual Result<void> sync_directory(const std::filesystem::path& directory) = 0;
  /// Of the file system that holds the path: its size, and what a process without privileges may still take.
  struct Space {
    Bytes size;
    Bytes free;
  };
  [[nodiscard]] virtual Result<Space> space(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual Result<Status> status(const FileHandle& file) = 0;
  /// Replaces `to` atomically.
  virtual Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual Result<void> remove(const std::filesystem::path& path) = 0;
  /// Makes the directory and its parents; one that is there is fine.
  virtual Result<void> make_directory(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual Result<std::vector<Entry>> list(const std::filesystem::path& directory) = 0;
  /// Takes the advisory lock at `path` for as long as the handle lives and leaves this process's id in it.
  /// Errors: unavailable, naming the process that has it.
  [[nodiscard]] virtual Result<FileHandle> lock(const std::filesystem::path& path) = 0;
};

/// The machine's file systems; lives as long as the program.
[[nodiscard]] Disk& system_disk();

/// An unnamed file in memory, for what must be a descriptor where there is no directory.
[[nodiscard]] Result<FileHandle> memory_file(const std::string& name);

}  // namespace hotwell::host

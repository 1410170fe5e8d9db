#include "host/disk.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

namespace hotwell::host {
namespace {

constexpr mode_t private_file = 0600;
constexpr mode_t private_directory = 0700;

Result<FileHandle> open_file(const std::filesystem::path& path, int flags, const char* doing) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, private_file);
  if (fd < 0) return system_fail(errno, fmt::format("{} {}", doing, path.string()));
  return FileHandle{fd};
}

class SystemDisk final : public Disk {
 public:
  Result<FileHandle> open(const std::filesystem::path& path) override {
    return open_file(path, O_RDONLY | O_NOFOLLOW, "opening");
  }

  Result<FileHandle> open_to_change(const std::filesystem::path& path) override {
    return open_file(path, O_RDWR | O_NOFOLLOW, "opening");
  }

  Result<FileHandle> create(const std::filesystem::path& path) override {
    return open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, "creating");
  }

  Result<FileHandle> create_unnamed(const std::filesystem::path& directory) override {
    const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, private_file);
    if (fd >= 0) return FileHandle{fd};
    if (errno != EOPNOTSUPP && errno != EISDIR)
      return system_fail(errno, fmt::format("creating a file in {}", directory.string()));
    // A file system without O_TMPFILE: a name for a moment.
    std::string name = (directory / "unnamed-XXXXXX").string();
    const int named = ::mkostemp(name.data(), O_CLOEXEC);
    if (named < 0) return system_fail(errno, fmt::format("creating a file in {}", directory.string()));
    ::unlink(name.c_str());
    return FileHandle{named};
  }

  Result<std::size_t> read(const FileHandle& file, std::uint64_t offset, std::span<std::byte> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto n = ::pread(file.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n == 0) break;
      if (n > 0)
        done += static_cast<std::size_t>(n);
      else if (errno != EINTR)
        return system_fail(errno, "reading a file");
    }
    return done;
  }

  std::optional<std::size_t> read_resident(const FileHandle& file, std::uint64_t offset,
                                           std::span<std::byte> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const iovec part{into.data() + done, into.size() - done};
      const auto n = ::preadv2(file.get(), &part, 1, static_cast<off_t>(offset + done), RWF_NOWAIT);
      if (n == 0) break;
      if (n > 0)
        done += static_cast<std::size_t>(n);
      else if (errno != EINTR)
        return std::nullopt;
    }
    return done;
  }

  Result<void> write(const FileHandle& file, std::uint64_t offset, ByteView bytes) override {
    while (!bytes.empty()) {
      const auto n = ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0) {
        if (errno == EINTR) continue;
        return system_fail(errno, "writing a file");
      }
      offset += static_cast<std::uint64_t>(n);
      bytes = bytes.subview(static_cast<std::size_t>(n), bytes.size() - static_cast<std::size_t>(n));
    }
    return {};
  }

  Result<void> write(const FileHandle& file, std::uint64_t offset, ByteView first, ByteView second) override {
    const std::array<iovec, 2> parts{iovec{const_cast<std::byte*>(first.data()), first.size()},
                                     iovec{const_cast<std::byte*>(second.data()), second.size()}};
    const auto n = ::pwritev(file.get(), parts.data(), static_cast<int>(parts.size()), static_cast<off_t>(offset));
    if (n < 0 && errno != EINTR) return system_fail(errno, "writing a file");
    const auto done = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
    if (done < first.size())
      if (auto written = write(file, offset + done, first.subview(done, first.size() - done)); !written) return written;
    const auto of_second = done - std::min(done, first.size());
    return write(file, offset + first.size() + of_second, second.subview(of_second, second.size() - of_second));
  }

  Result<void> resize(const FileHandle& file, std::uint64_t size) override {
    if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0) return system_fail(errno, "resizing a file");
    return {};
  }

  Result<void> preallocate(const FileHandle& file, std::uint64_t size) override {
    int error = EINTR;
    while (error == EINTR) error = ::fallocate(file.get(), 0, 0, static_cast<off_t>(size)) == 0 ? 0 : errno;
    if (error == 0) return {};
    if (error == EOPNOTSUPP || error == ENOSYS) return resize(file, size);
    return system_fail(error, "taking space for a file");
  }

  Result<void> punch(const FileHandle& file, std::uint64_t offset, std::uint64_t length) override {
    constexpr int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    while (::fallocate(file.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0)
      if (errno != EINTR) return system_fail(errno, "giving back a part of a file");
    return {};
  }

  Result<void> sync(const FileHandle& file) override {
    if (::fdatasync(file.get()) != 0) return system_fail(errno, "waiting for a file to reach the disk");
    return {};
  }

  Result<void> sync_directory(const std::filesystem::path& directory) override {
    auto open = open_file(directory, O_RDONLY | O_DIRECTORY, "opening");
    if (!open) return std::unexpected(open.error());
    if (::fsync(open->get()) != 0)
      return system_fail(errno, fmt::format("waiting for the names in {} to reach the disk", directory.string()));
    return {};
  }

  Result<Space> space(const std::filesystem::path& path) override {
    struct statvfs told{};
    if (::statvfs(path.c_str(), &told) != 0)
      return system_fail(errno, fmt::format("asking for the space that is left in {}", path.string()));
    return Space{{told.f_blocks * told.f_frsize}, {told.f_bavail * told.f_frsize}};
  }

  Result<Status> status(const FileHandle& file) override {
    struct stat told{};
    if (::fstat(file.get(), &told) != 0) return system_fail(errno, "asking a file for its size");
    const auto modified = std::chrono::seconds{told.st_mtim.tv_sec} + std::chrono::nanoseconds{told.st_mtim.tv_nsec};
    return Status{static_cast<std::uint64_t>(told.st_size),
                  WallTime{std::chrono::duration_cast<std::chrono::microseconds>(modified)}};
  }

  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      return system_fail(errno, fmt::format("renaming {} to {}", from.string(), to.filename().string()));
    return {};
  }

  Result<void> remove(const std::filesystem::path& path) override {
    if (::unlink(path.c_str()) != 0) return system_fail(errno, fmt::format("removing {}", path.string()));
    return {};
  }

  Result<void> make_directory(const std::filesystem::path& path) override {
    if (::mkdir(path.c_str(), private_directory) == 0) return {};
    int error = errno;
    if (error == ENOENT && path.has_parent_path() && path.parent_path() != path) {
      if (auto parent = make_directory(path.parent_path()); !parent) return parent;
      if (::mkdir(path.c_str(), private_directory) == 0) return {};
      error = errno;
    }
    struct stat told{};
    if (error == EEXIST && ::stat(path.c_str(), &told) == 0) {
      if (S_ISDIR(told.st_mode)) return {};
      error = ENOTDIR;
    }
    return system_fail(error, fmt::format("making the directory {}", path.string()));
  }

  Result<std::vector<Entry>> list(const std::filesystem::path& directory) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(directory.c_str()), &::closedir};
    if (!open) return system_fail(errno, fmt::format("listing {}", directory.string()));
    std::vector<Entry> entries;
    for (;;) {
      errno = 0;
      const dirent* found = ::readdir(open.get());
      if (found == nullptr) {
        if (errno != 0) return system_fail(errno, fmt::format("listing {}", directory.string()));
        return entries;
      }
      const std::string name = found->d_name;
      if (name == "." || name == "..") continue;
      entries.push_back({name, kind_of(directory / name, found->d_type)});
    }
  }

  Result<FileHandle> lock(const std::filesystem::path& path) override {
    auto file = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, "opening");
    if (!file) return file;
    if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return system_fail(errno, fmt::format("locking {}", path.string()));
      std::array<std::byte, 32> text{};
      const auto length = read(*file, 0, text).value_or(0);
      const std::string_view pid = ByteView{text.data(), length}.text();
      return fail(Code::unavailable, fmt::format("{} is held by another process (pid {})", path.parent_path().string(),
                                                 pid.empty() ? "unknown" : pid.substr(0, pid.find('\n'))));
    }
    if (auto emptied = resize(*file, 0); !emptied) return std::unexpected(emptied.error());
    if (auto written = write(*file, 0, fmt::format("{}\n", ::getpid())); !written)
      return std::unexpected(written.error());
    return file;
  }

 private:
  static Kind kind_of(const std::filesystem::path& path, unsigned char type) {
    if (type == DT_REG) return Kind::file;
    if (type == DT_DIR) return Kind::directory;
    struct stat told{};
    if (type != DT_UNKNOWN || ::lstat(path.c_str(), &told) != 0) return Kind::other;
    return S_ISREG(told.st_mode) ? Kind::file : S_ISDIR(told.st_mode) ? Kind::directory : Kind::other;
  }
};

}  // namespace

Disk& system_disk() {
  static SystemDisk disk;
  return disk;
}

Result<FileHandle> memory_file(const std::string& name) {
  const int fd = ::memfd_create(name.c_str(), MFD_CLOEXEC);
  if (fd < 0) return system_fail(errno, "making a file in memory");
  return FileHandle{fd};
}

}  // namespace hotwell::host

#include "engine/kept_uploads.hpp"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/log.hpp"

namespace hotwell::engine {
namespace {

Result<void> copy(int from, std::uint64_t size, const std::filesystem::path& path) {
  const FileHandle to{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!to) return system_fail(errno, fmt::format("creating {}", path.string()));
  off_t offset = 0;
  while (static_cast<std::uint64_t>(offset) < size) {
    const ssize_t sent = ::sendfile(to.get(), from, &offset, size - static_cast<std::uint64_t>(offset));
    if (sent > 0 || (sent < 0 && errno == EINTR)) continue;
    const int error = sent == 0 ? EIO : errno;
    ::unlink(path.c_str());
    return system_fail(error, fmt::format("copying an upload to {}", path.string()));
  }
  return {};
}

Result<void> sync(int fd, const std::filesystem::path& what) {
  if (::fsync(fd) != 0) return system_fail(errno, fmt::format("writing {} to its medium", what.string()));
  return {};
}

}  // namespace

Result<KeptUploads> KeptUploads::open(std::filesystem::path directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return std::unexpected(system_error(error.value(), fmt::format("making {}", directory.string())));
  return KeptUploads{std::move(directory)};
}

Result<void> KeptUploads::keep(std::string_view job_id, const InputUpload& upload, Durability durability) const {
  const auto path = path_of(job_id);
  // A second name of the same bytes, where the file system allows it: it costs nothing, however large they are.
  const std::string opened = fmt::format("/proc/self/fd/{}", upload.file->get());
  if (::linkat(AT_FDCWD, opened.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0)
    if (auto copied = copy(upload.file->get(), upload.size, path); !copied) return copied;
  if (durability != Durability::power) return {};
  const FileHandle kept{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (auto synced = sync(kept.get(), path); !synced) return synced;
  const FileHandle directory{::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  return sync(directory.get(), directory_);
}

Result<std::shared_ptr<const FileHandle>> KeptUploads::find(std::string_view job_id) const {
  FileHandle file{::open(path_of(job_id).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) return fail(Code::result_gone, fmt::format("the upload of job {} is no longer held", job_id));
  return std::make_shared<const FileHandle>(std::move(file));
}

void KeptUploads::remove(std::string_view job_id) const {
  if (::unlink(path_of(job_id).c_str()) != 0 && errno != ENOENT)
    base::log().warn("{}", to_string(system_error(errno, fmt::format("removing {}", path_of(job_id).string()))));
}

void KeptUploads::remove_all_but(const std::function<bool(std::string_view)>& wanted) const {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error))
    if (const auto name = entry.path().filename().string(); !wanted(name)) remove(name);
}

}  // namespace hotwell::engine

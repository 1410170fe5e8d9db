#include <hotwell/body.hpp>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace hotwell {

Buffer Buffer::copy_of(ByteView bytes) {
  if (bytes.empty()) return {};
  std::shared_ptr<std::byte[]> owner = std::make_shared_for_overwrite<std::byte[]>(bytes.size());
  std::memcpy(owner.get(), bytes.data(), bytes.size());
  const ByteView view{owner.get(), bytes.size()};
  return wrap(std::move(owner), view);
}

Buffer Buffer::of(std::string&& bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const ByteView view{*owner};
  return wrap(std::move(owner), view);
}

Buffer Buffer::wrap(std::shared_ptr<const void> owner, ByteView bytes) {
  Buffer buffer;
  buffer.owner_ = std::move(owner);
  buffer.view_ = bytes;
  return buffer;
}

FileHandle::~FileHandle() {
  if (fd_ >= 0) ::close(fd_);
}

Result<FileHandle> FileHandle::duplicate() const {
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return system_fail(errno, "duplicating a descriptor");
  return FileHandle{copy};
}

}  // namespace hotwell

#include "host/fd.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hotwell::host {
namespace {

/// More descriptors than this in one datagram are not ours (the kernel's own bound is 253).
constexpr std::size_t max_descriptors = 128;

Result<void> write_all(int fd, ByteView bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_fail(errno, "writing a file in memory");
    done += static_cast<std::size_t>(n);
  }
  return {};
}

}  // namespace

Result<std::pair<FileHandle, FileHandle>> seqpacket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    return system_fail(errno, "making a socket pair");
  return std::pair{FileHandle{fds[0]}, FileHandle{fds[1]}};
}

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return system_fail(errno, "making a pipe");
  set_blocking(fds[0], false);
  return Pipe{FileHandle{fds[0]}, FileHandle{fds[1]}};
}

Result<FileHandle> memory_file(const char* name) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return system_fail(errno, "making a file in memory");
  return FileHandle{fd};
}

Result<FileHandle> memory_file(const char* name, ByteView bytes) {
  auto file = memory_file(name);
  if (!file) return file;
  if (auto written = write_all(file->get(), bytes); !written) return std::unexpected(written.error());
  ::lseek(file->get(), 0, SEEK_SET);
  return file;
}

Result<FileHandle> open_null() {
  const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd < 0) return system_fail(errno, "opening /dev/null");
  return FileHandle{fd};
}

Result<FileHandle> reopen(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return system_fail(errno, "opening an input anew");
  if (!S_ISREG(status.st_mode)) return fail(Code::invalid_argument, "only a regular file can be opened anew");
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const int copy = ::open(path, O_RDONLY | O_CLOEXEC);
  if (copy < 0) return system_fail(errno, "opening an input anew");
  return FileHandle{copy};
}

Result<std::uint64_t> file_size(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return system_fail(errno, "asking for a file's size");
  return static_cast<std::uint64_t>(status.st_size);
}

void set_blocking(int fd, bool blocking) {
  const int flags = ::fcntl(fd, F_GETFL);
  ::fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

Result<void> send_datagram(int socket, std::string_view bytes, std::span<const int> descriptors) {
  if (descriptors.size() > max_descriptors) return fail(Code::too_large, "too many descriptors for one message");
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(max_descriptors * sizeof(int))];
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
  }
  ssize_t sent;
  do sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return {};
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
    return fail(Code::unavailable, "the other side closed its socket");
  if (errno == EAGAIN) return fail(Code::unavailable, "the other side does not read its socket");
  return system_fail(errno, "sending a message");
}

Result<Datagram> receive_datagram(int socket, std::span<char> buffer, int flags) {
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  alignas(cmsghdr) char control[CMSG_SPACE(max_descriptors * sizeof(int))];
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size;
  do size = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  if (size < 0) {
    if (errno == EAGAIN) return fail(Code::unavailable, "nothing to receive");
    if (errno == ECONNRESET) return Datagram{};
    return system_fail(errno, "receiving a message");
  }
  Datagram datagram;
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
      datagram.descriptors.emplace_back(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return fail(Code::too_large, "a message was longer than the protocol allows");
  if (size > 0) datagram.bytes = {buffer.data(), static_cast<std::size_t>(size)};
  return datagram;
}

}  // namespace hotwell::host

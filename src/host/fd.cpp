#include "host/fd.hpp"

#include <algorithm>
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

namespace {

/// Datagrams that one system call carries at most.
constexpr std::size_t at_once = 8;

/// The kernel's description of one datagram and the room for its descriptors.
struct Envelope {
  iovec part{};
  alignas(cmsghdr) char control[CMSG_SPACE(max_descriptors * sizeof(int))];

  void to_send(msghdr& message, std::string_view bytes, std::span<const int> descriptors) {
    part = {const_cast<char*>(bytes.data()), bytes.size()};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptors.empty()) return;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
  }
  void to_receive(msghdr& message, std::span<char> buffer) {
    part = {buffer.data(), buffer.size()};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
  }
};

Error send_error(int error) {
  if (error == EPIPE || error == ECONNRESET || error == ENOTCONN)
    return {Code::unavailable, "the other side closed its socket"};
  if (error == EAGAIN) return {Code::unavailable, "the other side does not read its socket"};
  return system_error(error, "sending a message");
}

Error receive_error(int error) {
  if (error == EAGAIN) return {Code::unavailable, "nothing to receive"};
  return system_error(error, "receiving a message");
}

/// The other side closed its socket without reading all: the kernel says so once and first, ahead of what it had sent.
bool again(int error) { return error == EINTR || error == ECONNRESET; }

/// False where the kernel had to leave something of it out. Takes its descriptors in either case.
bool open_envelope(msghdr& message, std::string_view bytes, Datagram& datagram) {
  datagram.bytes = {};
  datagram.descriptors.clear();
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
      datagram.descriptors.emplace_back(fd);
    }
  }
  if (!bytes.empty()) datagram.bytes = bytes;
  return (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
}

std::unexpected<Error> too_long() { return fail(Code::too_large, "a message was longer than the protocol allows"); }

}  // namespace

Result<void> send_datagram(int socket, std::string_view bytes, std::span<const int> descriptors) {
  if (descriptors.size() > max_descriptors) return fail(Code::too_large, "too many descriptors for one message");
  Envelope envelope;
  msghdr message{};
  envelope.to_send(message, bytes, descriptors);
  ssize_t sent;
  do sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return {};
  return std::unexpected(send_error(errno));
}

Result<std::size_t> send_datagrams(int socket, std::span<const Outgoing> datagrams) {
  std::size_t done = 0;
  while (done < datagrams.size()) {
    Envelope envelopes[at_once];
    mmsghdr messages[at_once] = {};
    const std::size_t count = std::min(datagrams.size() - done, at_once);
    for (std::size_t i = 0; i < count; ++i) {
      const Outgoing& next = datagrams[done + i];
      if (next.descriptors.size() > max_descriptors)
        return fail(Code::too_large, "too many descriptors for one message");
      envelopes[i].to_send(messages[i].msg_hdr, next.bytes, next.descriptors);
    }
    const int sent = ::sendmmsg(socket, messages, static_cast<unsigned>(count), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && done == 0) return std::unexpected(send_error(errno));
    if (sent <= 0) break;
    done += static_cast<std::size_t>(sent);
  }
  return done;
}

Result<Datagram> receive_datagram(int socket, std::span<char> buffer, int flags) {
  Envelope envelope;
  msghdr message{};
  envelope.to_receive(message, buffer);
  ssize_t size;
  do size = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  while (size < 0 && again(errno));
  Datagram datagram;
  if (size < 0) return std::unexpected(receive_error(errno));
  if (!open_envelope(message, {buffer.data(), static_cast<std::size_t>(size)}, datagram)) return too_long();
  return datagram;
}

DatagramReader::DatagramReader(std::size_t slots, std::size_t limit)
    : limit_(limit), bytes_(std::make_unique_for_overwrite<char[]>(slots * limit)), datagrams_(slots) {}

Result<std::span<Datagram>> DatagramReader::receive(int socket, std::size_t most, int flags) {
  Envelope envelopes[at_once];
  mmsghdr messages[at_once] = {};
  const std::size_t room = std::min({std::max<std::size_t>(most, 1), datagrams_.size(), at_once});
  for (std::size_t i = 0; i < room; ++i)
    envelopes[i].to_receive(messages[i].msg_hdr, {bytes_.get() + i * limit_, limit_});
  int count;
  do
    count =
        ::recvmmsg(socket, messages, static_cast<unsigned>(room), flags | MSG_CMSG_CLOEXEC | MSG_WAITFORONE, nullptr);
  while (count < 0 && again(errno));
  if (count < 0) return std::unexpected(receive_error(errno));
  bool whole = true;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const std::string_view bytes{bytes_.get() + i * limit_, messages[i].msg_len};
    whole = open_envelope(messages[i].msg_hdr, bytes, datagrams_[i]) && whole;
  }
  if (!whole) return too_long();
  return std::span{datagrams_}.first(static_cast<std::size_t>(count));
}

}  // namespace hotwell::host

/// Descriptors: datagram sockets that carry other descriptors, pipes, anonymous files. Everything made here is
/// close-on-exec, so that a child process has only what was handed to it on purpose.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hotwell/body.hpp>
#include <hotwell/result.hpp>

namespace hotwell::host {

/// Two connected SOCK_SEQPACKET sockets: one send is one receive, and the other side's end is seen as end of file.
[[nodiscard]] Result<std::pair<FileHandle, FileHandle>> seqpacket_pair();

struct Pipe {
  FileHandle read;  ///< non-blocking
  FileHandle write;
};
[[nodiscard]] Result<Pipe> make_pipe();

/// A file in memory, gone with its last descriptor.
[[nodiscard]] Result<FileHandle> memory_file(const char* name);
/// A file in memory that holds `bytes`, positioned at its beginning.
[[nodiscard]] Result<FileHandle> memory_file(const char* name, ByteView bytes);

[[nodiscard]] Result<FileHandle> open_null();
/// The same regular file opened anew for reading: with an offset of its own. Errors: invalid_argument where it is
/// something else (a pipe's other end would be opened); as open(2).
[[nodiscard]] Result<FileHandle> reopen(int fd);
/// Errors: io.
[[nodiscard]] Result<std::uint64_t> file_size(int fd);

void set_blocking(int fd, bool blocking);

/// Sends one datagram with descriptors. Never raises SIGPIPE.
/// Errors: unavailable where the other side is gone or does not read; io.
Result<void> send_datagram(int socket, std::string_view bytes, std::span<const int> descriptors = {});

struct Datagram {
  std::string_view bytes;  ///< in the buffer that was handed in
  std::vector<FileHandle> descriptors;
};
/// Receives one datagram. At end of file `bytes.data()` is null; where a non-blocking socket has nothing, the error
/// is Code::unavailable. Errors: too_large where the datagram did not fit; io.
[[nodiscard]] Result<Datagram> receive_datagram(int socket, std::span<char> buffer, int flags = 0);

/// What send_datagrams sends: borrowed bytes and descriptors.
struct Outgoing {
  std::string_view bytes;
  std::span<const int> descriptors;
};
/// Sends datagrams in their order by as few system calls as it takes; answers how many went. Fewer than all: the other
/// side does not read fast enough. Errors: as send_datagram, where not even the first went.
Result<std::size_t> send_datagrams(int socket, std::span<const Outgoing> datagrams);

/// Receives several datagrams by one system call. Its pages are touched only as far as datagrams reach.
class DatagramReader {
 public:
  /// No datagram is longer than `limit`.
  DatagramReader(std::size_t slots, std::size_t limit);

  /// At least one datagram and at most `most` (and no more than there are slots). Only the first is waited for, and
  /// that by a blocking socket alone. What is answered is valid until the next call. Errors: as receive_datagram.
  [[nodiscard]] Result<std::span<Datagram>> receive(int socket, std::size_t most, int flags = 0);

 private:
  std::size_t limit_;
  std::unique_ptr<char[]> bytes_;
  std::vector<Datagram> datagrams_;
};

}  // namespace hotwell::host

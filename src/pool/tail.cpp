#include "pool/tail.hpp"

#include <array>
#include <cerrno>

#include <unistd.h>

namespace hotwell::pool {

Tail::Tail(boost::asio::io_context& io, FileHandle pipe) : pipe_(io, pipe.release()) { wait(); }

std::string Tail::text() {
  read_available();
  return text_;
}

void Tail::wait() {
  pipe_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
    if (!error && read_available()) wait();
  });
}

bool Tail::read_available() {
  std::array<char, limit> bytes{};
  for (;;) {
    const ssize_t size = ::read(pipe_.native_handle(), bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN;
    if (size == 0) return false;
    read_ += static_cast<std::uint64_t>(size);
    text_.append(bytes.data(), static_cast<std::size_t>(size));
    if (text_.size() > limit) text_.erase(0, text_.size() - limit);
  }
}

}  // namespace hotwell::pool

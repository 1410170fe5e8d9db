/// Keeps the last few KiB of what a process writes to a pipe, and so keeps the pipe from filling up.
/// Threads: the executor's.
#pragma once

#include <cstdint>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <hotwell/body.hpp>

namespace hotwell::pool {

class Tail {
 public:
  static constexpr std::size_t limit = 4096;

  Tail(boost::asio::io_context& io, FileHandle pipe);
  void clear() { text_.clear(); }
  /// Reads what is there by now.
  [[nodiscard]] std::string text();
  /// Bytes read so far.
  [[nodiscard]] std::uint64_t read() const { return read_; }

 private:
  void wait();
  /// False at the end of the pipe.
  bool read_available();

  boost::asio::posix::stream_descriptor pipe_;
  std::string text_;
  std::uint64_t read_ = 0;
};

}  // namespace hotwell::pool

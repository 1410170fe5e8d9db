/// Moves what a process writes to a pipe into a sink, without copying it through this process, and tells the sink as
/// it grows. While the sink has no room nothing is moved, and the pipe holds the process up.
///
/// Invariants: works on the executor that it was given (the disk thread), where the sink is its alone until `done` was
/// called. `done` is called exactly once, there: with the number of bytes moved, or the sink's error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <hotwell/body.hpp>

namespace hotwell::pool {

class Pump : public std::enable_shared_from_this<Pump> {
 public:
  using Done = std::function<void(Result<std::uint64_t>)>;
  static std::shared_ptr<Pump> start(boost::asio::any_io_executor executor, FileHandle pipe, Sink& sink,
                                     std::string content_type, Done done);
  enum class Rest : std::uint8_t { take, drop };
  /// The writer is gone: take what is there, or drop it, and be done, even if somebody else holds the pipe open.
  /// Threads: any.
  void finish(Rest rest);

 private:
  Pump(boost::asio::any_io_executor executor, FileHandle pipe, Sink& sink, Done done);
  void wait();
  /// True while more may come through the pipe; false where it is complete, or held up.
  bool move_available();
  void move_on();
  void complete(Result<std::uint64_t> result);

  boost::asio::any_io_executor executor_;
  boost::asio::posix::stream_descriptor pipe_;
  Sink& sink_;
  Done done_;
  std::int64_t moved_ = 0;
  bool finishing_ = false;
  bool held_ = false;  ///< until there is room
};

}  // namespace hotwell::pool

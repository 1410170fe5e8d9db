/// Moves what a process writes to a pipe into a sink, without copying it through this process, and tells the sink as
/// it grows.
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
  /// The writer is gone: take what is there and be done, even if somebody else holds the pipe open. Threads: any.
  void finish();

 private:
  Pump(boost::asio::any_io_executor executor, FileHandle pipe, Sink& sink, Done done);
  void wait();
  /// True while more may come.
  bool move_available();
  void complete(Result<std::uint64_t> result);

  boost::asio::any_io_executor executor_;
  boost::asio::posix::stream_descriptor pipe_;
  Sink& sink_;
  Done done_;
  std::int64_t moved_ = 0;
};

}  // namespace hotwell::pool

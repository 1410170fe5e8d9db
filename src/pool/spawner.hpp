/// The pool's end of its spawner: starts it, starts programs through it, hears how they end.
///
/// Invariants: everything runs on the executor's thread, which has to be the one that starts the spawner (its death
/// signal hangs on that thread). `exited` is told exactly once for every started program, after the last process of its
/// tree is gone; also where the spawner itself ended, which `lost` tells before.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <hotwell/body.hpp>
#include <hotwell/result.hpp>

#include "host/process.hpp"
#include "wire/spawn.hpp"

namespace hotwell::pool {

/// Where the helper executable is: `given`, else HOTWELL_SPAWNER, else beside this program, else where it was
/// installed. Errors: unavailable, naming what was looked at.
[[nodiscard]] Result<std::string> find_spawner(const std::string& given);

class Spawner {
 public:
  struct Program {
    std::vector<std::string> argv;
    std::vector<std::string> env;
    std::vector<std::pair<int, std::uint32_t>> descriptors;  ///< (ours, the program's)
    std::vector<wire::ResourceLimit> limits{};
    bool from_template = false;  ///< forked from a process that has loaded this program, which has to know how
  };
  /// How a program ended.
  struct Exit {
    int start_error = 0;  ///< errno where it could not be started at all
    int wait_status = 0;
    bool lost = false;  ///< with the spawner: nobody knows how
  };
  struct Listener {
    std::function<void(bool enclosed, std::string why)> ready;
    std::function<void(std::string why)> lost;
  };

  Spawner(boost::asio::io_context& io, std::string executable, Listener listener);
  /// Ends the spawner, and with it every program.
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  /// Errors: as host::launch.
  Result<void> start();
  /// `started` hears the program's process number, for people; `exited` follows in any case. Errors: unavailable
  /// (there is no spawner), too_large (arguments and environment).
  Result<void> spawn(std::uint32_t id, const Program& program, std::function<void(pid_t)> started,
                     std::function<void(Exit)> exited);
  /// SIGTERM asks the program; SIGKILL ends everything that it started.
  void signal(std::uint32_t id, int signal);
  /// Blocks until the spawner, and with it everything it owns, is gone; nobody is told anything any more.
  void stop();

 private:
  struct Running {
    std::function<void(pid_t)> started;
    std::function<void(Exit)> exited;
    std::unique_ptr<boost::asio::posix::stream_descriptor> pidfd;
    std::optional<Exit> exit;
    bool gone = false;  ///< its pidfd said so
  };

  void read_socket();
  void handle(std::string_view datagram, std::vector<FileHandle> descriptors);
  void watch_program(std::uint32_t id, FileHandle pidfd);
  void await_end(std::uint32_t id);
  void finish(std::uint32_t id);
  void watch_spawner();
  void lose(std::string why);
  void end_process();

  boost::asio::io_context& io_;
  std::string executable_;
  Listener listener_;
  boost::asio::posix::stream_descriptor socket_;
  /// The spawner's pidfd, and its only descriptor: closing it has to take it out of the reactor's epoll set.
  boost::asio::posix::stream_descriptor process_;
  pid_t pid_ = -1;
  std::map<std::uint32_t, Running> running_;
  std::map<std::vector<std::string>, std::uint32_t> templates_;  ///< numbers, by argv and environment
  std::string buffer_ = std::string(4096, '\0');
  /// Handlers that are still queued when this object goes check it.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  unsigned life_ = 0;  ///< how often it was started
};

}  // namespace hotwell::pool

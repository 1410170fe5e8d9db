/// A warm process that speaks the frames protocol, with as many attempts at once as its hello allows.
///
/// Invariants: the socket is read while the worker owes a word, its hello or an attempt's end, and at no other time:
/// what an idle worker says is nobody's business. Messages leave in the order in which they were said; those behind an
/// attempt that the worker still has may wait for each other and leave together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "pool/channel.hpp"
#include "pool/spawner.hpp"
#include "pool/tail.hpp"
#include "wire/frames.hpp"

namespace hotwell::host {
struct Datagram;
}

namespace hotwell::pool {

class FramesChannel final : public Channel {
 public:
  /// Starts the process; that it cannot be started is told by worker_gone.
  FramesChannel(boost::asio::io_context& io, Spawner& spawner, Listener& listener, WorkerId id, const WorkerSpec& spec);
  ~FramesChannel() override;

  Result<void> assign(const Attempt& attempt) override;
  void ask_to_stop(JobNumber job) override;
  void retire() override;
  void terminate() override;
  void kill() override;
  [[nodiscard]] pid_t process() const override { return process_; }
  std::string stderr_tail() override { return tail_ ? tail_->text() : std::string{}; }

 private:
  /// An attempt that the worker has.
  struct Owed {
    wire::AttemptRef ref;
    Sink* sink = nullptr;
    std::string content_type;  ///< as it was last told to the sink
  };
  /// A message that has not left yet, and what goes with it.
  struct Letter {
    std::string bytes;
    std::vector<int> descriptors;
    std::vector<FileHandle> opened;  ///< those of the descriptors that nobody else keeps open
  };

  Result<void> start();
  [[nodiscard]] bool owes() const { return !ready_ || !owed_.empty(); }
  void read();
  void receive();
  void handle(const wire::Message& message, std::vector<FileHandle>& descriptors);
  void handle_hello(const wire::Hello& hello);
  void handle_advance(const wire::Advance& advance);
  void handle_done(const wire::Done& done, std::vector<FileHandle>& descriptors);
  [[nodiscard]] Owed* find(wire::AttemptRef ref);
  void end(wire::AttemptRef ref, Result<Answer> outcome);
  void broken(std::string why);
  /// Behind what waits already, and at once where nothing does.
  Result<void> send(Letter letter);
  void send(const wire::Message& message);
  void flush();
  void flush_soon();
  void exited(const Spawner::Exit& exit);

  boost::asio::io_context& io_;
  Spawner& spawner_;
  Listener& listener_;
  const WorkerId id_;
  const WorkerSpec& spec_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer hang_up_;  ///< a worker that closed its socket gets this long to end
  std::optional<Tail> tail_;
  std::vector<Owed> owed_;  ///< in the order in which they were handed over
  std::vector<Letter> letters_;
  pid_t process_ = 0;
  bool ready_ = false;
  bool reading_ = false;
  bool flushing_ = false;
  bool ended_ = false;  ///< its side of the socket is closed
  bool broken_ = false;
  std::string why_broken_;
  std::optional<Error> sink_error_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace hotwell::pool

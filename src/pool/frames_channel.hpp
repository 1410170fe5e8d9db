/// A warm process that speaks the frames protocol.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "pool/channel.hpp"
#include "pool/spawner.hpp"
#include "pool/tail.hpp"
#include "wire/frames.hpp"

namespace hotwell::pool {

class FramesChannel final : public Channel {
 public:
  /// Starts the process; that it cannot be started is told by worker_gone.
  FramesChannel(boost::asio::io_context& io, Spawner& spawner, Listener& listener, WorkerId id, const WorkerSpec& spec);
  ~FramesChannel() override;

  Result<void> assign(const Attempt& attempt) override;
  void ask_to_stop() override;
  void retire() override;
  void kill() override;
  std::string stderr_tail() override { return tail_ ? tail_->text() : std::string{}; }

 private:
  Result<void> start();
  void read();
  /// False where nothing more is to come.
  bool receive();
  void handle(const wire::Message& message);
  void broken(std::string why);
  Result<void> send(const wire::Message& message, std::span<const int> descriptors = {});
  void exited(const Spawner::Exit& exit);

  boost::asio::io_context& io_;
  Spawner& spawner_;
  Listener& listener_;
  const WorkerId id_;
  const WorkerSpec& spec_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer hang_up_;  ///< a worker that closed its socket gets this long to end
  std::optional<Tail> tail_;
  std::optional<wire::AttemptRef> current_;
  Sink* sink_ = nullptr;
  std::string advanced_type_;
  bool broken_ = false;
  std::string why_broken_;
  std::optional<Error> sink_error_;
  std::string out_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace hotwell::pool

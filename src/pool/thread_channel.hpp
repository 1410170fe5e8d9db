/// A thread that runs functions. It cannot be killed: a function is asked through its stop token and keeps the thread
/// until it returns.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <boost/asio/io_context.hpp>

#include "pool/channel.hpp"

namespace hotwell::pool {

class ThreadChannel final : public Channel {
 public:
  ThreadChannel(boost::asio::io_context& io, Listener& listener, WorkerId id);
  /// Waits until the function that still runs has returned.
  ~ThreadChannel() override;

  Result<void> assign(const Attempt& attempt) override;
  void ask_to_stop(JobNumber) override { stop_.request_stop(); }
  void retire() override;
  void kill() override {}
  std::string stderr_tail() override { return {}; }

 private:
  struct Task {
    JobNumber job = 0;
    Function function;
    std::stop_token stop;
  };
  void run();
  void tell(JobNumber job, Result<Answer> outcome);

  boost::asio::io_context& io_;
  Listener& listener_;
  const WorkerId id_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Task> task_;
  bool leaving_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< read on the pool's thread alone
  std::thread thread_;
};

}  // namespace hotwell::pool

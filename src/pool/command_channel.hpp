/// A command: one process a job, started from an argv template, ended by its exit. Whatever it writes (its result,
/// standard error) is a sign of life; where its silence is limited, what it has written is looked at now and then.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "pool/channel.hpp"
#include "pool/pump.hpp"
#include "pool/spawner.hpp"
#include "pool/tail.hpp"

namespace hotwell::pool {

class CommandChannel final : public Channel {
 public:
  CommandChannel(boost::asio::io_context& io, boost::asio::any_io_executor disk, Spawner& spawner, Listener& listener,
                 WorkerId id, const WorkerSpec& spec);
  ~CommandChannel() override;

  /// How often a command that may be silent for so long is looked at: its signs are noticed so much later.
  [[nodiscard]] static Duration look_interval(Duration no_progress);

  Result<void> assign(const Attempt& attempt) override;
  void ask_to_stop(JobNumber job) override;
  void retire() override {}
  void kill() override;
  [[nodiscard]] pid_t process() const override { return process_; }
  std::string stderr_tail() override { return tail_ ? tail_->text() : std::string{}; }

 private:
  /// All that it has written: where it differs, the command has done something meanwhile.
  struct Written {
    std::uint64_t errors = 0;
    std::int64_t size = 0;
    std::int64_t seconds = 0, nanoseconds = 0;  ///< when the sink was last written to

    friend bool operator==(const Written&, const Written&) = default;
  };
  [[nodiscard]] Written written() const;
  void watch(Duration interval);
  /// Says `outcome` and that the worker is gone, once the process and its output have ended.
  void conclude();
  [[nodiscard]] Result<Answer> outcome();

  boost::asio::io_context& io_;
  boost::asio::any_io_executor disk_;
  Spawner& spawner_;
  Listener& listener_;
  const WorkerId id_;
  const WorkerSpec& spec_;
  pid_t process_ = 0;
  JobNumber job_ = 0;
  std::uint32_t attempt_ = 0;
  int output_ = -1;  ///< the sink's
  boost::asio::steady_timer look_;
  Written seen_;
  std::optional<Tail> tail_;
  std::shared_ptr<Pump> pump_;
  std::optional<Result<std::uint64_t>> pumped_;
  std::optional<Spawner::Exit> exit_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// `text` with "{input}", "{output}" and "{param.NAME}" replaced. Errors: invalid_argument for a parameter or an input
/// that the job does not have.
struct Placeholders {
  std::string input;  ///< empty: the job has none
  std::string output;
  const std::map<std::string, std::string>& params;
};
[[nodiscard]] Result<std::string> fill_in(std::string_view text, const Placeholders& values);

}  // namespace hotwell::pool

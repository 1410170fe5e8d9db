#include "pool/command_channel.hpp"

#include <algorithm>
#include <csignal>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <boost/asio/post.hpp>

#include "host/fd.hpp"
#include "host/process.hpp"
#include "pool/program.hpp"

namespace hotwell::pool {
namespace {

constexpr std::uint32_t input_descriptor = 3;
constexpr std::uint32_t output_descriptor = 4;

/// The last line that says something: the best short reason that a command gives.
std::string_view last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  const auto line = text.substr(text.rfind('\n') + 1);  // npos + 1 is 0
  return line.substr(0, 300);
}

}  // namespace

Result<std::string> fill_in(std::string_view text, const Placeholders& values) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    const auto close = text.find('}');
    const auto name = close == std::string_view::npos ? std::string_view{} : text.substr(1, close - 1);
    if (name == "input") {
      if (values.input.empty()) return fail(Code::invalid_argument, "this operation needs an input");
      out += values.input;
    } else if (name == "output") {
      out += values.output;
    } else if (name.starts_with("param.")) {
      const auto param = values.params.find(std::string{name.substr(6)});
      if (param == values.params.end())
        return fail(Code::invalid_argument, fmt::format("this operation needs the parameter \"{}\"", name.substr(6)));
      out += param->second;
    } else {  // braces of the command's own
      out += '{';
      text.remove_prefix(1);
      continue;
    }
    text.remove_prefix(close + 1);
  }
  return out;
}

CommandChannel::CommandChannel(boost::asio::io_context& io, boost::asio::any_io_executor disk, Spawner& spawner,
                               Listener& listener, WorkerId id, const WorkerSpec& spec)
    : io_(io), disk_(std::move(disk)), spawner_(spawner), listener_(listener), id_(id), spec_(spec), look_(io) {}

CommandChannel::~CommandChannel() { *alive_ = false; }

Duration CommandChannel::look_interval(Duration no_progress) {
  if (no_progress >= Duration::max() / 2) return Duration{};
  return std::clamp<Duration>(no_progress / 4, std::chrono::milliseconds{1}, std::chrono::seconds{1});
}

CommandChannel::Written CommandChannel::written() const {
  Written now{.errors = tail_->read()};
  struct stat status{};
  if (::fstat(output_, &status) != 0) return now;
  now.size = status.st_size;
  now.seconds = status.st_mtim.tv_sec;
  now.nanoseconds = status.st_mtim.tv_nsec;
  return now;
}

void CommandChannel::watch(Duration interval) {
  look_.expires_after(interval);
  look_.async_wait([this, alive = alive_, interval](const boost::system::error_code& error) {
    if (error || !*alive || exit_) return;  // once it has exited its sink may be gone
    if (const Written now = written(); now != seen_) {
      seen_ = now;
      listener_.attempt_alive(job_, attempt_);
    }
    if (*alive) watch(interval);
  });
}

Result<void> CommandChannel::assign(const Attempt& attempt) {
  job_ = attempt.job;
  attempt_ = attempt.number;
  output_ = attempt.sink->fd();
  const Job& job = *attempt.what;
  Spawner::Program program{.env = worker_environment(spec_.env), .limits = limits_of(spec_)};
  const Placeholders values{.input = job.inputs.empty() ? "" : fmt::format("/dev/fd/{}", input_descriptor),
                            .output = fmt::format("/dev/fd/{}", output_descriptor),
                            .params = job.params};
  const auto names = [&](std::string_view placeholder) {
    return std::ranges::any_of(spec_.argv, [&](const auto& arg) { return arg.find(placeholder) != std::string::npos; });
  };
  const bool writes_output = names("{output}");
  for (const auto& part : spec_.argv) {
    auto filled = fill_in(part, values);
    if (!filled) return std::unexpected(filled.error());
    program.argv.push_back(std::move(*filled));
  }

  auto null = host::open_null();
  if (!null) return std::unexpected(null.error());
  auto errors = host::make_pipe();
  if (!errors) return std::unexpected(errors.error());
  FileHandle input;
  int input_fd = -1;
  if (!job.inputs.empty()) {
    input_fd = job.inputs.front()->get();
    if (auto fresh = host::reopen(input_fd)) {  // an offset of its own for every attempt
      input = std::move(*fresh);
      input_fd = input.get();
    }
    if (names("{input}")) program.descriptors.emplace_back(input_fd, input_descriptor);
  }
  host::Pipe output;
  if (writes_output) {
    program.descriptors.emplace_back(output_, output_descriptor);
  } else {
    auto pipe = host::make_pipe();
    if (!pipe) return std::unexpected(pipe.error());
    output = std::move(*pipe);
  }
  program.descriptors.emplace_back(spec_.stdin_is_input && input_fd >= 0 ? input_fd : null->get(), 0U);
  program.descriptors.emplace_back(writes_output ? null->get() : output.write.get(), 1U);
  program.descriptors.emplace_back(errors->write.get(), 2U);

  auto spawned = spawner_.spawn(
      id_, program,
      [this, alive = alive_](pid_t process) {
        if (*alive) process_ = process;
      },
      [this, alive = alive_](Spawner::Exit exit) {
        if (!*alive) return;
        process_ = 0;
        exit_ = exit;
        // What a command that failed printed is nobody's result: it must not wait for a reader to make room for it.
        if (pump_) pump_->finish(exit.wait_status == 0 ? Pump::Rest::take : Pump::Rest::drop);
        conclude();
      });
  if (!spawned) return spawned;
  tail_.emplace(io_, std::move(errors->read));
  if (writes_output) {
    attempt.sink->set_content_type(spec_.content_type);
  } else {
    pump_ = Pump::start(disk_, std::move(output.read), *attempt.sink, spec_.content_type,
                        [this, alive = alive_, &io = io_](Result<std::uint64_t> size) {
                          boost::asio::post(io, [this, alive, size = std::move(size)] {
                            if (!*alive) return;
                            pumped_ = size;
                            if (!size) kill();  // nobody can keep what it makes
                            conclude();
                          });
                        });
  }
  if (const auto interval = look_interval(attempt.no_progress); interval > Duration{}) {
    seen_ = written();
    watch(interval);
  }
  return {};
}

void CommandChannel::conclude() {
  if (!exit_ || (pump_ && !pumped_)) return;
  const auto alive = alive_;
  if (exit_->lost || exit_->start_error != 0) return listener_.worker_gone(describe_end(id_, spec_, *exit_));
  auto result = outcome();
  listener_.attempt_done(id_, job_, std::move(result));
  if (*alive) listener_.worker_gone({.worker = id_, .reason = {Code::crashed, "ended"}});
}

Result<Answer> CommandChannel::outcome() {
  if (pumped_ && !*pumped_) return std::unexpected(pumped_->error());
  const int status = exit_->wait_status;
  if (status != 0) {
    const std::string tail = stderr_tail();
    const auto line = last_line(tail);
    const std::string message =
        fmt::format("{} {}{}{}", spec_.argv.front(), host::describe_exit(status), line.empty() ? "" : ": ", line);
    if (!WIFEXITED(status)) return fail(Code::crashed, message);
    const bool permanent = std::ranges::count(spec_.permanent_exit_codes, WEXITSTATUS(status)) > 0;
    return fail(permanent ? Code::failed : Code::io, message);
  }
  std::uint64_t size = 0;
  if (pumped_) {
    size = **pumped_;
  } else {
    auto written = host::file_size(output_);
    if (!written) return std::unexpected(written.error());
    size = *written;
  }
  return Answer{.content_type = spec_.content_type, .size = size};
}

void CommandChannel::ask_to_stop(JobNumber) { spawner_.signal(id_, SIGTERM); }

void CommandChannel::kill() { spawner_.signal(id_, SIGKILL); }

}  // namespace hotwell::pool

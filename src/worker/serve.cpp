// One thread: receive a job, run its handler, send its result, in that order and with no hop between them.
// While a handler runs nobody reads the socket but Task::cancelled(), which takes a cancel or the engine's end from
// it; a job that arrives early waits in the backlog.
#include "worker/serve.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <exception>
#include <new>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/clock.hpp"
#include "host/fd.hpp"
#include "wire/frames.hpp"

namespace hotwell::worker {
namespace {

constexpr Duration progress_interval = std::chrono::milliseconds{100};
constexpr Duration poll_interval = std::chrono::milliseconds{1};

/// A job as it was received, with texts of its own.
struct Assignment {
  wire::AttemptRef ref;
  host::MonoTime deadline{};  ///< zero: none
  std::string operation;
  std::string payload;
  std::string input_identity;
  std::vector<FileHandle> inputs;
  FileHandle output;
};

/// The socket and what has been read from it.
class Line {
 public:
  explicit Line(FileHandle socket) : socket_(std::move(socket)), buffer_(wire::frame_limit, '\0') {}

  [[nodiscard]] bool gone() const { return gone_; }

  void send(const wire::Message& message) {
    if (gone_) return;
    wire::encode(message, out_);
    if (!host::send_datagram(socket_.get(), out_)) gone_ = true;
  }

  /// Blocks until there is a job; none once the engine is gone or said bye.
  [[nodiscard]] std::optional<Assignment> next_job() {
    while (backlog_.empty() && !gone_ && !bye_) receive(0);
    if (backlog_.empty() || gone_) return std::nullopt;
    Assignment job = std::move(backlog_.front());
    backlog_.pop_front();
    return job;
  }

  /// Reads what has already arrived.
  void poll() {
    pollfd ready{socket_.get(), POLLIN, 0};
    while (!gone_ && !bye_ && ::poll(&ready, 1, 0) == 1) receive(MSG_DONTWAIT);
  }

  [[nodiscard]] bool cancelled(wire::AttemptRef ref) const { return gone_ || cancelled_ == ref; }

 private:
  void receive(int flags) {
    auto datagram = host::receive_datagram(socket_.get(), buffer_, flags);
    if (!datagram || datagram->bytes.data() == nullptr) {
      gone_ = true;
      return;
    }
    auto message = wire::decode(datagram->bytes);
    if (!message) {
      gone_ = true;  // the engine and this worker do not understand each other
    } else if (const auto* job = std::get_if<wire::JobMessage>(&*message)) {
      accept(*job, std::move(datagram->descriptors));
    } else if (const auto* cancel = std::get_if<wire::Cancel>(&*message)) {
      cancelled_ = cancel->ref;
    } else if (std::holds_alternative<wire::Bye>(*message)) {
      bye_ = true;
    }
  }

  void accept(const wire::JobMessage& message, std::vector<FileHandle> descriptors) {
    const std::size_t expected =
        std::size_t{message.inputs} + (message.has_output ? 1 : 0) + (message.payload_in_descriptor ? 1 : 0);
    if (descriptors.size() != expected) {
      gone_ = true;
      return;
    }
    Assignment job{.ref = message.ref,
                   .operation = std::string{message.operation},
                   .payload = std::string{message.payload},
                   .input_identity = std::string{message.input_identity}};
    if (message.time_left_ns != 0)
      job.deadline = host::system_clock().now() + std::chrono::nanoseconds{message.time_left_ns};
    auto next = descriptors.begin();
    if (message.payload_in_descriptor) job.payload = read_all((next++)->get());
    if (message.has_output) job.output = std::move(*next++);
    job.inputs.assign(std::move_iterator{next}, std::move_iterator{descriptors.end()});
    backlog_.push_back(std::move(job));
  }

  static std::string read_all(int fd) {
    std::string bytes(host::file_size(fd).value_or(0), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += static_cast<std::size_t>(n);
    }
    bytes.resize(done);
    return bytes;
  }

  FileHandle socket_;
  std::string buffer_;
  std::string out_;
  std::deque<Assignment> backlog_;
  wire::AttemptRef cancelled_;
  bool gone_ = false;
  bool bye_ = false;
};

class RunningTask final : public Task {
 public:
  RunningTask(Line& line, Assignment job) : line_(line), job_(std::move(job)) {}

  std::string_view operation() const override { return job_.operation; }
  std::string_view payload() const override { return job_.payload; }
  std::size_t input_count() const override { return job_.inputs.size(); }
  int input(std::size_t index) const override { return job_.inputs.at(index).get(); }
  FileHandle take_input(std::size_t index) override { return std::move(job_.inputs.at(index)); }
  std::string_view input_identity() const override { return job_.input_identity; }
  int output() const override { return job_.output.get(); }

  void advance(std::uint64_t n) override { line_.send(wire::Advance{job_.ref, n, content_type_}); }
  void set_content_type(std::string_view content_type) override {
    content_type_ = content_type.substr(0, wire::name_limit);
  }
  void progress(double fraction) override {
    const auto now = host::system_clock().now();
    if (now - told_ < progress_interval) return;
    told_ = now;
    const double bounded = fraction > 0 ? (fraction < 1 ? fraction : 1) : 0;  // not-a-number counts as 0
    line_.send(wire::Progress{job_.ref, static_cast<std::uint32_t>(bounded * 1e6)});
  }
  bool cancelled() override {
    if (cancelled_) return true;
    const auto now = host::system_clock().now();
    if (now - polled_ < poll_interval) return false;
    polled_ = now;
    line_.poll();
    cancelled_ = line_.cancelled(job_.ref) || (job_.deadline != host::MonoTime{} && now >= job_.deadline);
    return cancelled_;
  }

  /// Writes a result that is too long for a message to the output.
  Result<void> write_output(std::string_view text) {
    if (output() < 0) return fail(Code::internal, "a result is too long to travel inline and the job has no output");
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t n = ::pwrite(output(), text.data() + done, text.size() - done, static_cast<off_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_fail(errno, "writing a result");
      done += static_cast<std::size_t>(n);
    }
    return {};
  }

 private:
  Line& line_;
  Assignment job_;
  std::string content_type_ = "application/octet-stream";
  host::MonoTime told_{};
  host::MonoTime polled_{};
  bool cancelled_ = false;
};

/// A handler is the user's code: what it throws becomes an error here.
Result<Reply> run(const std::map<std::string, Handler, std::less<>>& handlers, RunningTask& task) {
  const auto handler = handlers.find(task.operation());
  if (handler == handlers.end())
    return fail(Code::not_found, "this worker has no operation \"" + std::string{task.operation()} + "\"");
  try {
    return handler->second(task);
  } catch (const std::bad_alloc&) {
    return fail(Code::out_of_memory, "the operation ran out of memory");
  } catch (const std::exception& e) {
    return fail(Code::failed, e.what());
  } catch (...) {
    return fail(Code::internal, "the operation threw something that is not an exception");
  }
}

void answer(Line& line, wire::AttemptRef ref, Result<Reply> reply, RunningTask& task) {
  if (reply && reply->text.size() > wire::inline_limit) {
    if (auto written = task.write_output(reply->text); written) {
      reply->size = reply->text.size();
      reply->text.clear();
    } else {
      reply = std::unexpected(written.error());
    }
  }
  if (reply) {
    const std::string_view content_type = std::string_view{reply->content_type}.substr(0, wire::name_limit);
    const bool is_inline = reply->size == 0;
    line.send(wire::Done{ref, is_inline, reply->size, content_type, reply->text});
  } else {
    const std::string message = reply.error().cause
                                    ? to_string(reply.error()).substr(to_string(reply.error().code).size() + 2)
                                    : reply.error().message;
    line.send(wire::Failed{ref, reply.error().code, std::string_view{message}.substr(0, wire::message_limit)});
  }
}

}  // namespace

int serve_on(FileHandle socket, const std::map<std::string, Handler, std::less<>>& handlers) {
  std::signal(SIGPIPE, SIG_IGN);
  Line line{std::move(socket)};
  line.send(wire::Hello{1, "hotwell-sdk"});
  while (auto job = line.next_job()) {
    const wire::AttemptRef ref = job->ref;
    RunningTask task{line, std::move(*job)};
    auto reply = run(handlers, task);
    answer(line, ref, std::move(reply), task);
  }
  return EXIT_SUCCESS;
}

int serve(const std::map<std::string, Handler, std::less<>>& handlers) {
  ::fcntl(wire::worker_descriptor, F_SETFD, FD_CLOEXEC);  // not for children of the worker
  return serve_on(FileHandle{wire::worker_descriptor}, handlers);
}

}  // namespace hotwell::worker

// One thread: receive a job, run its handler, send its result, in that order and with no hop between them.
// Jobs that arrive early wait in the backlog and are done in the order in which they came, each answered before the
// next one begins: so the engine knows which job a worker had begun when it died. While a handler runs nobody reads the
// socket but Task::cancelled(), which takes a cancel or the engine's end from it.
#include "worker/serve.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <exception>
#include <new>
#include <span>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/spin.hpp"
#include "host/clock.hpp"
#include "host/fd.hpp"
#include "wire/frames.hpp"

namespace hotwell::worker {
namespace {

constexpr Duration progress_interval = std::chrono::milliseconds{100};
constexpr Duration poll_interval = std::chrono::milliseconds{1};
/// Jobs that may be handed over at once.
constexpr std::uint32_t window = 8;
constexpr std::size_t datagrams_at_once = 8;

/// A job as it was received, with texts of its own.
struct Assignment {
  wire::AttemptRef ref;
  Duration time_left{};  ///< from its beginning; zero: no limit
  bool cancelled = false;
  std::string operation;
  std::string payload;
  std::string input_identity;
  std::vector<FileHandle> inputs;
  FileHandle output;
};

/// The socket and what has been read from it.
class Line {
 public:
  explicit Line(FileHandle socket) : socket_(std::move(socket)), reader_(datagrams_at_once, wire::frame_limit) {}

  [[nodiscard]] bool gone() const { return gone_; }

  void send(const wire::Message& message, std::span<const int> descriptors = {}) {
    if (gone_) return;
    wire::encode(message, out_);
    if (!host::send_datagram(socket_.get(), out_, descriptors)) gone_ = true;
  }

  /// Blocks until there is a job; none once the engine is gone or said bye.
  [[nodiscard]] std::optional<Assignment> next_job() {
    while (backlog_.empty() && !gone_ && !bye_) wait();
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
  /// For the next message; where the engine says so and it pays, by looking again and again instead of sleeping.
  void wait() {
    const host::Clock& clock = host::system_clock();
    if (!spin_.enabled()) {
      receive(0);
      return;
    }
    const auto began = clock.now();
    if (spin_.pays()) {
      do {
        if (receive(MSG_DONTWAIT)) return spin_.waited(Duration{});
        ::sched_yield();
      } while (clock.now() - began < spin_.limit());
    }
    receive(0);
    spin_.waited(clock.now() - began);
  }

  /// False where there is nothing to receive.
  bool receive(int flags) {
    auto datagrams = reader_.receive(socket_.get(), datagrams_at_once, flags);
    if (!datagrams && datagrams.error().code == Code::unavailable) return false;
    if (!datagrams) {
      gone_ = true;
      return true;
    }
    for (auto& datagram : *datagrams)
      if (!gone_) take(datagram);
    return true;
  }

  void take(host::Datagram& datagram) {
    if (datagram.bytes.data() == nullptr) {
      gone_ = true;
      return;
    }
    auto message = wire::decode(datagram.bytes);
    if (!message) {
      gone_ = true;  // the engine and this worker do not understand each other
    } else if (const auto* job = std::get_if<wire::JobMessage>(&*message)) {
      accept(*job, std::move(datagram.descriptors));
    } else if (const auto* cancel = std::get_if<wire::Cancel>(&*message)) {
      this->cancel(cancel->ref);
    } else if (std::holds_alternative<wire::Bye>(*message)) {
      bye_ = true;
    }
  }

  void cancel(wire::AttemptRef ref) {
    const auto waiting = std::ranges::find(backlog_, ref, &Assignment::ref);
    if (waiting != backlog_.end())
      waiting->cancelled = true;
    else
      cancelled_ = ref;
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
    job.time_left = std::chrono::nanoseconds{message.time_left_ns};
    spin_.set_limit(std::chrono::microseconds{message.linger_us});
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
  host::DatagramReader reader_;
  base::Spin spin_;
  std::string out_;
  std::deque<Assignment> backlog_;
  wire::AttemptRef cancelled_;
  bool gone_ = false;
  bool bye_ = false;
};

class RunningTask final : public Task {
 public:
  RunningTask(Line& line, Assignment job) : line_(line), job_(std::move(job)), cancelled_(job_.cancelled) {
    if (job_.time_left > Duration{}) deadline_ = host::system_clock().now() + job_.time_left;
  }

  std::string_view operation() const override { return job_.operation; }
  std::string_view payload() const override { return job_.payload; }
  std::size_t input_count() const override { return job_.inputs.size(); }
  int input(std::size_t index) const override { return job_.inputs.at(index).get(); }
  FileHandle take_input(std::size_t index) override { return std::move(job_.inputs.at(index)); }
  std::string_view input_identity() const override { return job_.input_identity; }
  int output() override {
    if (job_.output) return job_.output.get();
    if (auto made = host::memory_file("hotwell-result")) {
      job_.output = std::move(*made);
      output_is_ours_ = true;
    }
    return job_.output.get();
  }
  /// The file that a result lies in and that the engine does not know yet; else -1.
  [[nodiscard]] int output_to_hand_over() const { return output_is_ours_ ? job_.output.get() : -1; }

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
  void beat() override {
    const auto now = host::system_clock().now();
    if (now - told_ < progress_interval) return;
    told_ = now;
    line_.send(wire::Beat{job_.ref});
  }
  bool cancelled() override {
    if (cancelled_) return true;
    const auto now = host::system_clock().now();
    if (now - polled_ < poll_interval) return false;
    polled_ = now;
    line_.poll();
    cancelled_ = line_.cancelled(job_.ref) || now >= deadline_;
    return cancelled_;
  }

  [[nodiscard]] bool cancelled_before() const { return job_.cancelled; }

  /// Writes a result that is too long for a message to the output.
  Result<void> write_output(std::string_view text) {
    if (output() < 0) return fail(Code::io, "no file in memory can be made for a result");
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
  host::MonoTime deadline_ = host::MonoTime::max();
  host::MonoTime polled_{};
  bool output_is_ours_ = false;
  bool cancelled_;
};

/// A handler is the user's code: what it throws becomes an error here.
Result<Reply> run(const std::map<std::string, Handler, std::less<>>& handlers, RunningTask& task) {
  if (task.cancelled_before()) return fail(Code::cancelled, "the job was cancelled before it began");
  auto handler = handlers.find(task.operation());
  if (handler == handlers.end()) handler = handlers.find("*");
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
    const int file = is_inline ? -1 : task.output_to_hand_over();
    const std::array<int, 1> descriptors{file};
    line.send(wire::Done{ref, is_inline, reply->size, content_type, reply->text, file >= 0},
              std::span{descriptors}.first(file >= 0 ? 1 : 0));
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
  line.send(wire::Hello{window, "hotwell-sdk"});
  while (auto job = line.next_job()) {
    const wire::AttemptRef ref = job->ref;
    RunningTask task{line, std::move(*job)};
    auto reply = run(handlers, task);
    answer(line, ref, std::move(reply), task);
  }
  return EXIT_SUCCESS;
}

}  // namespace hotwell::worker

/// hotwell-lines PROGRAM ARG...: makes a frames worker of a program that reads and writes lines of JSON, so that the
/// pool knows one protocol and any language can be a worker. The files of a job come to this process as descriptors,
/// and to the program as paths of them, which it may open, seek and read as it likes.
///
/// Invariants: one job at a time. Lines about another attempt than the current are ignored. The program's end is this
/// process's: with the same status or signal. A program that writes what is no message, or closes its standard output,
/// is done for: this process ends, and with it everything that the program started.
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hotwell/worker.hpp>

#include "apps/lines/program.hpp"
#include "host/fd.hpp"
#include "wire/frames.hpp"
#include "wire/lines.hpp"

namespace hotwell::lines {
namespace {

/// As the shell says it: there is no such program.
constexpr int cannot_start = 127;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "hotwell-lines: the program is given up: %s\n", why.c_str());
  ::_exit(EXIT_FAILURE);
}

/// Where the program finds this process's descriptors. Processes are numbered by who mounted /proc, so /proc is asked.
Result<std::string> descriptors_folder() {
  std::array<char, 32> number{};
  const ssize_t size = ::readlink("/proc/self", number.data(), number.size() - 1);
  if (size <= 0) return system_fail(errno, "a lines worker needs /proc to be given files: /proc/self");
  return "/proc/" + std::string{number.data(), static_cast<std::size_t>(size)} + "/fd/";
}

/// Copies a file of the program's own into the output.
Result<std::uint64_t> copy(const std::string& path, int output) {
  const FileHandle file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return system_fail(errno, "the program's result " + path);
  const auto size = host::file_size(file.get());
  if (!size) return size;
  if (::lseek(output, 0, SEEK_SET) < 0) return system_fail(errno, "writing a result");
  std::uint64_t done = 0;
  while (done < *size) {
    const ssize_t n = ::sendfile(output, file.get(), nullptr, *size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_fail(errno, "copying the program's result " + path);
    if (n == 0) return fail(Code::io, "the program's result " + path + " became shorter while it was copied");
    done += static_cast<std::uint64_t>(n);
  }
  return done;
}

Result<worker::Reply> reply_of(wire::lines::Done done, worker::Task& task) {
  if (done.text) return worker::Reply::inline_text(std::move(done.content_type), std::move(*done.text));
  if (done.size) return worker::Reply::written(std::move(done.content_type), *done.size);
  auto copied = copy(*done.path, task.output());
  if (!copied) return std::unexpected(copied.error());
  return worker::Reply::written(std::move(done.content_type), *copied);
}

/// One attempt: from its line to the program's answer.
class Attempt {
 public:
  Attempt(Program& program, worker::Task& task, std::string id) : program_(program), task_(task), id_(std::move(id)) {}

  Result<worker::Reply> run() {
    for (;;) {
      auto line = program_.line();
      if (!line) give_up(line.error().message);
      if (*line) {
        if (auto outcome = handle(**line)) return std::move(*outcome);
      } else if (program_.ended()) {
        program_.follow();
      } else {
        wait();
      }
    }
  }

 private:
  /// Until the program or the engine has something to say.
  void wait() {
    std::array<pollfd, 3> ready{{{program_.output(), POLLIN, 0},
                                 {engine_listens_ ? wire::worker_descriptor : -1, POLLIN, 0},
                                 {program_.wants_to_write() ? program_.input() : -1, POLLOUT, 0}}};
    if (::poll(ready.data(), ready.size(), -1) < 0) return;
    if (ready[2].revents != 0) program_.flush();
    // The program first: what it said before its end, or before the engine's, counts.
    if (ready[0].revents != 0) {
      program_.read();
    } else if (ready[1].revents != 0 && task_.cancelled()) {
      engine_listens_ = false;
      program_.write(encode(wire::lines::Cancel{id_}));
    } else if ((ready[1].revents & POLLHUP) != 0) {
      engine_listens_ = false;
    }
  }

  std::optional<Result<worker::Reply>> handle(const std::string& line) {
    auto message = wire::lines::decode(line);
    if (!message) give_up("it wrote a line that is no message: " + message.error().message);
    if (!message->id.empty() && message->id != id_) return std::nullopt;
    if (auto* done = std::get_if<wire::lines::Done>(&message->what)) return reply_of(std::move(*done), task_);
    if (auto* failed = std::get_if<wire::lines::Failed>(&message->what))
      return fail(failed->code, std::move(failed->message));
    if (const auto* progress = std::get_if<wire::lines::Progress>(&message->what)) {
      task_.progress(progress->fraction);
    } else if (const auto* advance = std::get_if<wire::lines::Advance>(&message->what)) {
      if (!advance->content_type.empty()) task_.set_content_type(advance->content_type);
      task_.advance(advance->size);
    } else {
      task_.beat();
    }
    return std::nullopt;
  }

  Program& program_;
  worker::Task& task_;
  std::string id_;
  bool engine_listens_ = true;
};

Result<worker::Reply> run(Program& program, worker::Task& task) {
  static unsigned long attempts = 0;
  wire::lines::Job job{.id = std::to_string(++attempts),
                       .operation = std::string{task.operation()},
                       .payload = task.payload(),
                       .input_identity = std::string{task.input_identity()}};
  const auto folder = descriptors_folder();
  if (folder) {
    for (std::size_t i = 0; i < task.input_count(); ++i) job.inputs.push_back(*folder + std::to_string(task.input(i)));
    job.output = *folder + std::to_string(task.output());
  } else if (task.input_count() > 0) {
    return std::unexpected(folder.error());
  }
  auto line = encode(job);
  if (!line) return std::unexpected(line.error());
  program.write(*line);
  return Attempt{program, task, job.id}.run();
}

/// The program has ended: after what it said has been read there is nothing left to wait for.
void program_ended(int) { ::shutdown(wire::worker_descriptor, SHUT_RD); }

int serve_program(char** argv) {
  ::fcntl(wire::worker_descriptor, F_SETFD, FD_CLOEXEC);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);  // the program decides what it means
  struct sigaction on_child{};
  on_child.sa_handler = program_ended;
  on_child.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &on_child, nullptr);
  auto program = Program::start(argv);
  if (!program) {
    std::fprintf(stderr, "hotwell-lines: %s\n", program.error().message.c_str());
    return cannot_start;
  }
  (void)worker::serve({{"*", [&program](worker::Task& task) { return run(*program, task); }}});
  program->follow();
}

}  // namespace
}  // namespace hotwell::lines

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("hotwell-lines PROGRAM ARG...: started by Hotwell's worker pool for workers of kind lines\n", stderr);
    return 2;
  }
  return hotwell::lines::serve_program(argv + 1);
}

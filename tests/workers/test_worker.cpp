/// A worker for tests: one operation for every way in which a worker can behave.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hotwell/worker.hpp>

namespace {

using hotwell::Code;
using hotwell::fail;
using hotwell::Result;
using hotwell::worker::Reply;
using hotwell::worker::Task;

Reply text(std::string result) { return Reply::inline_text("text/plain", std::move(result)); }

Result<Reply> echo(Task& task) { return text(std::string{task.payload()}); }

Result<Reply> write_output(Task& task) {
  const auto payload = task.payload();
  if (::pwrite(task.output(), payload.data(), payload.size(), 0) != static_cast<ssize_t>(payload.size()))
    return hotwell::system_fail(errno, "writing");
  return Reply::written("text/plain", payload.size());
}

/// Writes, announces, and goes on only when the test says so by the end of the input pipe.
Result<Reply> stream(Task& task) {
  task.set_content_type("text/x-stream");
  if (::pwrite(task.output(), "first", 5, 0) != 5) return hotwell::system_fail(errno, "writing");
  task.advance(5);
  task.progress(0.5);
  char byte = 0;
  while (::read(task.input(0), &byte, 1) > 0) {
  }
  if (::pwrite(task.output(), "second", 6, 5) != 6) return hotwell::system_fail(errno, "writing");
  return Reply::written("text/x-stream", 11);
}

Result<Reply> read_input(Task& task) {
  std::string bytes(4096, '\0');
  const ssize_t size = ::read(task.input(0), bytes.data(), bytes.size());
  if (size < 0) return hotwell::system_fail(errno, "reading");
  bytes.resize(static_cast<std::size_t>(size));
  return text(bytes);
}

Result<Reply> wait_for_cancel(Task& task) {
  while (!task.cancelled()) ::sched_yield();
  return fail(Code::cancelled, "stopped as asked");
}

/// Keeps as many MiB as the payload says, for good.
Result<Reply> leak(Task& task) {
  static std::vector<std::string> kept;
  kept.emplace_back(std::stoul(std::string{task.payload()}) << 20, 'x');
  return text({});
}

/// Echoes, but for the payload that kills it.
Result<Reply> fragile(Task& task) {
  if (task.payload() == "die") std::abort();
  return echo(task);
}

[[noreturn]] Result<Reply> hang(Task&) {
  for (;;) ::pause();
}

/// The payload names a file: crashes unless it is there, and leaves it behind.
Result<Reply> crash_once(Task& task) {
  const std::string mark{task.payload()};
  if (std::filesystem::exists(mark)) return text("recovered");
  ::close(::open(mark.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  std::fputs("about to crash\n", stderr);
  std::abort();
}

/// Leaves behind a process that does all it can to escape, and holds the input open.
void escape(Task& task) {
  const auto input = task.take_input(0);
  ::prctl(PR_SET_PDEATHSIG, 0);
  if (::fork() == 0) {
    ::setsid();
    if (::fork() == 0) {
      ::setsid();
      for (const int signal : {SIGTERM, SIGHUP, SIGINT}) std::signal(signal, SIG_IGN);
      ::close(3);
      for (;;) ::pause();
    }
    ::_exit(0);
  }
}
Result<Reply> escape_and_hang(Task& task) {
  escape(task);
  task.advance(0);
  return hang(task);
}
Result<Reply> escape_and_exit(Task& task) {
  escape(task);
  ::_exit(0);
}

Result<Reply> garbage(Task& task) {
  ::send(3, "garbage", 7, MSG_NOSIGNAL);
  return hang(task);
}

/// What it was given: the environment, and the numbers of its descriptors.
Result<Reply> surroundings(Task&) {
  std::string list;
  for (char** variable = environ; *variable != nullptr; ++variable) list += std::string{*variable} + "\n";
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    list += "fd " + entry.path().filename().string() + "\n";
  return text(list);
}

}  // namespace

int main() {
  return hotwell::worker::serve({
      {"noop", [](Task&) -> Result<Reply> { return text({}); }},
      {"echo", echo},
      {"fragile", fragile},
      {"leak", leak},
      {"write", write_output},
      {"long",
       [](Task& task) -> Result<Reply> { return text(std::string(std::stoul(std::string{task.payload()}), 'x')); }},
      {"stream", stream},
      {"read", read_input},
      {"pid", [](Task&) -> Result<Reply> { return text(std::to_string(::getpid())); }},
      {"fail", [](Task&) -> Result<Reply> { return fail(Code::corrupt_input, "no good"); }},
      {"transient", [](Task&) -> Result<Reply> { return fail(Code::io, "not now"); }},
      {"lie", [](Task&) -> Result<Reply> { return Reply::written("text/plain", 1000); }},
      {"memory", [](Task&) -> Result<Reply> { throw std::bad_alloc{}; }},
      {"wait", wait_for_cancel},
      {"hang", hang},
      {"exit", [](Task&) -> Result<Reply> { ::_exit(3); }},
      {"crash",
       [](Task&) -> Result<Reply> {
         std::fputs("last words\n", stderr);
         std::abort();
       }},
      {"crash_once", crash_once},
      {"escape", escape_and_hang},
      {"escape_and_exit", escape_and_exit},
      {"garbage", garbage},
      {"surroundings", surroundings},
  });
}

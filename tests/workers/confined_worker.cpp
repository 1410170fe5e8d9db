/// A worker that tries to break out of its sandbox, one operation for every way, and says what came of it. With the
/// argument "open" it has no sandbox of its own.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hotwell/worker.hpp>

namespace {

using hotwell::Result;
using hotwell::worker::Reply;
using hotwell::worker::Task;

std::uint64_t prepared = 0;

Reply text(std::string result) { return Reply::inline_text("text/plain", std::move(result)); }
/// "done", or why not.
Reply outcome(bool done) { return text(done ? "done" : strerrorname_np(errno)); }

std::uint64_t number(const Task& task) { return std::stoull(std::string{task.payload()}); }

Result<Reply> open_file(Task& task) {
  return outcome(::open(std::string{task.payload()}.c_str(), O_RDONLY | O_CLOEXEC) >= 0);
}
Result<Reply> make_file(Task& task) {
  return outcome(::open(std::string{task.payload()}.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0);
}
Result<Reply> connect_out(Task&) { return outcome(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0); }
Result<Reply> run_program(Task&) {
  char name[] = "/bin/true";
  char* argv[] = {name, nullptr};
  char* env[] = {nullptr};
  ::execve(name, argv, env);
  return outcome(false);
}
Result<Reply> fork_off(Task&) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return outcome(child > 0);
}
Result<Reply> signal_init(Task&) { return outcome(::kill(1, 0) == 0); }
Result<Reply> leave_namespace(Task&) { return outcome(::unshare(CLONE_NEWUSER) == 0); }
Result<Reply> make_code(Task&) {
  return outcome(::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}
Result<Reply> raise_limit(Task&) {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  return outcome(::setrlimit(RLIMIT_DATA, &unlimited) == 0);
}
Result<Reply> allocate(Task& task) {
  const std::uint64_t size = number(task);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return outcome(false);
  std::memset(memory, 1, size);
  ::munmap(memory, size);
  return outcome(true);
}
/// As a program does that does not think of it.
Result<Reply> allocate_carelessly(Task& task) {
  if (::mmap(nullptr, number(task), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
    throw std::bad_alloc{};
  return text("done");
}
Result<Reply> write_far(Task& task) {
  return outcome(::pwrite(task.output(), "x", 1, static_cast<off_t>(number(task))) == 1);
}
Result<Reply> open_many(Task&) {
  std::vector<hotwell::FileHandle> held;
  for (;;) {
    hotwell::FileHandle copy{::fcntl(0, F_DUPFD_CLOEXEC, 0)};
    if (!copy) return outcome(false);
    held.push_back(std::move(copy));
  }
}
Result<Reply> compute_on_threads(Task&) {
  std::vector<std::size_t> sums(3);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < sums.size(); ++i)
    threads.emplace_back([&sums, i] {
      for (std::size_t n = 0; n < 1000; ++n) sums[i] += n;
    });
  for (auto& thread : threads) thread.join();
  return text(std::to_string(sums[0] + sums[1] + sums[2]));
}
[[noreturn]] Result<Reply> spin(Task&) {
  for (;;) ::getppid();
}

}  // namespace

int main(int argc, char** argv) {
  hotwell::worker::ServeOptions options{.prepare = [] { (void)::getrandom(&prepared, sizeof prepared, 0); }};
  if (argc < 2 || std::string_view{argv[1]} != "open")
    options.sandbox = {.memory = hotwell::Bytes{256 << 20},
                       .processor_time = std::chrono::seconds{1},
                       .descriptors = 32,
                       .file_size = hotwell::Bytes{1 << 20}};
  return hotwell::worker::serve(
      {
          {"open", open_file},
          {"make", make_file},
          {"connect", connect_out},
          {"exec", run_program},
          {"fork", fork_off},
          {"signal", signal_init},
          {"unshare", leave_namespace},
          {"code", make_code},
          {"raise", raise_limit},
          {"allocate", allocate},
          {"allocate_carelessly", allocate_carelessly},
          {"write_far", write_far},
          {"open_many", open_many},
          {"threads", compute_on_threads},
          {"spin", spin},
          {"abort", [](Task&) -> Result<Reply> { std::abort(); }},
          {"pid", [](Task&) -> Result<Reply> { return text(std::to_string(::getpid())); }},
          {"prepared", [](Task&) -> Result<Reply> { return text(std::to_string(prepared)); }},
      },
      options);
}

#include "apps/lines/program.hpp"

#include <cerrno>
#include <csignal>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/fd.hpp"
#include "wire/lines.hpp"

namespace hotwell::lines {

Result<Program> Program::start(char** argv) {
  auto to = host::make_pipe();
  if (!to) return std::unexpected(to.error());
  auto from = host::make_pipe();
  if (!from) return std::unexpected(from.error());
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  host::set_blocking(to->read.get(), true);
  ::posix_spawn_file_actions_adddup2(&actions, to->read.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, from->write.get(), STDOUT_FILENO);
  sigset_t all;
  ::sigfillset(&all);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return system_fail(error, std::string{"starting "} + argv[0]);
  host::set_blocking(to->write.get(), false);
  return Program{pid, std::move(to->write), std::move(from->read)};
}

void Program::write(std::string_view text) {
  pending_ += text;
  flush();
}

void Program::flush() {
  while (!pending_.empty()) {
    const ssize_t size = ::write(input_.get(), pending_.data(), pending_.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0) return pending_.clear();  // it does not read any more; its end, or silence, follows
    pending_.erase(0, static_cast<std::size_t>(size));
  }
}

Result<std::optional<std::string>> Program::line() {
  const auto end = received_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = received_.size();
    if (searched_ > wire::lines::line_limit) return fail(Code::too_large, "a line of more than 16 MiB");
    return std::nullopt;
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  searched_ = 0;
  return line;
}

void Program::read() {
  char bytes[std::size_t{64} << 10];
  for (;;) {
    const ssize_t size = ::read(output_.get(), bytes, sizeof bytes);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      ended_ = true;
      return;
    }
    received_.append(bytes, static_cast<std::size_t>(size));
    if (received_.size() > wire::lines::line_limit) return;  // let line() look first
  }
}

void Program::follow() {
  input_ = FileHandle{};
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    std::signal(WTERMSIG(status), SIG_DFL);
    ::kill(::getpid(), WTERMSIG(status));
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

}  // namespace hotwell::lines

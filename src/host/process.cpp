#include "host/process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hotwell::host {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const auto& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

}  // namespace

Result<Launched> launch(const Launch& what) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  for (const auto& [ours, theirs] : what.descriptors) ::posix_spawn_file_actions_adddup2(&actions, ours, theirs);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  auto argv = pointers(what.argv);
  auto env = pointers(what.env);
  Launched launched;
  const int error = ::posix_spawn(&launched.pid, what.program.c_str(), &actions, &attributes, argv.data(), env.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return system_fail(error, fmt::format("starting {}", what.program));
  auto pidfd = open_pidfd(launched.pid);
  if (!pidfd) return std::unexpected(pidfd.error());
  launched.pidfd = std::move(*pidfd);
  return launched;
}

Result<FileHandle> open_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) {
    if (errno == ESRCH) return fail(Code::not_found, fmt::format("there is no process {}", pid));
    return system_fail(errno, "watching a process");
  }
  return FileHandle{static_cast<int>(fd)};
}

pid_t pid_of(int pidfd) {
  char path[48];
  std::snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  const FileHandle file{::open(path, O_RDONLY | O_CLOEXEC)};
  if (!file) return 0;
  char text[512];
  const ssize_t size = ::read(file.get(), text, sizeof text - 1);
  if (size <= 0) return 0;
  text[size] = '\0';
  const char* line = std::strstr(text, "\nPid:");
  int pid = 0;
  if (line == nullptr || std::sscanf(line, "\nPid: %d", &pid) != 1 || pid < 0) return 0;
  return pid;
}

bool signal_process(int pidfd, int signal) { return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0; }

std::string describe_exit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    const char* name = ::sigdescr_np(signal);
    return fmt::format("was killed by signal {} ({})", signal, name ? name : "unknown");
  }
  return fmt::format("exited with status {}", WEXITSTATUS(wait_status));
}

}  // namespace hotwell::host

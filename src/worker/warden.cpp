#include "worker/warden.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hotwell::worker {
namespace {

/// Above every number that a program is given its descriptors at.
constexpr int out_of_the_way = 128;

sigset_t awaited_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, kill_tree_signal}) ::sigaddset(&set, signal);
  return set;
}

void write_number(const std::string& path, const char* number) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  (void)!::write(file, number, 1);
  ::close(file);
}

std::string own_cgroup(const Ward& ward) { return ward.cgroup + "/" + std::to_string(ward.id); }

/// From here on every descendant is in it.
void enter_cgroup(const Ward& ward) {
  if (ward.cgroup.empty()) return;
  ::mkdir(ward.cgroup.c_str(), 0700);  // an empty one may have been taken for left over
  ::mkdir(own_cgroup(ward).c_str(), 0700);
  write_number(own_cgroup(ward) + "/cgroup.procs", "0");
}

/// Leaves the control group and kills what is in it. Where it could not be entered this does nothing.
void kill_cgroup(const Ward& ward) {
  if (ward.cgroup.empty()) return;
  write_number(ward.cgroup + "/cgroup.procs", "0");
  write_number(own_cgroup(ward) + "/cgroup.kill", "1");
}

/// Kills this process's descendants until there are none: what they leave behind is handed to their sub-reaper, us.
void kill_tree(const Ward& ward) {
  kill_cgroup(ward);
  for (;;) {
    char path[48];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/children", static_cast<int>(::getpid()));
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
      char text[4096];
      const ssize_t size = ::read(file, text, sizeof text - 1);
      ::close(file);
      text[size > 0 ? size : 0] = '\0';
      for (char* next = text; *next != '\0';) {
        char* end = nullptr;
        const long pid = std::strtol(next, &end, 10);
        if (end == next) break;
        if (pid > 0) ::kill(static_cast<pid_t>(pid), SIGKILL);
        next = end;
      }
    }
    if (::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) break;
  }
  if (!ward.cgroup.empty()) ::rmdir(own_cgroup(ward).c_str());
}

void report(const Ward& ward, int start_error, int wait_status) {
  const std::string said = wire::encode(
      wire::Exited{ward.id, static_cast<std::uint32_t>(start_error), static_cast<std::uint32_t>(wait_status)});
  while (::send(ward.reports, said.data(), said.size(), MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

}  // namespace

pid_t fork_warden(const Ward& ward, int& pidfd) {
  // The system call itself: glibc's clone wants a stack, and this is a fork. CLONE_PARENT makes the spawner the parent
  // where a template calls; the spawner's own parent would be wrong, and an init may not have siblings anyway.
  const bool is_spawner = ::getpid() == ward.spawner;
  const auto flags = static_cast<unsigned long>(SIGCHLD) | CLONE_PIDFD | (ward.enclosed ? CLONE_NEWPID : 0) |
                     (is_spawner ? 0 : CLONE_PARENT);
  return static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, &pidfd, nullptr, nullptr));
}

void become_warden(const Ward& ward) {
  const sigset_t awaited = awaited_signals();
  ::sigprocmask(SIG_SETMASK, &awaited, nullptr);
  ::prctl(PR_SET_PDEATHSIG, ward.enclosed ? SIGKILL : kill_tree_signal);
  if (ward.enclosed) return;
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (::getppid() != ward.spawner) ::_exit(1);  // it died before the death signal was asked for
  enter_cgroup(ward);
}

void guard(const Ward& ward, pid_t program, const int& start_error) {
  close_all_but({static_cast<std::uint32_t>(ward.reports)});  // the program's pipes must end with the program
  if (program < 0) {
    report(ward, start_error, 0);
    ::_exit(1);
  }
  const sigset_t awaited = awaited_signals();
  for (;;) {
    const int signal = ::sigwaitinfo(&awaited, nullptr);
    if (signal == SIGTERM) {
      ::kill(ward.enclosed ? -1 : -program, SIGTERM);  // everything in the namespace; else what stayed in the group
    } else if (signal == kill_tree_signal) {
      kill_tree(ward);
      report(ward, start_error, SIGKILL);
      ::_exit(0);
    }
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != program) continue;
      report(ward, start_error, status);
      if (!ward.enclosed) kill_tree(ward);
      ::_exit(0);  // and with this init the kernel ends what the program left behind
    }
  }
}

void become_ward() {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
}

bool install(std::span<const int> descriptors, const std::vector<std::uint32_t>& numbers,
             const std::vector<wire::ResourceLimit>& limits) {
  // Out of the way first, so that no number is overwritten while a descriptor still stands there.
  std::vector<int> sources;
  for (const int fd : descriptors) sources.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, out_of_the_way));
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (::dup2(sources[i], static_cast<int>(numbers[i])) < 0) return false;
  for (const auto& limit : limits) {
    const rlimit value{limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) != 0) return false;
  }
  return true;
}

void close_all_but(std::vector<std::uint32_t> kept) {
  std::ranges::sort(kept);
  unsigned first = 3;
  for (const auto number : kept) {
    if (number < first) continue;
    if (number > first) ::close_range(first, number - 1, 0);
    first = number + 1;
  }
  ::close_range(first, ~0U, 0);
}

void drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  ::syscall(SYS_capset, &header, none);
}

}  // namespace hotwell::worker

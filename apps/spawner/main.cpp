/// hotwell-spawner: the process that owns every worker. It is started by the pool with a socket at descriptor 3 and
/// does three things: it starts programs, it passes signals on, and it tells how programs ended. When the socket ends
/// (the engine is gone), everything dies.
///
///   engine ── launcher ── spawner (init of an outer PID namespace) ──┬─ warden (init of an inner one) ── program ──
///   ...
///                                                                    └─ warden ── program ── ...
///
/// Invariants: nothing that a program started outlives its warden, no warden outlives the spawner, and the spawner
/// does not outlive the engine: the kernel kills a PID namespace with its init. `exited` is said after the last
/// process of a worker is gone. Where namespaces are refused (or with --best-effort) the wardens are sub-reapers
/// instead, which kill what is handed to them until nothing is left. One thread; never blocks but in poll.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/spawn.hpp"

namespace {

using namespace hotwell::wire;

constexpr int socket_fd = spawner_descriptor;
constexpr std::size_t max_workers = 1024;
constexpr std::size_t max_descriptors = 128;
/// To a best-effort warden: kill the tree. It is its death signal too.
constexpr int kill_tree_signal = SIGUSR1;

/// What a warden tells the spawner, in memory that both share.
struct Report {
  int exec_error;
  int wait_status;
  bool ended;
};

struct Worker {
  pid_t warden = 0;  ///< 0: the slot is free
  std::uint32_t id = 0;
};

Report* reports = nullptr;
std::array<Worker, max_workers> workers;
bool enclosed = false;

void send(const std::string& bytes, int descriptor = -1) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  }
  while (::sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

// ---- the program -----------------------------------------------------------------------------------------------

[[noreturn]] void become_program(const SpawnRequest& request, const std::vector<int>& descriptors, Report& report) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto give_up = [&report] {
    report.exec_error = errno;
    ::_exit(127);
  };
  // Above every target first, so that no target is overwritten while it is still a source.
  std::vector<int> sources;
  for (const int fd : descriptors) sources.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, 512));
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (::dup2(sources[i], static_cast<int>(request.descriptors[i])) < 0) give_up();
  for (const auto& limit : request.limits) {
    const rlimit value{limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) != 0) give_up();
  }
  if (!request.directory.empty() && ::chdir(std::string{request.directory}.c_str()) != 0) give_up();

  std::vector<std::string> texts;
  texts.reserve(request.argv.size() + request.env.size());
  std::vector<char*> argv, env;
  for (const auto text : request.argv) argv.push_back(texts.emplace_back(text).data());
  for (const auto text : request.env) env.push_back(texts.emplace_back(text).data());
  argv.push_back(nullptr);
  env.push_back(nullptr);
  environ = env.data();  // execvp searches this PATH

  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvp(argv.front(), argv.data());
  give_up();
  ::abort();
}

// ---- the warden: init of one worker ------------------------------------------------------------------------------

/// Kills this process's children until there are none: what they leave behind is handed to their sub-reaper, us.
void kill_all_children() {
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
    if (::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

[[noreturn]] void be_warden(const SpawnRequest& request, const std::vector<int>& descriptors, Report& report,
                            pid_t spawner) {
  sigset_t awaited;
  ::sigemptyset(&awaited);
  for (const int signal : {SIGCHLD, SIGTERM, kill_tree_signal}) ::sigaddset(&awaited, signal);
  ::sigprocmask(SIG_SETMASK, &awaited, nullptr);
  ::prctl(PR_SET_PDEATHSIG, enclosed ? SIGKILL : kill_tree_signal);
  if (!enclosed) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (::getppid() != spawner) ::_exit(1);  // it died before the death signal was asked for
  }
  // vfork: the program's first steps run on this process's memory, which costs no page tables.
  const pid_t program = ::vfork();
  if (program == 0) become_program(request, descriptors, report);
  ::close_range(3, ~0U, 0);  // the program's pipes must end with the program
  if (program < 0) {
    report.exec_error = errno;
    report.ended = true;
    ::_exit(1);
  }
  for (;;) {
    const int signal = ::sigwaitinfo(&awaited, nullptr);
    if (signal == SIGTERM) {
      ::kill(-program, SIGTERM);
    } else if (signal == kill_tree_signal) {
      kill_all_children();
      ::_exit(0);
    }
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != program) continue;
      report.wait_status = status;
      report.ended = true;
      if (!enclosed) kill_all_children();
      ::_exit(0);  // and with this init the kernel ends what the program left behind
    }
  }
}

// ---- the spawner ---------------------------------------------------------------------------------------------------

void spawn(std::string_view datagram, const std::vector<int>& descriptors) {
  SpawnRequest request;
  if (!decode(datagram, request) || request.descriptors.size() != descriptors.size()) return;
  std::size_t slot = 0;
  while (slot < max_workers && workers[slot].warden != 0) ++slot;
  if (slot == max_workers) return send(encode(Spawned{request.id, EAGAIN}));
  reports[slot] = {};

  const pid_t self = ::getpid();
  int pidfd = -1;
  // The system call itself: glibc's clone wants a stack, and this is a fork.
  const auto flags = static_cast<unsigned long>(SIGCHLD) | CLONE_PIDFD | (enclosed ? CLONE_NEWPID : 0);
  const long pid = ::syscall(SYS_clone, flags, nullptr, &pidfd, nullptr, nullptr);
  if (pid == 0) be_warden(request, descriptors, reports[slot], self);
  if (pid < 0) return send(encode(Spawned{request.id, static_cast<std::uint32_t>(errno)}));
  workers[slot] = {static_cast<pid_t>(pid), request.id};
  send(encode(Spawned{request.id, 0}), pidfd);
  ::close(pidfd);
}

void pass_signal(std::string_view datagram) {
  SignalRequest request;
  if (!decode(datagram, request)) return;
  for (const auto& worker : workers) {
    if (worker.warden == 0 || worker.id != request.id) continue;
    const bool to_death = request.signal == SIGKILL;
    ::kill(worker.warden, to_death && !enclosed ? kill_tree_signal : static_cast<int>(request.signal));
  }
}

/// Tells about every worker that is gone.
void reap() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
    for (std::size_t slot = 0; slot < max_workers; ++slot) {
      if (workers[slot].warden != pid) continue;
      const Report& report = reports[slot];
      send(encode(Exited{workers[slot].id, static_cast<std::uint32_t>(report.exec_error),
                         static_cast<std::uint32_t>(report.ended ? report.wait_status : status)}));
      workers[slot] = {};
    }
  }
}

/// The engine is gone. An init's exit takes its namespace with it; without one every warden is asked.
[[noreturn]] void end_everything() {
  if (!enclosed) {
    for (const auto& worker : workers)
      if (worker.warden != 0) ::kill(worker.warden, kill_tree_signal);
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
  }
  ::_exit(0);
}

void receive() {
  static std::array<char, spawn_limit> buffer;
  alignas(cmsghdr) char control[CMSG_SPACE(max_descriptors * sizeof(int))];
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) end_everything();
  std::vector<int> descriptors;
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    descriptors.resize((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(descriptors.data(), CMSG_DATA(head), descriptors.size() * sizeof(int));
  }
  const std::string_view datagram{buffer.data(), static_cast<std::size_t>(size)};
  if (spawn_type(datagram) == SpawnType::spawn) spawn(datagram, descriptors);
  if (spawn_type(datagram) == SpawnType::signal) pass_signal(datagram);
  for (const int fd : descriptors) ::close(fd);
}

[[noreturn]] void be_spawner(const std::string& why) {
  if (!enclosed) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  const int signals = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  void* shared =
      ::mmap(nullptr, max_workers * sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (signals < 0 || shared == MAP_FAILED) ::_exit(1);
  reports = static_cast<Report*>(shared);
  send(encode(SpawnerReady{enclosed, why}));
  for (;;) {
    std::array<pollfd, 2> ready{{{socket_fd, POLLIN, 0}, {signals, POLLIN, 0}}};
    if (::poll(ready.data(), ready.size(), -1) < 0) continue;
    if (ready[1].revents != 0) {
      signalfd_siginfo told{};
      while (::read(signals, &told, sizeof told) > 0) {
      }
      reap();
    }
    if (ready[0].revents != 0) receive();
  }
}

bool write_file(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return done;
}

/// Gives this process's next child a PID namespace; answers how, or why not.
std::string enclose() {
  if (::unshare(CLONE_NEWPID) == 0) {
    enclosed = true;
    return "PID namespaces";
  }
  const int refused = errno;
  const auto uid = std::to_string(::getuid());
  const auto gid = std::to_string(::getgid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0) {
    enclosed = true;  // unmapped ids would still be enclosed, but could not open their own files
    write_file("/proc/self/setgroups", "deny");
    if (write_file("/proc/self/uid_map", uid + " " + uid + " 1") &&
        write_file("/proc/self/gid_map", gid + " " + gid + " 1"))
      return "PID namespaces inside a user namespace";
    return "PID namespaces inside a user namespace without its own ids";
  }
  return std::string{"PID namespaces are refused here ("} + std::strerror(refused) +
         "; in a user namespace: " + std::strerror(errno) + "): sub-reapers, process groups and rescans";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view option = argc > 1 ? argv[1] : "";
  int type = 0;
  socklen_t length = sizeof type;
  if ((!option.empty() && option != "--best-effort") ||
      ::getsockopt(socket_fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_SEQPACKET) {
    std::fputs("hotwell-spawner is started by Hotwell's worker pool, which hands it a socket.\n", stderr);
    return 2;
  }
  ::close_range(socket_fd + 1, ~0U, 0);  // what a host program left open by mistake
  ::fcntl(socket_fd, F_SETFD, FD_CLOEXEC);
  ::prctl(PR_SET_PDEATHSIG, option.empty() ? SIGKILL : 0);
  if (!option.empty()) be_spawner("best effort was asked for: sub-reapers, process groups and rescans");

  const std::string why = enclose();
  if (!enclosed) {
    ::prctl(PR_SET_PDEATHSIG, 0);  // it has to live to kill the trees; the end of its socket tells it
    be_spawner(why);
  }
  const pid_t inner = ::fork();
  if (inner < 0) {
    std::perror("hotwell-spawner: fork");
    return 1;
  }
  if (inner == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    be_spawner(why);
  }
  // The launcher only waits: its own end, however it comes, is the namespace's, and the other way round.
  ::close(socket_fd);
  int status = 0;
  while (::waitpid(inner, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/// hotwell-spawner: the process that owns every worker. It is started by the pool with a socket at descriptor 3 and
/// does three things: it starts programs, it passes signals on, and it tells how programs ended. When the socket ends
/// (the engine is gone), everything dies.
///
///   engine ── launcher ── spawner (init of an outer PID namespace) ──┬─ warden (init of an inner one) ── program ──
///   ...                                                              ├─ warden ── program ── ...
///                                                                    └─ template
///
/// Invariants: nothing that a program started outlives its warden, no warden outlives the spawner, and the spawner
/// does not outlive the engine: the kernel kills a PID namespace with its init. `exited` is said after the last
/// process of a worker is gone. Where namespaces are refused (or with --best-effort) the wardens are sub-reapers
/// instead, which kill their worker's control group, or where there is none (or with --rescan) what is handed to them,
/// until nothing is left. One thread; never blocks but in poll.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/spawner/cgroup.hpp"
#include "apps/spawner/enclosure.hpp"
#include "apps/spawner/messages.hpp"
#include "apps/spawner/templates.hpp"
#include "apps/spawner/workers.hpp"
#include "wire/spawn.hpp"

namespace hotwell::spawner {
namespace {

class Spawner {
 public:
  explicit Spawner(const Enclosure& enclosure)
      : workers_({.pool = wire::spawner_descriptor, .enclosed = enclosure.namespaces, .cgroup = enclosure.cgroup}),
        templates_(workers_) {
    if (!enclosure.namespaces) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
    signals_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) ::_exit(1);
    send(wire::spawner_descriptor, wire::encode(wire::SpawnerReady{enclosure.namespaces, enclosure.why}));
  }

  [[noreturn]] void run() {
    for (;;) {
      std::vector<pollfd> watched{{wire::spawner_descriptor, POLLIN, 0}, {signals_, POLLIN, 0}};
      watched.push_back({workers_.reports(), POLLIN, 0});
      for (const int socket : templates_.sockets()) watched.push_back({socket, POLLIN, 0});
      if (::poll(watched.data(), watched.size(), templates_.wait(Templates::Clock::now())) < 0) continue;
      templates_.read();
      workers_.read_reports();
      if (watched[1].revents != 0) reap();
      templates_.tick(Templates::Clock::now());
      if (watched[0].revents != 0) obey();
    }
  }

 private:
  void reap() {
    signalfd_siginfo told{};
    while (::read(signals_, &told, sizeof told) > 0) {
    }
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0)
      if (!templates_.ended(pid)) workers_.ended(pid, status);
  }

  void obey() {
    auto received = receive(wire::spawner_descriptor);
    if (received.kind == Received::Kind::end) end_everything();
    if (received.kind == Received::Kind::nothing) return;
    wire::SpawnRequest request;
    wire::SignalRequest signal;
    if (wire::decode(received.bytes, request) && request.descriptors.size() == received.descriptors.size()) {
      if (request.template_id != 0) return templates_.spawn(request, received.bytes, std::move(received.descriptors));
      workers_.spawn(request, received.descriptors);
    } else if (wire::decode(received.bytes, signal)) {
      const auto number = static_cast<int>(signal.signal);
      if (!templates_.signal(signal.id, number)) workers_.signal(signal.id, number);
    }
    close_all(received.descriptors);
  }

  /// The engine is gone. An init's exit takes its namespace with it; without one every warden is asked.
  [[noreturn]] void end_everything() const {
    if (!workers_.enclosed()) {
      workers_.kill_all();
      templates_.kill_all();
      while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
      }
      remove_cgroup(workers_.cgroup());
    }
    ::_exit(0);
  }

  Workers workers_;
  Templates templates_;
  int signals_ = -1;
};

}  // namespace
}  // namespace hotwell::spawner

int main(int argc, char** argv) {
  using namespace hotwell;
  const std::string_view option = argc > 1 ? argv[1] : "";
  int type = 0;
  socklen_t length = sizeof type;
  if ((!option.empty() && option != "--best-effort" && option != "--rescan") ||
      ::getsockopt(wire::spawner_descriptor, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_SEQPACKET) {
    std::fputs("hotwell-spawner is started by Hotwell's worker pool, which hands it a socket.\n", stderr);
    return 2;
  }
  ::close_range(wire::spawner_descriptor + 1, ~0U, 0);  // what a host program left open by mistake
  ::fcntl(wire::spawner_descriptor, F_SETFD, FD_CLOEXEC);
  const auto enclosure = option.empty()         ? spawner::enclose()
                         : option == "--rescan" ? spawner::Enclosure{false, {}, "rescans were asked for"}
                                                : spawner::best_effort("best effort was asked for");
  // Without a namespace it has to outlive the engine to kill the trees; the end of its socket tells it.
  if (!enclosure.namespaces) spawner::Spawner{enclosure}.run();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const pid_t inner = ::fork();
  if (inner < 0) {
    std::perror("hotwell-spawner: fork");
    return 1;
  }
  if (inner == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    spawner::Spawner{enclosure}.run();
  }
  // The launcher only waits: its own end, however it comes, is the namespace's, and the other way round.
  ::close(wire::spawner_descriptor);
  int status = 0;
  while (::waitpid(inner, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

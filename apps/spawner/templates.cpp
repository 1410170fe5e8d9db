#include "apps/spawner/templates.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apps/spawner/messages.hpp"
#include "apps/spawner/program.hpp"
#include "worker/warden.hpp"

namespace hotwell::spawner {
namespace {

/// In a user namespace exec would take the right to make PID namespaces from a process that is not root in it. The
/// template's workers give it up again.
void keep_right_to_enclose() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct rights[2]{};
  if (::geteuid() == 0 || ::syscall(SYS_capget, &header, rights) != 0) return;
  rights[0].inheritable |= 1U << CAP_SYS_ADMIN;
  ::syscall(SYS_capset, &header, rights);
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0);
}

}  // namespace

void Templates::spawn(const wire::SpawnRequest& request, std::string_view datagram, std::vector<int> descriptors) {
  Template& from = templates_[request.template_id];
  if (from.state == Template::State::absent) start(from, request);
  if (from.state == Template::State::loading) {
    from.waiting[request.id] = {std::string{datagram}, std::move(descriptors)};
    return;
  }
  if (from.state == Template::State::ready)
    fork(from, request, descriptors);
  else
    workers_.spawn(request, descriptors);
  close_all(descriptors);
}

void Templates::start(Template& made, const wire::SpawnRequest& request) {
  made.state = Template::State::useless;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    keep_right_to_enclose();
    // What it writes to standard error is the spawner's: its workers have pipes of their own.
    if (worker::install(std::vector{null, STDERR_FILENO, ends[1]}, {0, 1, wire::template_descriptor}, {}))
      execute(request);
    ::_exit(127);
  }
  ::close(ends[1]);
  ::close(null);
  if (pid < 0) {
    ::close(ends[0]);
    return;
  }
  made.state = Template::State::loading;
  made.pid = pid;
  made.socket = ends[0];
  made.started = Clock::now();
}

bool Templates::signal(std::uint32_t id, int signal) {
  for (auto& [number, from] : templates_) {
    if (const auto asked = from.forking.find(id); asked != from.forking.end()) {
      if (asked->second != SIGKILL) asked->second = signal;
      return true;
    }
    const auto waiting = from.waiting.find(id);
    if (waiting == from.waiting.end()) continue;
    if (signal == SIGKILL) {
      close_all(waiting->second.descriptors);
      from.waiting.erase(waiting);
      workers_.refuse(id, ECANCELED);
    }
    return true;
  }
  return false;
}

void Templates::read() {
  for (auto& [number, from] : templates_)
    if (from.socket >= 0) read(from);
}

void Templates::read(Template& from) {
  for (;;) {
    const auto received = receive(from.socket);
    if (received.kind == Received::Kind::nothing) return;
    wire::Forked forked;
    if (wire::decode(received.bytes, forked)) {
      const auto asked = from.forking.extract(forked.id);
      workers_.add(forked, received.descriptors.empty() ? -1 : received.descriptors.front());
      if (asked && asked.mapped() != 0) workers_.signal(forked.id, asked.mapped());
      close_all(received.descriptors);
      if (forked.error == EPERM) return lose(from, Template::State::useless);  // it may not make namespaces
    } else if (wire::spawn_type(received.bytes) == wire::SpawnType::template_ready) {
      from.state = Template::State::ready;
      for (auto& [id, waiting] : std::exchange(from.waiting, {})) {
        wire::SpawnRequest request;
        if (wire::decode(waiting.datagram, request)) fork(from, request, waiting.descriptors);
        close_all(waiting.descriptors);
      }
    } else {  // its end, or nonsense: the next worker starts another, unless it never was a template
      close_all(received.descriptors);
      return lose(from, from.state == Template::State::ready ? Template::State::absent : Template::State::useless);
    }
  }
}

void Templates::fork(Template& from, const wire::SpawnRequest& request, const std::vector<int>& descriptors) {
  std::vector<int> sent{workers_.reports_end()};
  sent.insert(sent.end(), descriptors.begin(), descriptors.end());
  const wire::ForkRequest fork{.id = request.id,
                               .enclosed = workers_.enclosed(),
                               .spawner = static_cast<std::uint32_t>(::getpid()),
                               .cgroup = workers_.cgroup(),
                               .limits = request.limits,
                               .descriptors = request.descriptors};
  if (send(from.socket, wire::encode(fork), sent))
    from.forking.emplace(request.id, 0);
  else
    workers_.spawn(request, descriptors);
}

void Templates::lose(Template& lost, Template::State state) {
  lost.state = state;
  ::close(std::exchange(lost.socket, -1));
  if (lost.pid > 0) ::kill(lost.pid, SIGKILL);
  for (const auto& [id, signal] : std::exchange(lost.forking, {})) workers_.refuse(id, EAGAIN);
  for (auto& [id, waiting] : std::exchange(lost.waiting, {})) {
    wire::SpawnRequest request;
    if (wire::decode(waiting.datagram, request)) workers_.spawn(request, waiting.descriptors);
    close_all(waiting.descriptors);
  }
}

bool Templates::ended(pid_t pid) {
  const auto found = std::ranges::find_if(templates_, [pid](const auto& entry) { return entry.second.pid == pid; });
  if (found == templates_.end()) return false;
  Template& gone = found->second;
  gone.pid = 0;
  if (gone.socket >= 0) read(gone);  // its last words, and the end of its socket
  return true;
}

void Templates::tick(Clock::time_point now) {
  for (auto& [number, from] : templates_)
    if (from.state == Template::State::loading && now >= from.started + patience) lose(from, Template::State::useless);
}

int Templates::wait(Clock::time_point now) const {
  int shortest = -1;
  for (const auto& [number, from] : templates_) {
    if (from.state != Template::State::loading) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(from.started + patience - now).count();
    const int bounded = static_cast<int>(std::max<long>(left, 0));
    if (shortest < 0 || bounded < shortest) shortest = bounded;
  }
  return shortest;
}

std::vector<int> Templates::sockets() const {
  std::vector<int> list;
  for (const auto& [number, from] : templates_)
    if (from.socket >= 0) list.push_back(from.socket);
  return list;
}

void Templates::kill_all() const {
  for (const auto& [number, from] : templates_)
    if (from.pid > 0) ::kill(from.pid, SIGKILL);
}

}  // namespace hotwell::spawner

#include "apps/spawner/workers.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/spawner/messages.hpp"
#include "apps/spawner/program.hpp"
#include "worker/warden.hpp"

namespace hotwell::spawner {
namespace {

/// More than this can only be children of templates that ended before they could say so.
constexpr std::size_t most_unknown = 256;

}  // namespace

Workers::Workers(Place place) : place_(std::move(place)) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) ::_exit(1);
  reports_read_ = ends[0];
  reports_write_ = ends[1];
}

void Workers::spawn(const wire::SpawnRequest& request, const std::vector<int>& descriptors) {
  const worker::Ward ward{.id = request.id,
                          .enclosed = place_.enclosed,
                          .spawner = ::getpid(),
                          .reports = reports_write_,
                          .cgroup = place_.cgroup};
  int pidfd = -1;
  const pid_t warden = worker::fork_warden(ward, pidfd);
  if (warden == 0) {
    worker::become_warden(ward);
    int start_error = 0;
    // vfork: the program's first steps run on the warden's memory, which costs no page tables.
    const pid_t program = ::vfork();
    if (program == 0) {
      worker::become_ward();
      if (worker::install(descriptors, request.descriptors, request.limits)) execute(request);
      start_error = errno;
      ::_exit(127);
    }
    if (program < 0) start_error = errno;
    worker::guard(ward, program, start_error);
  }
  if (warden < 0) return refuse(request.id, errno);
  workers_[request.id].warden = warden;
  send(place_.pool, wire::encode(wire::Spawned{request.id, 0}), {pidfd});
  ::close(pidfd);
}

void Workers::add(const wire::Forked& forked, int pidfd) {
  if (forked.error != 0 || pidfd < 0)
    return refuse(forked.id, forked.error != 0 ? static_cast<int>(forked.error) : EPROTO);
  Worker& worker = workers_[forked.id];
  worker.warden = static_cast<pid_t>(forked.warden);
  send(place_.pool, wire::encode(wire::Spawned{forked.id, 0}), {pidfd});
  if (const auto node = unknown_.extract(worker.warden)) ended(node.key(), node.mapped());
}

void Workers::refuse(std::uint32_t id, int error) const {
  send(place_.pool, wire::encode(wire::Spawned{id, static_cast<std::uint32_t>(error)}));
}

void Workers::signal(std::uint32_t id, int signal) const {
  const auto found = workers_.find(id);
  if (found == workers_.end() || found->second.warden == 0) return;
  ::kill(found->second.warden, signal == SIGKILL && !place_.enclosed ? worker::kill_tree_signal : signal);
}

void Workers::read_reports() {
  for (;;) {
    const auto received = receive(reports_read_);
    close_all(received.descriptors);
    wire::Exited exited;
    if (received.kind != Received::Kind::message) return;
    if (!wire::decode(received.bytes, exited)) continue;
    // A template's worker may be done before its template has said that it forked it.
    workers_[exited.id].report = exited;
  }
}

bool Workers::ended(pid_t pid, int status) {
  read_reports();  // what was sent before the end is there
  const auto found = std::ranges::find_if(workers_, [pid](const auto& entry) { return entry.second.warden == pid; });
  if (found == workers_.end()) {
    if (unknown_.size() >= most_unknown) unknown_.erase(unknown_.begin());
    unknown_.emplace(pid, status);
    return false;
  }
  const auto node = workers_.extract(found);
  tell_exit(node.key(), node.mapped(), status);
  return true;
}

void Workers::tell_exit(std::uint32_t id, const Worker& worker, int warden_status) {
  send(place_.pool,
       wire::encode(worker.report.value_or(wire::Exited{id, 0, static_cast<std::uint32_t>(warden_status)})));
}

void Workers::kill_all() const {
  for (const auto& [id, worker] : workers_)
    if (worker.warden != 0) ::kill(worker.warden, worker::kill_tree_signal);
}

}  // namespace hotwell::spawner

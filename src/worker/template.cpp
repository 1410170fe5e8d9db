#include "worker/template.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/fd.hpp"
#include "wire/frames.hpp"
#include "wire/spawn.hpp"
#include "worker/warden.hpp"

namespace hotwell::worker {
namespace {

/// In the forked worker: what exec would have done.
[[nodiscard]] bool become_worker(const wire::ForkRequest& request, std::span<const int> descriptors) {
  become_ward();
  if (!install(descriptors, request.descriptors, request.limits)) return false;
  close_all_but(request.descriptors);
  if (::geteuid() != 0) drop_capabilities();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  return true;
}

/// True in the worker.
bool fork_worker(const wire::ForkRequest& request, std::span<const int> descriptors) {
  // The first descriptor is the warden's way to the spawner.
  const Ward ward{.id = request.id,
                  .enclosed = request.enclosed,
                  .spawner = static_cast<pid_t>(request.spawner),
                  .reports = descriptors.front(),
                  .cgroup = std::string{request.cgroup}};
  int pidfd = -1;
  const pid_t warden = fork_warden(ward, pidfd);
  if (warden == 0) {
    become_warden(ward);
    const pid_t worker = ::fork();
    if (worker == 0) {
      if (become_worker(request, descriptors.subspan(1))) return true;
      ::_exit(127);
    }
    const int start_error = worker < 0 ? errno : 0;
    guard(ward, worker, start_error);
  }
  const FileHandle held{pidfd};
  const wire::Forked forked{request.id, static_cast<std::uint32_t>(warden < 0 ? errno : 0),
                            static_cast<std::uint32_t>(warden < 0 ? 0 : warden)};
  const std::array sent{pidfd};
  (void)host::send_datagram(wire::template_descriptor, wire::encode(forked),
                            warden < 0 ? std::span<const int>{} : std::span<const int>{sent});
  return false;
}

bool is_socket(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

}  // namespace

bool is_template() { return !is_socket(wire::worker_descriptor) && is_socket(wire::template_descriptor); }

bool fork_workers() {
  ::fcntl(wire::template_descriptor, F_SETFD, FD_CLOEXEC);
  std::string buffer(wire::fork_limit, '\0');
  if (!host::send_datagram(wire::template_descriptor, wire::encode(wire::TemplateReady{}))) return false;
  for (;;) {
    auto datagram = host::receive_datagram(wire::template_descriptor, buffer);
    wire::ForkRequest request;
    if (!datagram || !wire::decode(datagram->bytes, request)) return false;
    std::vector<int> descriptors;
    for (const auto& held : datagram->descriptors) descriptors.push_back(held.get());
    if (descriptors.size() != request.descriptors.size() + 1) return false;
    if (fork_worker(request, descriptors)) {
      for (auto& held : datagram->descriptors) (void)held.release();  // closed already, and their numbers are others'
      return true;
    }
  }
}

}  // namespace hotwell::worker

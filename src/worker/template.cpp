#include "worker/template.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/fd.hpp"
#include "wire/frames.hpp"
#include "wire/spawn.hpp"
#include "worker/sandbox.hpp"
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

/// A warden and its worker that wait for somebody to want them: forking a large process takes longer than everything
/// else that is left to do for a worker's first job.
struct Spare {
  FileHandle to_warden;  ///< takes the worker's id
  FileHandle to_worker;  ///< takes the request
  FileHandle pidfd;
  pid_t warden = 0;
};

/// In a spare worker: until it is wanted. False where it never will be.
bool wait_to_be_wanted(int socket) {
  become_ward();
  close_all_but({static_cast<std::uint32_t>(socket)});
  prepare_to_confine();
  std::string buffer(wire::fork_limit, '\0');
  auto datagram = host::receive_datagram(socket, buffer);
  wire::ForkRequest request;
  if (!datagram || !wire::decode(datagram->bytes, request)) return false;
  std::vector<int> descriptors;
  for (auto& held : datagram->descriptors) descriptors.push_back(held.release());
  return descriptors.size() == request.descriptors.size() + 1 &&
         become_worker(request, std::span{descriptors}.subspan(1));
}

/// In a spare warden.
[[noreturn]] void wait_for_id(Ward ward, int socket, pid_t worker) {
  const int start_error = worker < 0 ? errno : 0;
  close_all_but({static_cast<std::uint32_t>(ward.reports), static_cast<std::uint32_t>(socket)});
  ssize_t size = 0;
  do size = ::recv(socket, &ward.id, sizeof ward.id, 0);
  while (size < 0 && errno == EINTR);
  if (size != sizeof ward.id) ::_exit(0);  // the template has ended
  guard(ward, worker, start_error);
}

class Forker {
 public:
  /// Both answer true in the worker alone.
  [[nodiscard]] bool fork_for(const wire::ForkRequest& request, std::string_view datagram,
                              std::span<const int> descriptors) {
    if (spare_ && hand_over(request, datagram, descriptors)) return false;
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
        if (!become_worker(request, descriptors.subspan(1))) ::_exit(127);
        forget_descriptors();
        return true;
      }
      const int start_error = worker < 0 ? errno : 0;
      guard(ward, worker, start_error);
    }
    const FileHandle held{pidfd};
    answer(request.id, warden, warden < 0 ? errno : 0, pidfd);
    if (warden > 0 && ward.enclosed) {
      spare_ward_ = ward;
      reports_ = FileHandle{::fcntl(ward.reports, F_DUPFD_CLOEXEC, 0)};
      spare_ward_->reports = reports_.get();
    }
    return false;
  }
  [[nodiscard]] bool wants_spare() const { return spare_ward_ && !spare_; }
  [[nodiscard]] bool fork_spare() {
    auto warden_line = host::seqpacket_pair();
    auto worker_line = host::seqpacket_pair();
    const auto ward = *std::exchange(spare_ward_, std::nullopt);  // once, where it fails
    if (!warden_line || !worker_line) return false;
    int pidfd = -1;
    const pid_t warden = fork_warden(ward, pidfd);
    if (warden == 0) {
      become_warden(ward);
      const pid_t worker = ::fork();
      if (worker == 0) {
        const int socket = worker_line->second.release();
        (void)warden_line->first.release(), (void)warden_line->second.release(), (void)worker_line->first.release();
        forget_descriptors();
        if (!wait_to_be_wanted(socket)) ::_exit(127);
        return true;
      }
      wait_for_id(ward, warden_line->second.release(), worker);
    }
    if (warden < 0) return false;
    spare_ward_ = ward;
    spare_ = Spare{.to_warden = std::move(warden_line->first),
                   .to_worker = std::move(worker_line->first),
                   .pidfd = FileHandle{pidfd},
                   .warden = warden};
    return false;
  }

 private:
  /// In a worker: they are closed, and their numbers are others'.
  void forget_descriptors() {
    (void)reports_.release();
    if (!spare_) return;
    (void)spare_->to_warden.release(), (void)spare_->to_worker.release(), (void)spare_->pidfd.release();
  }
  bool hand_over(const wire::ForkRequest& request, std::string_view datagram, std::span<const int> descriptors) {
    const Spare spare = std::move(*std::exchange(spare_, std::nullopt));
    const std::string_view id{reinterpret_cast<const char*>(&request.id), sizeof request.id};
    // Where somebody killed it, it is gone with all that was sent. The warden is told last: until then it has no name
    // to report under.
    if (!host::send_datagram(spare.to_worker.get(), datagram, descriptors) ||
        !host::send_datagram(spare.to_warden.get(), id)) {
      (void)::syscall(SYS_pidfd_send_signal, spare.pidfd.get(), SIGKILL, nullptr, 0);
      return false;
    }
    answer(request.id, spare.warden, 0, spare.pidfd.get());
    return true;
  }
  static void answer(std::uint32_t id, pid_t warden, int error, int pidfd) {
    const wire::Forked forked{id, static_cast<std::uint32_t>(error),
                              static_cast<std::uint32_t>(error != 0 ? 0 : warden)};
    const std::array sent{pidfd};
    (void)host::send_datagram(wire::template_descriptor, wire::encode(forked),
                              error != 0 ? std::span<const int>{} : std::span<const int>{sent});
  }

  std::optional<Spare> spare_;
  std::optional<Ward> spare_ward_;  ///< what one is made with, once that is known
  FileHandle reports_;
};

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
  Forker forker;
  for (;;) {
    pollfd asked{wire::template_descriptor, POLLIN, 0};
    if (forker.wants_spare() && ::poll(&asked, 1, 0) == 0 && forker.fork_spare()) return true;
    auto datagram = host::receive_datagram(wire::template_descriptor, buffer);
    wire::ForkRequest request;
    if (!datagram || !wire::decode(datagram->bytes, request)) return false;
    std::vector<int> descriptors;
    for (const auto& held : datagram->descriptors) descriptors.push_back(held.get());
    if (descriptors.size() != request.descriptors.size() + 1) return false;
    if (forker.fork_for(request, datagram->bytes, descriptors)) {
      for (auto& held : datagram->descriptors) (void)held.release();  // closed already, and their numbers are others'
      return true;
    }
  }
}

}  // namespace hotwell::worker

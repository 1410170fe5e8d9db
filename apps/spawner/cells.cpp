#include "apps/spawner/cells.hpp"

#include <algorithm>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/spawner/messages.hpp"

namespace hotwell::spawner {
namespace {

void let_go(const Cells::Cell& cell) {
  ::close(cell.pidfd);
  ::close(cell.socket);
}

/// In the cell.
[[noreturn]] void wait_for_worker(worker::Ward ward, int socket, Begin begin) {
  worker::become_warden(ward);
  worker::close_all_but({static_cast<std::uint32_t>(ward.reports), static_cast<std::uint32_t>(socket)});
  pollfd told{socket, POLLIN, 0};
  while (::poll(&told, 1, -1) != 1) {
  }
  const auto received = receive(socket);
  wire::SpawnRequest request;
  if (wire::decode(received.bytes, request) && request.descriptors.size() == received.descriptors.size()) {
    ward.id = request.id;
    begin(ward, request, received.descriptors);
  }
  ::_exit(0);
}

}  // namespace

void Cells::add(worker::Ward ward) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return;
  Cell cell{.socket = ends[0]};
  cell.warden = worker::fork_warden(ward, cell.pidfd);
  if (cell.warden == 0) wait_for_worker(std::move(ward), ends[1], begin_);
  ::close(ends[1]);
  if (cell.warden < 0)
    ::close(ends[0]);
  else
    cells_.push_back(cell);
}

std::optional<Cells::Cell> Cells::take(std::string_view request, const std::vector<int>& descriptors) {
  while (!cells_.empty()) {
    const Cell cell = cells_.front();
    cells_.erase(cells_.begin());
    if (send(cell.socket, request, descriptors)) return cell;
    let_go(cell);  // somebody killed it, and ended() has not heard of it yet
  }
  return std::nullopt;
}

bool Cells::ended(pid_t pid) {
  const auto found = std::ranges::find(cells_, pid, &Cell::warden);
  if (found == cells_.end()) return false;
  let_go(*found);
  cells_.erase(found);
  return true;
}

}  // namespace hotwell::spawner

/// The least that a keep-alive HTTP server on one thread can do: whatever is asked, it answers the same bytes, out of
/// one buffer by one write. What HTTP itself costs here, beside which servers that look something up are measured.
///
///   hotwell-bench-epoll BODY_BYTES       prints the port that it listens on, on 127.0.0.1; ends with its standard
///   input
#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <unordered_map>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

struct Client {
  std::string asked;       // of a request whose end has not come yet
  std::size_t unsent = 0;  // bytes of answers
};

[[noreturn]] void give_up(const char* what) {
  std::cerr << "hotwell-bench-epoll: " << what << ": errno " << errno << '\n';
  std::exit(1);
}

int listen_on_loopback() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || ::bind(listener, name, size) != 0 || ::listen(listener, 256) != 0) give_up("listening");
  ::getsockname(listener, name, &size);
  std::cout << ntohs(address.sin_port) << std::endl;
  return listener;
}

void watch(int epoll, int fd, std::uint32_t events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll, operation, fd, &event) != 0) give_up("epoll_ctl");
}

// False where the client is gone.
bool send_answers(int fd, Client& client, std::string_view answer) {
  while (client.unsent > 0) {
    const auto offset = (answer.size() - client.unsent % answer.size()) % answer.size();
    const auto sent = ::send(fd, answer.data() + offset, answer.size() - offset, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    client.unsent -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool take_requests(int fd, Client& client, std::string_view answer) {
  std::array<char, 16384> bytes;
  const auto got = ::recv(fd, bytes.data(), bytes.size(), 0);
  if (got <= 0) return got < 0 && errno == EAGAIN;
  client.asked.append(bytes.data(), static_cast<std::size_t>(got));
  for (std::size_t end = 0; (end = client.asked.find("\r\n\r\n")) != std::string::npos;) {
    client.asked.erase(0, end + 4);
    client.unsent += answer.size();
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto size = std::strtoull(argv[1], nullptr, 10);
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(size) +
      "\r\n\r\n" + std::string(size, 'x');
  const int listener = listen_on_loopback();
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, listener, EPOLLIN, EPOLL_CTL_ADD);
  watch(epoll, STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
  std::unordered_map<int, Client> clients;
  std::array<epoll_event, 128> events;
  for (;;) {
    const int count = ::epoll_wait(epoll, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == STDIN_FILENO) return 0;
      if (fd == listener) {
        const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) continue;
        const int yes = 1;
        ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        clients[accepted];
        watch(epoll, accepted, EPOLLIN, EPOLL_CTL_ADD);
        continue;
      }
      auto& client = clients[fd];
      const bool waited = client.unsent > 0;
      if ((waited || take_requests(fd, client, answer)) && send_answers(fd, client, answer)) {
        if (waited != (client.unsent > 0)) watch(epoll, fd, waited ? EPOLLIN : EPOLLOUT, EPOLL_CTL_MOD);
        continue;
      }
      clients.erase(fd);
      ::close(fd);
    }
  }
}

/// A receiver of notifications for tests: a server on a free loopback port that speaks just enough HTTP or SMTP,
/// answers as the test says and keeps what it was told.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell::monitor::testing {

class Receiver {
 public:
  enum class Speaks : std::uint8_t { http, smtp };
  explicit Receiver(Speaks speaks) : speaks_(speaks), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    HOTWELL_ASSERT(::bind(listener_, any, size) == 0 && ::listen(listener_, 16) == 0);
    HOTWELL_ASSERT(::getsockname(listener_, any, &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { serve(); });
  }
  ~Receiver() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_ = {};
    ::close(listener_);
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  [[nodiscard]] std::string url() const {
    return fmt::format("{}://127.0.0.1:{}", speaks_ == Speaks::http ? "http" : "smtp", port_);
  }
  /// The next answers, in order: an HTTP status line's rest with further fields ("503 Busy\r\nRetry-After: 7"), or the
  /// reply to a mail's recipient ("450 later"). Afterwards everything goes well.
  void answer(std::string text) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(text));
  }
  /// Waits until so many were received, and returns all of them.
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds{60}, [&] { return received_.size() >= count; });
    return received_;
  }

 private:
  void serve() {
    for (;;) {
      const int peer = ::accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      buffer_.clear();
      if (speaks_ == Speaks::http)
        speak_http(peer);
      else
        speak_smtp(peer);
      ::close(peer);
    }
  }
  bool more(int peer) {
    char bytes[4096];
    const ssize_t got = ::recv(peer, bytes, sizeof bytes, 0);
    if (got > 0) buffer_.append(bytes, static_cast<std::size_t>(got));
    return got > 0;
  }
  static void say(int peer, std::string_view text) { (void)::send(peer, text.data(), text.size(), MSG_NOSIGNAL); }
  std::string next_answer(std::string otherwise) {
    const std::lock_guard lock(mutex_);
    if (answers_.empty()) return otherwise;
    std::string answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  void keep(std::string what) {
    const std::lock_guard lock(mutex_);
    received_.push_back(std::move(what));
    changed_.notify_all();
  }
  void speak_http(int peer) {
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!more(peer)) return;
    const std::size_t at = buffer_.find("Content-Length: ");
    const std::size_t length = at == std::string::npos ? 0 : std::stoul(buffer_.substr(at + 16));
    while (buffer_.size() < end + 4 + length)
      if (!more(peer)) return;
    // Answered before it is kept: who waits for it may end this server.
    say(peer, fmt::format("HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", next_answer("200 OK")));
    keep(buffer_);
  }
  void speak_smtp(int peer) {
    say(peer, "220 test\r\n");
    std::string mail;
    bool data = false;
    for (;;) {
      std::size_t end = std::string::npos;
      while ((end = buffer_.find("\r\n")) == std::string::npos)
        if (!more(peer)) return;
      const std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      if (data) {
        if (line != ".") {
          mail += line + "\n";
          continue;
        }
        data = false;
        say(peer, "250 kept\r\n");
        keep(mail);
      } else if (line.starts_with("DATA")) {
        data = true;
        say(peer, "354 go on\r\n");
      } else if (line.starts_with("RCPT")) {
        mail += line + "\n";
        say(peer, next_answer("250 known") + "\r\n");
      } else if (line.starts_with("QUIT")) {
        say(peer, "221 bye\r\n");
        return;
      } else {
        if (line.starts_with("MAIL")) mail = line + "\n";
        say(peer, "250 ok\r\n");
      }
    }
  }

  const Speaks speaks_;
  int listener_;
  std::uint16_t port_ = 0;
  std::string buffer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> answers_;
  std::vector<std::string> received_;
  std::jthread thread_;
};

}  // namespace hotwell::monitor::testing

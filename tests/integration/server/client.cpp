#include "client.hpp"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

namespace hotwell::test {

std::string Reply::field(const std::string& name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string{} : found->second;
}

boost::json::value Reply::json() const {
  boost::json::error_code error;
  auto value = boost::json::parse(body, error);
  EXPECT_FALSE(error) << error.message() << " in: " << body;
  return value;
}

std::string Reply::code() const {
  if (field("content-type") != "application/problem+json") return {};
  const auto problem = json().as_object();
  for (const auto* name : {"type", "title", "status", "detail"}) EXPECT_TRUE(problem.contains(name)) << name;
  EXPECT_EQ(problem.at("status").as_int64(), status);
  EXPECT_FALSE(problem.at("detail").as_string().empty());
  return std::string(problem.at("code").as_string());
}

Client::Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{60, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int connected = ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  EXPECT_EQ(connected, 0);
}

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server closed: what it said before can still be read
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Client::request(std::string_view method, std::string_view target, std::string_view fields,
                     std::optional<std::string_view> body) {
  auto head = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n{}", method, target, fields);
  if (body) head += fmt::format("Content-Length: {}\r\n", body->size());
  send(head + "\r\n" + std::string(body.value_or("")));
}

Reply Client::ask(std::string_view method, std::string_view target, std::string_view fields,
                  std::optional<std::string_view> body) {
  request(method, target, fields, body);
  return reply(method);
}

bool Client::fill() {
  char bytes[65536];
  const auto got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

std::optional<std::string> Client::take_line() {
  for (;;) {
    if (const auto end = buffer_.find("\r\n"); end != std::string::npos) {
      auto line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      return line;
    }
    if (!fill()) return std::nullopt;
  }
}

Reply Client::head() {
  Reply reply;
  const auto line = take_line();
  if (!line || !line->starts_with("HTTP/1.1 ")) {
    ADD_FAILURE() << "no answer: " << line.value_or("closed");
    return reply;
  }
  reply.status = static_cast<unsigned>(std::stoul(line->substr(9, 3)));
  for (auto field = take_line(); field && !field->empty(); field = take_line()) {
    auto name = field->substr(0, field->find(':'));
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    EXPECT_FALSE(reply.fields.contains(name)) << name << " twice";
    reply.fields[name] = field->substr(std::min(field->size(), name.size() + 2));
  }
  return reply;
}

std::string Client::read_exactly(std::size_t size) {
  while (buffer_.size() < size && fill()) {
  }
  auto bytes = buffer_.substr(0, size);
  buffer_.erase(0, bytes.size());
  return bytes;
}

std::optional<std::string> Client::read_chunk() {
  const auto line = take_line();
  if (!line) return std::nullopt;
  const auto size = std::stoul(*line, nullptr, 16);
  auto bytes = read_exactly(size);
  const auto end = take_line();
  if (bytes.size() != size || !end) return std::nullopt;
  EXPECT_EQ(*end, "");
  return bytes;
}

Reply Client::reply(std::string_view method) {
  auto reply = head();
  if (method == "HEAD" || reply.status == 204 || reply.status == 304) {
    reply.whole = true;
  } else if (reply.field("transfer-encoding") == "chunked") {
    for (auto chunk = read_chunk(); chunk; chunk = read_chunk()) {
      reply.whole = chunk->empty();
      if (reply.whole) break;
      reply.body += *chunk;
    }
  } else {
    EXPECT_TRUE(reply.fields.contains("content-length")) << reply.status;
    const auto size = reply.fields.contains("content-length") ? std::stoul(reply.field("content-length")) : 0;
    reply.body = read_exactly(size);
    reply.whole = reply.body.size() == size;
  }
  return reply;
}

bool Client::closed() {
  errno = 0;
  while (fill()) {
  }
  return errno != EAGAIN && errno != EWOULDBLOCK;
}

void Client::half_close() { ::shutdown(socket_.get(), SHUT_WR); }

void Client::abort() {
  const linger reset{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  socket_ = FileHandle();
}

}  // namespace hotwell::test

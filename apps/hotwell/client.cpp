#include "apps/hotwell/client.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <unistd.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "apps/hotwell/interrupt.hpp"

namespace hotwell::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// What a problem JSON says, or else the status line's own words.
Ending ending_of(const HttpResponse& response) {
  int status = response.status == 429 || response.status == 503 ? status::refused : status::failed;
  std::string message = fmt::format("the server answered {}", response.status);
  error_code error;
  const auto json = boost::json::parse(response.text, error);
  if (error || !json.is_object()) return {status, std::move(message)};
  if (const auto* detail = json.as_object().if_contains("detail"); detail && detail->is_string())
    message = std::string(detail->as_string());
  if (const auto* name = json.as_object().if_contains("code"); name && name->is_string())
    if (const auto code = parse_code(std::string_view(name->as_string()))) status = info(*code).exit_code;
  return {status, std::move(message)};
}

}  // namespace

std::string ServerAddress::url() const {
  return fmt::format(fmt::runtime(host.find(':') == std::string::npos ? "http://{}:{}" : "http://[{}]:{}"), host, port);
}

Outcome<ServerAddress> parse_server(std::string_view text) {
  const auto wrong = [given = std::string(text)] {
    return end(status::usage, fmt::format("expected a server such as http://127.0.0.1:8080, got \"{}\"", given));
  };
  if (text.starts_with("http://")) text.remove_prefix(7);
  if (text.ends_with('/')) text.remove_suffix(1);
  if (text.find("://") != std::string_view::npos || text.find('/') != std::string_view::npos) return wrong();
  const auto colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
  std::string_view host = has_port ? text.substr(0, colon) : text;
  const std::string_view port = has_port ? text.substr(colon + 1) : "80";
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos)
    return wrong();
  return ServerAddress{std::string(host), std::string(port)};
}

std::string encode_segment(std::string_view text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (plain.find(c) != std::string_view::npos)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string HttpResponse::field(std::string_view lower_case_name) const {
  const auto found = std::ranges::find(fields, lower_case_name, [](const auto& pair) { return pair.first; });
  return found == fields.end() ? std::string{} : found->second;
}

// Starts one asynchronous operation and runs it to its end, in slices, so that an interrupt is seen between them.
template <class Start>
error_code Client::await(Start start) {
  error_code result;
  bool done = false;
  stream_->expires_after(patience_);
  start([&](error_code error, auto&&...) {
    result = error;
    done = true;
  });
  bool gave_up = false;
  while (!done) {
    if (heeds_interrupts_ && interrupted() && !gave_up) {
      gave_up = true;
      stream_->cancel();
    }
    io_.restart();
    io_.run_for(std::chrono::milliseconds(100));
  }
  return result;
}

Outcome<void> Client::connect() {
  const auto no_server = [&](const error_code& error) {
    stream_.reset();
    return end(status::no_server, fmt::format("no server at {}: {}", server_.url(), error.message()));
  };
  error_code error;
  asio::ip::tcp::resolver resolver(io_);
  const auto endpoints = resolver.resolve(server_.host, server_.port, error);
  stream_.emplace(io_);
  buffer_.clear();
  buffer_.reserve(128 * 1024);  // what one read takes at most: Beast reads no more than fits
  if (error) return no_server(error);
  error = await([&](auto done) { stream_->async_connect(endpoints, done); });
  if (error) return no_server(error);
  stream_->socket().set_option(asio::ip::tcp::no_delay(true), error);
  return {};
}

Outcome<HttpResponse> Client::send(const HttpRequest& request, const Receive& receive) {
  patience_ = request.patience;
  heeds_interrupts_ = request.on_interrupt == HttpRequest::OnInterrupt::give_up;
  const bool kept = stream_.has_value();
  if (!kept)
    if (auto connected = connect(); !connected) return std::unexpected(connected.error());
  bool answered = false;
  auto response = exchange(request, receive, answered);
  if (response) return response;
  if (kept && !stream_ && !answered && !interrupted()) {
    // The server had closed the connection while it rested: that request was never looked at.
    if (auto connected = connect(); !connected) return std::unexpected(connected.error());
    return exchange(request, receive, answered);
  }
  return response;
}

// Drops the connection (stream_ is empty afterwards) where the next request could not use it.
Outcome<HttpResponse> Client::exchange(const HttpRequest& request, const Receive& receive, bool& answered) {
  const auto broken = [&](std::string_view what, const error_code& error) {
    stream_.reset();
    if (heeds_interrupts_ && interrupted()) return end(status::failed, "interrupted");
    return end(answered ? status::failed : status::no_server,
               fmt::format("{}: {} ({})", server_.url(), what, error.message()));
  };
  http::request<http::empty_body> head;
  head.method_string(request.method);
  head.target(request.target);
  head.version(11);
  head.set(http::field::host, server_.url().substr(7));
  head.set(http::field::user_agent, "hotwell");
  if (!token_.empty()) head.set(http::field::authorization, "Bearer " + token_);
  for (const auto& [name, value] : request.fields) head.set(name, value);
  const std::uint64_t size = request.file >= 0 ? request.file_size : request.text.size();
  if (size > 0 || request.method == "POST" || request.method == "PUT") head.content_length(size);

  http::request_serializer<http::empty_body> serializer(head);
  error_code error = await([&](auto done) { http::async_write_header(*stream_, serializer, done); });
  if (!error && !request.text.empty())
    error = await([&](auto done) { asio::async_write(*stream_, asio::buffer(request.text), done); });
  std::string chunk;
  if (request.file >= 0) chunk.resize(256 * 1024);
  for (std::uint64_t sent = 0; request.file >= 0 && !error && sent < size;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), size - sent));
    const ssize_t got = ::pread(request.file, chunk.data(), wanted, static_cast<off_t>(sent));
    if (got <= 0) {
      stream_.reset();
      return end(status::failed, "the input became shorter while it was sent");
    }
    const auto piece = asio::buffer(chunk.data(), static_cast<std::size_t>(got));
    error = await([&](auto done) { asio::async_write(*stream_, piece, done); });
    sent += static_cast<std::uint64_t>(got);
  }
  // A server that refuses a body may answer and close before it has read it: look for its answer all the same.
  const error_code write_error = error;

  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  if (request.method == "HEAD") parser.skip(true);
  error = await([&](auto done) { http::async_read_header(*stream_, buffer_, parser, done); });
  if (error) return broken("no answer", write_error ? write_error : error);
  answered = true;

  HttpResponse response;
  response.status = parser.get().result_int();
  for (const auto& field : parser.get())
    response.fields.emplace_back(lower(std::string_view(field.name_string())), std::string(field.value()));
  const bool success = response.status >= 200 && response.status < 300;
  std::array<char, 128 * 1024> piece;
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    error = await([&](auto done) { http::async_read_some(*stream_, buffer_, parser, done); });
    if (error == http::error::need_buffer) error = {};
    if (error) return broken(fmt::format("the answer broke off after {} bytes", response.size), error);
    const std::string_view bytes(piece.data(), piece.size() - parser.get().body().size);
    response.size += bytes.size();
    if (!success || !receive) {
      response.text += bytes;
    } else if (auto received = receive(bytes); !received) {
      stream_.reset();
      return std::unexpected(received.error());
    }
  }
  if (!parser.get().keep_alive() || write_error) stream_.reset();
  if (!success) return std::unexpected(ending_of(response));
  return response;
}

}  // namespace hotwell::cli

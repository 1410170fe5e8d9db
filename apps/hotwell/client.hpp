/// A blocking HTTP client for one server: what the commands ask a daemon with.
///
/// Invariant: no call waits for ever on a silent peer, and an interrupt (interrupt.hpp) ends a wait unless
/// the request says to go on.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <hotwell/units.hpp>

#include "apps/hotwell/ending.hpp"

namespace hotwell::cli {

struct ServerAddress {
  std::string host;  ///< without brackets
  std::string port;
  [[nodiscard]] std::string url() const;
};

/// "http://HOST:PORT" or "HOST:PORT". Ends as bad usage.
[[nodiscard]] Outcome<ServerAddress> parse_server(std::string_view text);

/// Everything but letters, digits and "-._~" becomes %XX.
[[nodiscard]] std::string encode_segment(std::string_view text);

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> fields;
  std::string text;  ///< the body, or:
  int file = -1;     ///< a file whose first `file_size` bytes are the body
  std::uint64_t file_size = 0;
  Duration patience = std::chrono::seconds{60};  ///< with a peer that neither takes nor gives a byte
  enum class OnInterrupt : std::uint8_t { give_up, go_on } on_interrupt = OnInterrupt::give_up;
};

struct HttpResponse {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in lower case
  std::string text;                                         ///< the body, where nobody received it
  std::uint64_t size = 0;

  /// Empty where there is none.
  [[nodiscard]] std::string field(std::string_view lower_case_name) const;
};

class Client {
 public:
  /// Takes a body as it comes.
  using Receive = std::function<Outcome<void>(std::string_view)>;

  Client(ServerAddress server, std::string token) : server_(std::move(server)), token_(std::move(token)) {}

  /// Sends a request and reads the whole answer; `receive` gets the body of a success. Ends: no_server when nobody
  /// listens; with the problem's own words and status for every answer that is no success; failed when it breaks off.
  [[nodiscard]] Outcome<HttpResponse> send(const HttpRequest& request, const Receive& receive = {});
  [[nodiscard]] const ServerAddress& server() const { return server_; }

 private:
  [[nodiscard]] Outcome<void> connect();
  [[nodiscard]] Outcome<HttpResponse> exchange(const HttpRequest& request, const Receive& receive, bool& answered);
  template <class Start>
  [[nodiscard]] boost::system::error_code await(Start start);

  ServerAddress server_;
  std::string token_;
  boost::asio::io_context io_;
  std::optional<boost::beast::tcp_stream> stream_;
  boost::beast::flat_buffer buffer_;
  Duration patience_{};
  bool heeds_interrupts_ = true;
};

}  // namespace hotwell::cli

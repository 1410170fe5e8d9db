/// Who may ask: the names this server answers to (against DNS rebinding and cross-site posts) and its tokens.
/// Immutable once made. Threads: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include <hotwell/config.hpp>

namespace hotwell::server {

/// HOST:PORT taken apart.
struct Authority {
  std::string host;  ///< lower case; an IPv6 address without its brackets
  std::string port;  ///< empty where none is named

  friend bool operator==(const Authority&, const Authority&) = default;
};
/// "example.org", "127.0.0.1:8080", "[::1]:8080". Nothing where it is none.
[[nodiscard]] std::optional<Authority> parse_authority(std::string_view text);

class HostPolicy {
 public:
  /// `hosts` names what else is answered: "name" with any port, "name:port" with that one.
  HostPolicy(std::string_view listen_host, const std::vector<std::string>& hosts);

  /// A Host header's value. `local` is the address at which the connection arrived: its literal is the listening
  /// address even where the server listens on all of them.
  [[nodiscard]] bool allows_host(std::string_view host, const boost::asio::ip::address& local) const;
  /// An Origin header's value: a scheme and the same.
  [[nodiscard]] bool allows_origin(std::string_view origin, const boost::asio::ip::address& local) const;

 private:
  std::vector<Authority> known_;
};

class Tokens {
 public:
  explicit Tokens(const std::vector<std::string>& tokens);

  [[nodiscard]] bool required() const { return !digests_.empty(); }
  /// Values of the Authorization and Cookie headers; either may be empty. Takes the same time wherever they differ.
  [[nodiscard]] bool admits(std::string_view authorization, std::string_view cookie) const;
  [[nodiscard]] bool knows(std::string_view token) const;
  /// What the cookie of a browser that signed in with `token` says: derived from it, never the token itself.
  [[nodiscard]] static std::string session(std::string_view token);
  static constexpr std::string_view cookie_name = "hotwell_session";

 private:
  std::vector<std::string> digests_;
  std::vector<std::string> sessions_;
};

}  // namespace hotwell::server

#include "server/security.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "server/text.hpp"

namespace hotwell::server {
namespace {

std::string digest(std::string_view purpose, std::string_view token) {
  base::Sha256 sha;
  sha.add_field(purpose);
  sha.add_field(token);
  return sha.hex();
}
std::string token_digest(std::string_view token) { return digest("hotwell token", token); }

// Looks at every byte of every candidate, whatever it finds, so that the time tells nothing.
bool is_one_of(std::string_view value, const std::vector<std::string>& candidates) {
  unsigned found = 0;
  for (const auto& candidate : candidates) {
    if (candidate.size() != value.size()) continue;
    unsigned difference = 0;
    for (std::size_t i = 0; i < value.size(); ++i)
      difference |=
          static_cast<unsigned>(static_cast<unsigned char>(value[i]) ^ static_cast<unsigned char>(candidate[i]));
    found |= static_cast<unsigned>(difference == 0);
  }
  return found != 0;
}

std::string_view cookie_value(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const auto pair = trim(header.substr(0, header.find(';')));
    header.remove_prefix(
        std::min(header.size(), header.find(';') == std::string_view::npos ? header.size() : header.find(';') + 1));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
      return pair.substr(name.size() + 1);
  }
  return {};
}

bool is_loopback_name(const std::string& host) {
  if (host == "localhost" || host == "127.0.0.1" || host == "::1") return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  std::string_view host;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
  } else {
    host = text.substr(0, text.find(':'));
    rest = text.substr(host.size());
  }
  if (host.empty() || host.find_first_of(" \t/@?#\\") != std::string_view::npos) return std::nullopt;
  if (!rest.empty()) {
    if (!rest.starts_with(':')) return std::nullopt;
    rest.remove_prefix(1);
    if (rest.size() > 5 || !std::ranges::all_of(rest, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  }
  return Authority{to_lower(host), std::string(rest)};
}

HostPolicy::HostPolicy(std::string_view listen_host, const std::vector<std::string>& hosts) {
  known_.push_back({to_lower(listen_host), {}});
  for (const auto& host : hosts)
    if (auto authority = parse_authority(host)) known_.push_back(std::move(*authority));
}

bool HostPolicy::allows_host(std::string_view host, const boost::asio::ip::address& local) const {
  const auto asked = parse_authority(host);
  if (!asked) return false;
  if (is_loopback_name(asked->host)) return true;
  boost::system::error_code error;
  if (const auto literal = boost::asio::ip::make_address(asked->host, error); !error && literal == local) return true;
  return std::ranges::any_of(known_, [&](const Authority& known) {
    return known.host == asked->host && (known.port.empty() || known.port == asked->port);
  });
}

bool HostPolicy::allows_origin(std::string_view origin, const boost::asio::ip::address& local) const {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme)) return allows_host(origin.substr(scheme.size()), local);
  return false;  // "null" among them: a sandboxed page or a local file
}

Tokens::Tokens(const std::vector<std::string>& tokens) {
  for (const auto& token : tokens) {
    digests_.push_back(token_digest(token));
    sessions_.push_back(session(token));
  }
}

bool Tokens::knows(std::string_view token) const { return is_one_of(token_digest(token), digests_); }

bool Tokens::admits(std::string_view authorization, std::string_view cookie) const {
  constexpr std::string_view bearer = "bearer ";
  if (authorization.size() > bearer.size() && equals_ignoring_case(authorization.substr(0, bearer.size()), bearer) &&
      knows(trim(authorization.substr(bearer.size()))))
    return true;
  const auto session_value = cookie_value(cookie, cookie_name);
  return !session_value.empty() && is_one_of(session_value, sessions_);
}

std::string Tokens::session(std::string_view token) { return digest("hotwell session", token); }

}  // namespace hotwell::server

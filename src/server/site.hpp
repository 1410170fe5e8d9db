/// Site: what all connections of a server share. Decides for each request whether it may pass, and to whom.
/// Immutable once made but for the event feed, which guards itself. Threads: any.
#pragma once

#include <boost/asio/ip/address.hpp>

#include <hotwell/engine.hpp>

#include "server/event_feed.hpp"
#include "server/exchange.hpp"
#include "server/router.hpp"
#include "server/security.hpp"

namespace hotwell::server {

class Site {
 public:
  Site(Engine& engine, std::string_view listen_host);

  [[nodiscard]] Engine& engine() const { return engine_; }
  [[nodiscard]] const Tokens& tokens() const { return tokens_; }
  /// Answers, or calls the handler that will. `local` is the address at which the connection arrived.
  void serve(Exchange& exchange, const boost::asio::ip::address& local) const;

 private:
  /// Nothing where the request may pass.
  [[nodiscard]] std::optional<Answer> refuse(const Exchange& exchange, Gate gate,
                                             const boost::asio::ip::address& local) const;

  Engine& engine_;
  HostPolicy hosts_;
  Tokens tokens_;
  EventFeed feed_;
  Router router_;
};

}  // namespace hotwell::server

/// Reception: takes connections in on one loop and looks after them.
/// Invariant: lives on its loop's thread; a connection is held here from its acceptance until it closed.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/wait_traits.hpp>

#include "server/connection.hpp"

namespace hotwell::server {

class Reception {
 public:
  using Executor = boost::asio::io_context::executor_type;
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, Executor>;

  /// The acceptor listens already. `emptied` is called once no connection is left after finish() or cut_off().
  Reception(Acceptor acceptor, const Site& site, Loop& loop, std::function<void()> emptied);

  void start();
  /// Takes nobody in any more and lets the requests under way end.
  void finish();
  /// Ends everything now.
  void cut_off();

 private:
  void accept();
  void look_around();
  void remove(Connection& connection);
  void tell_if_empty();

  const Site& site_;
  Loop& loop_;
  std::function<void()> emptied_;
  Acceptor acceptor_;
  boost::asio::basic_waitable_timer<Loop::Clock, boost::asio::wait_traits<Loop::Clock>, Executor> timer_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  Loop::Clock::duration interval_;
  bool looking_ = false;  // the timer runs: only while there is somebody to look after
  bool finishing_ = false;
};

}  // namespace hotwell::server

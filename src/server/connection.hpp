/// Connection: one client, from its first byte to its last. Reads a head, has it served, takes the body, sends the
/// answer, and over again.
///
/// Invariants:
/// - It lives on its loop's thread. One state at a time; pump() moves from state to state until it has to wait, so that
///   requests sent in one go are answered in order and no stack grows with them.
/// - While an answer is awaited, a client that goes away ends the exchange, and with it everything it waited for.
/// - A body that was not taken to its end closes the connection after the answer: what follows is no request.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "server/body_sender.hpp"
#include "server/exchange.hpp"
#include "server/site.hpp"

namespace hotwell::server {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;
  using Clock = Loop::Clock;

  /// `closed` is called once, when the connection is of no use any more.
  Connection(Socket socket, const Site& site, Loop& loop, std::function<void(Connection&)> closed);

  void start();
  /// Ends at once. The client sees a reset where an answer was cut off.
  void close();
  /// Ends as soon as no request is under way, and after the one that is.
  void finish();
  /// Called now and then: closes what has been silent for too long or whose client has gone.
  void check(Clock::time_point now);

 private:
  enum class State : std::uint8_t { reading, handling, receiving, sending, lingering, closed };

  void pump();
  void pump_later();
  /// One move; false where there is something to wait for.
  bool move();
  bool read_head();
  bool read_body();
  bool send();
  bool linger();
  void serve();
  void send_answer(Answer answer);
  /// After the answer's last byte: the next request, or the end.
  bool next();
  /// Tells the monitor, once.
  enum class Ending : std::uint8_t { whole, cut_off };
  void count(Ending ending);
  void log_access() const;
  void refuse_body(const Error& error);
  void write_head(const Answer& answer, std::string& head) const;

  void read_more(std::size_t size);
  void wait_writable();
  void follow();
  /// Has the next part of a file verified and read in, on a thread that may wait for the disk.
  void make_ready();
  /// Notices that the client went away although nothing is read.
  void watch();
  void reset();

  Socket socket_;
  const Site& site_;
  Loop& loop_;
  std::function<void(Connection&)> closed_;
  boost::asio::ip::address local_;

  State state_ = State::reading;
  boost::beast::flat_buffer buffer_;
  RequestParser parser_;
  std::optional<Exchange> exchange_;
  BodySender sender_;
  Ticket ticket_;  // of the source's next bytes, or of what is made ready
  Clock::time_point deadline_;
  unsigned status_ = 0;  // of the answer being sent
  std::optional<Code> job_end_;
  unsigned in_a_row_ = 0;  // requests answered without waiting
  bool pumping_ = false;
  bool reading_ = false;  // an asynchronous operation is under way, each at most once
  bool watching_ = false;
  bool waiting_writable_ = false;
  bool counted_ = false;  // the exchange is in the metrics
  bool closing_ = false;  // after this answer
  bool unread_ = false;   // ... with bytes of its request still to come
};

}  // namespace hotwell::server

#include "server/connection.hpp"

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/status.hpp>

#include "base/log.hpp"
#include "cache/tiered_cache.hpp"
#include "server/text.hpp"

namespace hotwell::server {
namespace {

using boost::system::error_code;
using namespace std::chrono_literals;

constexpr std::size_t head_read = 8 * 1024;
constexpr std::size_t body_read = 64 * 1024;
constexpr std::size_t buffer_limit = 128 * 1024;
constexpr unsigned max_in_a_row = 32;
constexpr auto linger_time = 5s;

const BodyBytes no_body = [](ByteView) -> Result<void> { return fail(Code::internal, "no body was expected"); };

std::string_view as_view(const boost::beast::flat_buffer& buffer) {
  const auto data = buffer.data();
  return {static_cast<const char*>(data.data()), data.size()};
}

}  // namespace

Connection::Connection(Socket socket, const Site& site, Loop& loop, std::function<void(Connection&)> closed)
    : socket_(std::move(socket)), site_(site), loop_(loop), closed_(std::move(closed)), buffer_(buffer_limit) {}

void Connection::start() {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  local_ = socket_.local_endpoint(ignored).address();
  if (local_.is_v6() && local_.to_v6().is_v4_mapped())
    local_ = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, local_.to_v6());
  deadline_ = Clock::now() + site_.engine().config().server.header_timeout;
  pump();
}

void Connection::close() {
  if (state_ == State::closed) return;
  if (state_ == State::sending) reset();
  state_ = State::closed;
  exchange_.reset();
  ticket_ = {};
  sender_.start(Answer(200), BodySender::Send::head_only);
  error_code ignored;
  socket_.close(ignored);
  closed_(*this);
}

// An answer that is cut off must not look like one that ended.
void Connection::reset() {
  error_code ignored;
  socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
}

void Connection::finish() {
  closing_ = true;
  const bool idle = state_ == State::reading && !parser_.began() && buffer_.size() == 0;
  const bool endless = state_ == State::sending && sender_.source() && sender_.source()->endless();
  if (idle || endless) close();
}

void Connection::check(Clock::time_point now) {
  if (state_ == State::handling || (state_ == State::sending && !waiting_writable_)) {
    // Bytes of a next request hide the end of the stream from watch().
    pollfd poll{socket_.native_handle(), POLLRDHUP, 0};
    if (::poll(&poll, 1, 0) > 0 && (poll.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) close();
    return;
  }
  if (state_ == State::sending && sender_.source() && sender_.source()->is_broken()) return close();
  if (now < deadline_) return;
  const bool half_a_request = state_ == State::receiving || (state_ == State::reading && parser_.began());
  if (!half_a_request) return close();
  exchange_.reset();
  closing_ = unread_ = true;
  send_answer(Answer::problem(408, {Code::timeout, "the request did not arrive in time"}));
  pump();
}

void Connection::pump_later() {
  boost::asio::post(loop_.context(), [self = shared_from_this()] { self->pump(); });
}

void Connection::pump() {
  if (pumping_) return;
  pumping_ = true;
  in_a_row_ = 0;
  try {
    while (move()) {
    }
  } catch (const std::exception& error) {
    base::log().error("a connection was closed: {}", error.what());
    close();
  }
  pumping_ = false;
}

bool Connection::move() {
  switch (state_) {
    case State::reading: return read_head();
    case State::handling:
      if (exchange_->answered()) {
        send_answer(exchange_->take_answer());
        return true;
      }
      if (!exchange_->receiving()) {
        watch();
        return false;
      }
      // Whoever asked before sending its body waits for this; whoever did not has sent some already.
      if (buffer_.size() == 0 && parser_.request().version() >= 11 && parser_.request().has(http::field::expect)) {
        constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        if (::send(socket_.native_handle(), go_on.data(), go_on.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
          close();
          return false;
        }
      }
      state_ = State::receiving;
      deadline_ = Clock::now() + site_.engine().config().server.idle_timeout;
      return true;
    case State::receiving: return read_body();
    case State::sending: return send();
    case State::lingering: return linger();
    case State::closed: return false;
  }
  return false;
}

bool Connection::read_head() {
  if (reading_) return false;
  auto bytes = as_view(buffer_);
  const auto offered = bytes.size();
  const auto progress = offered > 0 ? parser_.take(bytes, no_body) : RequestParser::Progress::need_more;
  buffer_.consume(offered - bytes.size());
  switch (progress) {
    case RequestParser::Progress::head: serve(); return true;
    case RequestParser::Progress::need_more: read_more(head_read); return false;
    default:
      closing_ = unread_ = true;
      send_answer(Answer::problem(parser_.status(), parser_.error()));
      return true;
  }
}

void Connection::serve() {
  state_ = State::handling;
  closing_ = closing_ || !parser_.keep_alive();
  exchange_.emplace(site_.engine(), loop_, parser_, [this] {
    if (!pumping_) pump_later();
  });
  try {
    site_.serve(*exchange_, local_);
  } catch (const std::exception& error) {
    // Third parties throw (memory, above all); a request must not take the daemon with it.
    base::log().error("serving {} {}: {}", parser_.request().method_text(), parser_.request().target(), error.what());
    if (!exchange_->answered()) exchange_->fail({Code::internal, "the request could not be served"});
  }
}

bool Connection::read_body() {
  if (exchange_->answered()) {  // the receiver gave up in the middle
    send_answer(exchange_->take_answer());
    return true;
  }
  if (reading_) return false;
  auto bytes = as_view(buffer_);
  const auto offered = bytes.size();
  const auto progress = parser_.take(bytes, [this](ByteView piece) { return exchange_->take_body(piece); });
  const bool moved = bytes.size() < offered;
  buffer_.consume(offered - bytes.size());
  switch (progress) {
    case RequestParser::Progress::complete:
      state_ = State::handling;
      try {
        exchange_->finish_body();
      } catch (const std::exception& error) {
        base::log().error("serving {} {}: {}", parser_.request().method_text(), parser_.request().target(),
                          error.what());
        if (!exchange_->answered()) exchange_->fail({Code::internal, "the request could not be served"});
      }
      return true;
    case RequestParser::Progress::need_more:
      if (!moved && buffer_.size() + body_read > buffer_limit) {
        refuse_body({Code::invalid_argument, "a chunk's head is too long"});
        return true;
      }
      read_more(body_read);
      return false;
    default: refuse_body(parser_.error()); return true;
  }
}

void Connection::refuse_body(const Error& error) {
  closing_ = unread_ = true;
  send_answer(Answer::problem(error));
}

void Connection::send_answer(Answer answer) {
  if (!parser_.complete()) closing_ = unread_ = true;
  status_ = answer.status;
  job_end_ = answer.job_end;
  counted_ = false;
  const bool head_only = exchange_ && exchange_->is_head();
  write_head(answer, sender_.new_head());
  sender_.start(std::move(answer), head_only ? BodySender::Send::head_only : BodySender::Send::all);
  state_ = State::sending;
  deadline_ = Clock::now() + site_.engine().config().server.idle_timeout;
}

void Connection::write_head(const Answer& answer, std::string& head) const {
  const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(answer.status));
  head.reserve(answer.fields().size() + 192);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", answer.status,
                 std::string_view(reason.data(), reason.size()), loop_.date());
  head += answer.fields();
  if (answer.follow) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (answer.may_have_body()) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", answer.length());
  }
  if (closing_) {
    head += "Connection: close\r\n";
  } else if (parser_.head_done() && parser_.request().version() < 11) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
}

bool Connection::send() {
  const auto sent_before = sender_.sent();
  for (;;) {
    // Who has seen the end of an answer finds it in the metrics.
    if (sender_.is_ending()) count(Ending::whole);
    const auto step = sender_.step(socket_.native_handle());
    switch (step) {
      case BodySender::Step::done: return next();
      case BodySender::Step::yielded:
        if (sender_.sent() - sent_before < BodySender::max_step) continue;
        deadline_ = Clock::now() + site_.engine().config().server.idle_timeout;
        pump_later();
        return false;
      case BodySender::Step::blocked: wait_writable(); return false;
      case BodySender::Step::starved: follow(); return false;
      case BodySender::Step::unready: make_ready(); return false;
      case BodySender::Step::broken:
        count(Ending::cut_off);
        log_access();
        close();
        return false;
    }
  }
}

bool Connection::next() {
  count(Ending::whole);
  log_access();
  exchange_.reset();
  if (closing_) {
    error_code ignored;
    if (!unread_ && buffer_.size() == 0 && socket_.available(ignored) == 0) {
      state_ = State::lingering;  // nothing more is sent: no reset in close()
      close();
      return false;
    }
    // Closing now would reset the connection and take the answer with it, while the client still sends.
    socket_.shutdown(Socket::shutdown_send, ignored);
    state_ = State::lingering;
    deadline_ = Clock::now() + linger_time;
    return true;
  }
  parser_.reset();
  state_ = State::reading;
  deadline_ = Clock::now() + site_.engine().config().server.idle_timeout;
  if (++in_a_row_ < max_in_a_row) return true;
  pump_later();
  return false;
}

bool Connection::linger() {
  buffer_.consume(buffer_.size());
  read_more(body_read);
  return false;
}

void Connection::count(Ending ending) {
  if (!exchange_ || counted_) return;
  const auto failure = sender_.source() ? sender_.source()->failure() : std::nullopt;
  if (ending == Ending::cut_off && !failure) return;  // the client went away: nobody's failure
  counted_ = true;
  const auto* route = exchange_->route;
  if (route == nullptr || route->counted == Route::Counted::no) return;
  const bool failed =
      status_ >= 500 || (job_end_ && counts_as_failure(*job_end_)) || (failure && counts_as_failure(failure->code));
  const auto outcome = failed           ? RequestOutcome::failed
                       : status_ >= 400 ? RequestOutcome::client_error
                                        : RequestOutcome::ok;
  site_.engine().monitor().track_request(exchange_->elapsed(), outcome, route->endpoint);
}

void Connection::log_access() const {
  if (!exchange_ || !base::log().should_log(spdlog::level::debug)) return;
  base::log().debug("{} {} {} {} bytes {}", parser_.request().method_text(), parser_.request().target(), status_,
                    sender_.sent(), to_string(exchange_->elapsed()));
}

void Connection::read_more(std::size_t size) {
  if (reading_) return;
  reading_ = true;
  size = std::min(size, buffer_limit - buffer_.size());
  socket_.async_read_some(buffer_.prepare(size), [self = shared_from_this()](error_code error, std::size_t read) {
    auto& c = *self;
    c.reading_ = false;
    if (c.state_ == State::closed) return;
    if (error) return c.close();
    c.buffer_.commit(read);
    const auto& timeouts = c.site_.engine().config().server;
    if (c.state_ == State::receiving) c.deadline_ = Clock::now() + timeouts.idle_timeout;
    // From its first byte on, a head has its own time, however it trickles.
    if (c.state_ == State::reading && !c.parser_.began() && c.buffer_.size() == read)
      c.deadline_ = Clock::now() + timeouts.header_timeout;
    c.pump();
  });
}

void Connection::wait_writable() {
  if (waiting_writable_) return;
  waiting_writable_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](error_code error) {
    auto& c = *self;
    c.waiting_writable_ = false;
    if (c.state_ == State::closed) return;
    if (error) return c.close();
    c.deadline_ = Clock::now() + c.site_.engine().config().server.idle_timeout;
    c.pump();
  });
}

void Connection::follow() {
  sender_.source()->on_change(loop_.bring_home<>(ticket_, Loop::Landing::posted, [this] {
    const auto self = shared_from_this();
    pump();
  }));
  watch();
}

void Connection::make_ready() {
  auto& cache = site_.engine().cache().impl();
  boost::asio::post(
      cache.background(),
      [&cache, part = sender_.unready(),
       home = loop_.bring_home<Result<void>>(ticket_, Loop::Landing::posted, [this](Result<void> checked) {
         const auto self = shared_from_this();
         if (!checked) {
           base::log().error("an answer was cut off: {}", to_string(checked.error()));
           status_ = 500;
           count(Ending::whole);
           return close();
         }
         sender_.made_ready();
         pump();
       })] {
        auto checked = cache.verify(part.object, part.offset, part.length);
        // What fails here is found when it is sent.
        if (checked) (void)::readahead(part.fd, static_cast<off_t>(part.in_file), part.length);
        home(std::move(checked));
      });
}

void Connection::watch() {
  if (watching_ || reading_) return;
  watching_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
    auto& c = *self;
    c.watching_ = false;
    if (c.state_ == State::closed) return;
    if (error) return c.close();
    if (c.state_ != State::handling && c.state_ != State::sending) return;
    char byte = 0;
    const auto seen = ::recv(c.socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (seen == 0 || (seen < 0 && errno != EAGAIN && errno != EINTR)) return c.close();
    if (seen < 0) c.watch();  // else the next request waits there: from now on check() looks
  });
}

}  // namespace hotwell::server

/// Exchange: one request under way, as its handler sees it. A passive value: the connection drives it, so that
/// handlers are tested without sockets.
///
/// Invariants:
/// - It lives on its connection's thread and ends when the answer is sent or the client is gone; what a handler keeps
///   in it (waits, tickets, a receiver) ends with it. That is how work nobody wants any more is cancelled.
/// - It is answered exactly once.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "server/answer.hpp"
#include "server/loop.hpp"
#include "server/request.hpp"
#include "server/target.hpp"

namespace hotwell {
class Engine;
}

namespace hotwell::server {

class Exchange;
struct Route;

/// Takes a request's body as it arrives. Destroyed without finish(), it drops what it got.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual Result<void> write(ByteView bytes) = 0;
  /// The body is complete: answer, now or later.
  virtual void finish(Exchange& exchange) = 0;
};

class Exchange {
 public:
  /// `changed` is called when it was answered or wants its body.
  Exchange(Engine& engine, Loop& loop, const RequestParser& parser, std::function<void()> changed);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] Engine& engine() const { return engine_; }
  [[nodiscard]] const Request& request() const { return parser_.request(); }
  [[nodiscard]] bool is_head() const { return request().method() == http::verb::head; }
  [[nodiscard]] std::optional<std::uint64_t> content_length() const { return parser_.content_length(); }
  [[nodiscard]] bool has_body() const { return parser_.has_body(); }
  /// Since the head was complete.
  [[nodiscard]] Duration elapsed() const { return Loop::Clock::now() - began_; }

  // What routing found out.
  Target target;
  const Route* route = nullptr;
  boost::container::small_vector<std::string, 2> captures;  ///< of the route's pattern, decoded

  /// Precondition: not answered yet.
  void answer(Answer answer);
  void fail(const Error& error) { answer(Answer::problem(error)); }
  /// Reads the body as text of at most `limit` bytes, then calls `then`; a longer one is answered with 413.
  void read_text(std::uint64_t limit, std::function<void(std::string)> then);
  /// Hands the body to `receiver` piece by piece; one over `limit` is answered with 413.
  void receive(std::uint64_t limit, std::unique_ptr<Receiver> receiver);

  /// A function that may be called once from any thread and runs `then` here, if this exchange still lives: at once
  /// where it is called on the exchange's own thread.
  template <class... T>
  [[nodiscard]] std::function<void(T...)> bring_home(std::type_identity_t<std::function<void(T...)>> then) {
    tickets_.emplace_back();
    return loop_.bring_home<T...>(tickets_.back(), Loop::Landing::direct, std::move(then));
  }
  /// Keeps `thing` until the exchange ends.
  void keep(std::shared_ptr<void> thing) { kept_.push_back(std::move(thing)); }

  // The connection's side.
  [[nodiscard]] bool answered() const { return answer_.has_value(); }
  [[nodiscard]] Answer take_answer() { return std::move(*answer_); }
  [[nodiscard]] bool receiving() const { return receiver_ != nullptr; }
  /// Errors: too_large; whatever the receiver says.
  Result<void> take_body(ByteView bytes);
  void finish_body();

 private:
  Engine& engine_;
  Loop& loop_;
  const RequestParser& parser_;
  std::function<void()> changed_;
  Loop::Clock::time_point began_;
  std::optional<Answer> answer_;
  std::unique_ptr<Receiver> receiver_;
  std::uint64_t body_limit_ = 0;
  std::uint64_t body_size_ = 0;
  std::vector<std::shared_ptr<void>> kept_;
  std::vector<Ticket> tickets_;
};

}  // namespace hotwell::server

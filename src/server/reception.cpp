#include "server/reception.hpp"

#include <algorithm>
#include <vector>

#include "base/log.hpp"

namespace hotwell::server {

using namespace std::chrono_literals;
using boost::system::error_code;

Reception::Reception(Acceptor acceptor, const Site& site, Loop& loop, std::function<void()> emptied)
    : site_(site),
      loop_(loop),
      emptied_(std::move(emptied)),
      acceptor_(std::move(acceptor)),
      timer_(loop.context().get_executor()) {
  const auto& timeouts = site.engine().config().server;
  const auto shortest = std::min(timeouts.header_timeout, timeouts.idle_timeout) / 4;
  interval_ = std::clamp<Duration>(shortest, 10ms, 1s);
}

void Reception::start() { accept(); }

void Reception::accept() {
  acceptor_.async_accept(loop_.context().get_executor(), [this](error_code error, Connection::Socket socket) {
    if (finishing_ || error == boost::asio::error::operation_aborted) return;
    if (error) {
      // Mostly no descriptors left: taking the same connection again at once would only turn in circles.
      base::log().warn("a connection could not be accepted: {}", error.message());
      timer_.expires_after(100ms);
      timer_.async_wait([this](error_code aborted) {
        looking_ = false;
        if (!aborted) look_around();
        if (!finishing_) accept();
      });
      looking_ = true;
      return;
    }
    const auto connection =
        std::make_shared<Connection>(std::move(socket), site_, loop_, [this](Connection& closed) { remove(closed); });
    connections_.emplace(connection.get(), connection);
    connection->start();
    look_around();
    accept();
  });
}

void Reception::look_around() {
  if (looking_ || connections_.empty()) return;
  looking_ = true;
  timer_.expires_after(interval_);
  timer_.async_wait([this](error_code aborted) {
    looking_ = false;
    if (aborted) return;
    const auto now = Loop::Clock::now();
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [key, connection] : connections_) all.push_back(connection);
    for (const auto& connection : all) connection->check(now);
    look_around();
  });
}

void Reception::remove(Connection& connection) {
  connections_.erase(&connection);
  tell_if_empty();
}

void Reception::tell_if_empty() {
  if (finishing_ && connections_.empty() && emptied_) std::exchange(emptied_, nullptr)();
}

void Reception::finish() {
  if (finishing_) return;
  finishing_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->finish();
  tell_if_empty();
}

void Reception::cut_off() {
  finish();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->close();
  timer_.cancel();
}

}  // namespace hotwell::server

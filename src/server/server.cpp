#include "server/server.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <sys/socket.h>

#include <fmt/format.h>
#include <boost/asio/ip/tcp.hpp>

#include "base/log.hpp"
#include "host/thread.hpp"
#include "server/loop.hpp"
#include "server/reception.hpp"
#include "server/site.hpp"

namespace hotwell::server {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

Result<tcp::endpoint> resolve(std::string_view listen) {
  const auto authority = parse_authority(listen);
  if (!authority || authority->port.empty())
    return fail(Code::invalid_argument,
                fmt::format("server.listen: expected HOST:PORT such as \"127.0.0.1:8080\", got \"{}\"", listen));
  boost::asio::io_context context;
  tcp::resolver resolver(context);
  error_code error;
  const auto found = resolver.resolve(authority->host, authority->port,
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty())
    return fail(Code::invalid_argument,
                fmt::format("server.listen: the address \"{}\" is not known: {}", listen, error.message()));
  return found.begin()->endpoint();
}

Error listen_error(const tcp::endpoint& endpoint, std::string_view what, const error_code& error) {
  const auto where = fmt::format("{}:{}", endpoint.address().to_string(), endpoint.port());
  if (error == boost::asio::error::address_in_use)
    return {Code::unavailable, fmt::format("{} is in use by another program", where)};
  if (error == boost::asio::error::access_denied)
    return {Code::denied, fmt::format("{} may not be listened on: {}", where, error.message())};
  return {Code::unavailable, fmt::format("listening on {}: {}: {}", where, what, error.message())};
}

using ReusePort = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// The first acceptor binds without SO_REUSEPORT, so that an address in use is noticed, whoever uses it; only then it
// lets the other loops' acceptors in beside it.
Result<Reception::Acceptor> listen_on(Loop& loop, const tcp::endpoint& endpoint, bool first) {
  Reception::Acceptor acceptor(loop.context().get_executor());
  error_code error;
  std::string_view what;
  const auto attempt = [&](std::string_view name, auto call) {
    if (error) return;
    what = name;
    call();
  };
  attempt("socket", [&] { acceptor.open(endpoint.protocol(), error); });
  attempt("reuse_address", [&] { acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
  if (!first) attempt("reuse_port", [&] { acceptor.set_option(ReusePort(true), error); });
  attempt("bind", [&] { acceptor.bind(endpoint, error); });
  if (first) attempt("reuse_port", [&] { acceptor.set_option(ReusePort(true), error); });
  attempt("listen", [&] { acceptor.listen(boost::asio::socket_base::max_listen_connections, error); });
  if (error) return std::unexpected(listen_error(endpoint, what, error));
  return acceptor;
}

}  // namespace

class Server::Impl {
 public:
  Impl(Engine& engine, std::string_view listen_host) : site_(engine, listen_host) {}
  ~Impl() { stop(Duration::zero()); }

  Result<void> start(tcp::endpoint endpoint) {
    const auto threads = site_.engine().config().server.threads;
    const auto count = threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < count; ++i) {
      auto loop = std::make_unique<Loop>();
      auto acceptor = listen_on(*loop, endpoint, i == 0);
      if (!acceptor) return std::unexpected(acceptor.error());
      if (i == 0) endpoint = acceptor->local_endpoint();
      desks_.push_back(std::make_unique<Desk>());
      desks_.back()->loop = std::move(loop);
      desks_.back()->reception =
          std::make_unique<Reception>(std::move(*acceptor), site_, *desks_.back()->loop, [this] { one_emptied(); });
    }
    const auto host = endpoint.address().to_string();
    address_ = endpoint.address().is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                          : fmt::format("{}:{}", host, endpoint.port());
    for (auto& desk : desks_) {
      desk->reception->start();
      // Without signals: sendfile() to a client that has gone raises SIGPIPE, whatever the host program thinks of it.
      desk->thread = host::quiet_thread("hotwell-io", [&loop = *desk->loop] { loop.run(); });
    }
    return {};
  }

  [[nodiscard]] const std::string& address() const { return address_; }

  void stop(Duration limit) {
    const std::lock_guard once(stopping_);
    if (desks_.empty()) return;
    const auto running = desks_.front()->thread.joinable();
    if (running) {
      for (auto& desk : desks_) desk->loop->post([&reception = *desk->reception] { reception.finish(); });
      if (!wait_emptied(limit)) {
        for (auto& desk : desks_) desk->loop->post([&reception = *desk->reception] { reception.cut_off(); });
        wait_emptied(std::nullopt);
      }
      for (auto& desk : desks_) desk->loop->end();
      for (auto& desk : desks_) desk->thread.join();
    }
    desks_.clear();
  }

 private:
  // One thread with what lives on it. The loop goes last.
  struct Desk {
    std::unique_ptr<Loop> loop;
    std::unique_ptr<Reception> reception;
    std::thread thread;
  };

  void one_emptied() {
    const std::lock_guard lock(mutex_);
    ++emptied_;
    changed_.notify_all();
  }
  bool wait_emptied(std::optional<Duration> limit) {
    std::unique_lock lock(mutex_);
    const auto all = [this] { return emptied_ == desks_.size(); };
    if (limit) return changed_.wait_for(lock, *limit, all);
    changed_.wait(lock, all);
    return true;
  }

  Site site_;
  std::vector<std::unique_ptr<Desk>> desks_;
  std::string address_;
  std::mutex stopping_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t emptied_ = 0;
};

Result<std::unique_ptr<Server>> Server::start(Engine& engine) {
  const auto& config = engine.config().server;
  const auto endpoint = resolve(config.listen);
  if (!endpoint) return std::unexpected(endpoint.error());
  if (config.tokens.empty() && !config.open && !endpoint->address().is_loopback())
    return fail(Code::invalid_argument,
                fmt::format("server.listen: \"{}\" can be reached from outside, where everybody could use it: set "
                            "server.tokens, or server.open = true to allow that",
                            config.listen));
  auto impl = std::make_unique<Impl>(engine, parse_authority(config.listen)->host);
  if (auto started = impl->start(*endpoint); !started) return std::unexpected(started.error());
  std::unique_ptr<Server> server(new Server(std::move(impl)));
  engine.announce("http://" + server->address());
  return server;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
std::string Server::address() const { return impl_->address(); }
void Server::stop(Duration limit) { impl_->stop(limit); }

}  // namespace hotwell::server

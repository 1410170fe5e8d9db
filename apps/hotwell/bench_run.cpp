#include "apps/hotwell/bench_run.hpp"

#include <deque>
#include <memory>

#include <fmt/format.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "apps/hotwell/interrupt.hpp"

namespace hotwell::cli {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using BenchClock = std::chrono::steady_clock;

std::string with_name(std::string text, const std::string& name) {
  for (auto at = text.find("{n}"); at != std::string::npos; at = text.find("{n}", at + name.size()))
    text.replace(at, 3, name);
  return text;
}

/// "/a/b?c" as one key: each segment encoded, the slashes kept.
std::string key_path(std::string_view name) {
  std::string path = "/v1/cache/bench";
  for (std::string_view rest = name; !rest.empty();) {
    if (rest.front() == '/') rest.remove_prefix(1);
    const auto segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    if (!segment.empty()) path += "/" + encode_segment(segment);
  }
  return path;
}

class Run;

/// One connection: it has a call, or it is idle.
class Line {
 public:
  Line(Run& run, asio::io_context& io) : run_(run), stream_(io) {
    buffer_.reserve(64 * 1024);  // Beast reads no more at once than fits
  }

  void start(Call call, BenchClock::time_point due);
  [[nodiscard]] bool busy() const { return busy_; }
  [[nodiscard]] const Call& call() const { return call_; }
  void drop() { stream_.close(); }

 private:
  void send();
  void read();
  void answered(error_code error);
  void end(unsigned status);

  Run& run_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  std::optional<http::response_parser<http::string_body>> parser_;
  Call call_;
  BenchClock::time_point due_;
  bool connected_ = false;
  bool kept_ = false;  ///< it carried a call before: the server may have closed it meanwhile
  bool busy_ = false;
};

class Run {
 public:
  Run(asio::ip::tcp::resolver::results_type endpoints, std::string host, const BenchOptions& options,
      CallSource& source)
      : endpoints_(std::move(endpoints)),
        host_(std::move(host)),
        options_(options),
        source_(source),
        timer_(io_),
        limit_(io_) {
    filler_.assign(fill_size, 'x');
    for (std::size_t i = 0; i < options_.connections; ++i) {
      lines_.push_back(std::make_unique<Line>(*this, io_));
      idle_.push_back(lines_.back().get());
    }
  }

  BenchTally run() {
    began_ = last_answer_ = BenchClock::now();
    next_ = source_.next();
    tick();
    io_.run();
    tally_.seconds = std::chrono::duration<double>(last_answer_ - began_).count();
    return std::move(tally_);
  }

  // For the lines.
  [[nodiscard]] const asio::ip::tcp::resolver::results_type& endpoints() const { return endpoints_; }
  void prepare(http::request<http::string_body>& request, const Call& call) const;
  void finished(Line& line, const Call& call, BenchClock::time_point due, unsigned status, std::uint64_t bytes);

 private:
  static constexpr std::size_t fill_size = 64 * 1024;
  struct Waiting {
    Call call;
    BenchClock::time_point due;
  };

  void tick() {
    const auto now = BenchClock::now();
    while (next_ && began_ + next_->at <= now) {
      ++tally_.planned;
      begin({*next_, began_ + next_->at});
      next_ = source_.next();
    }
    if (interrupted()) next_.reset();
    if (!next_) {
      settle();
      return;
    }
    // Looked at again at least ten times a second, so that an interrupt is heard.
    timer_.expires_at(std::min(began_ + next_->at, now + std::chrono::milliseconds{100}));
    timer_.async_wait([this](error_code error) {
      if (!error) tick();
    });
  }

  void begin(Waiting what) {
    if (idle_.empty()) {
      ++tally_.waited;
      waiting_.push_back(std::move(what));
      return;
    }
    auto* line = idle_.back();
    idle_.pop_back();
    send(*line, std::move(what));
  }
  void send(Line& line, Waiting what) {
    ++active_;
    tally_.latest = std::max(tally_.latest, std::chrono::duration<double>(BenchClock::now() - what.due).count());
    line.start(what.call, what.due);
  }

  /// The plan is over: what is under way gets its time.
  void settle() {
    settling_ = true;
    if (active_ == 0) return;
    limit_.expires_after(interrupted() ? Duration::zero() : options_.patience);
    limit_.async_wait([this](error_code error) {
      if (error) return;
      for (const auto& what : waiting_) give_up(what.call);
      waiting_.clear();
      for (auto& line : lines_) {
        if (!line->busy()) continue;
        give_up(line->call());
        line->drop();
      }
      gave_up_ = true;
    });
  }
  void give_up(const Call& call) {
    ++tally_.unfinished;
    ++tally_.statuses[0];
    ++tally_.kinds[static_cast<std::size_t>(call.kind)].errors;
  }

  asio::io_context io_{1};
  asio::ip::tcp::resolver::results_type endpoints_;
  std::string host_;
  BenchOptions options_;
  CallSource& source_;
  asio::steady_timer timer_;
  asio::steady_timer limit_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::vector<Line*> idle_;
  std::deque<Waiting> waiting_;
  std::optional<Call> next_;
  std::string filler_;
  BenchClock::time_point began_;
  BenchClock::time_point last_answer_;
  BenchTally tally_;
  std::size_t active_ = 0;
  bool settling_ = false;
  bool gave_up_ = false;
};

void Run::prepare(http::request<http::string_body>& request, const Call& call) const {
  request = {};
  request.version(11);
  request.set(http::field::host, host_);
  request.set(http::field::user_agent, "hotwell-bench");
  if (!options_.token.empty()) request.set(http::field::authorization, "Bearer " + options_.token);
  const auto name = source_.name_of(call.key);
  const bool stores = call.kind == CallKind::put || call.kind == CallKind::fill;
  request.method(stores ? http::verb::put : call.kind == CallKind::job ? http::verb::post : http::verb::get);
  switch (call.kind) {
    case CallKind::get:
    case CallKind::put:
    case CallKind::fill: request.target(key_path(name)); break;
    case CallKind::media: request.target("/media/" + with_name(options_.media, name)); break;
    case CallKind::job:
      request.target("/v1/jobs?wait=60");
      request.set(http::field::content_type, "application/json");
      request.body() = with_name(options_.job, name);
      break;
  }
  if (stores) {
    request.body().reserve(call.size.count);
    while (request.body().size() < call.size.count)
      request.body().append(filler_, 0, std::min<std::size_t>(filler_.size(), call.size.count - request.body().size()));
  }
  request.prepare_payload();
}

void Run::finished(Line& line, const Call& call, BenchClock::time_point due, unsigned status, std::uint64_t bytes) {
  --active_;
  if (gave_up_) return;  // counted already
  const auto now = BenchClock::now();
  last_answer_ = now;
  auto& kind = tally_.kinds[static_cast<std::size_t>(call.kind)];
  ++tally_.statuses[status];
  kind.bytes += bytes;
  if (status == 0 || status >= 500 || status == 429) {
    ++kind.errors;
  } else {
    kind.latencies.push_back(std::chrono::duration<float>(now - due).count());
  }
  if (call.kind == CallKind::get && status == 200) ++kind.hits;
  if (call.kind == CallKind::get && status == 404) {
    ++kind.misses;
    if (options_.fill_misses && !interrupted()) {
      auto fill = call;
      fill.kind = CallKind::fill;
      return send(line, {fill, now});  // meant to be sent when the miss was known
    }
  }
  if (!waiting_.empty()) {
    auto what = std::move(waiting_.front());
    waiting_.pop_front();
    return send(line, std::move(what));
  }
  idle_.push_back(&line);
  if (settling_ && active_ == 0) limit_.cancel();
}

void Line::start(Call call, BenchClock::time_point due) {
  call_ = call;
  due_ = due;
  busy_ = true;
  run_.prepare(request_, call_);
  if (connected_) {
    kept_ = true;
    return send();
  }
  kept_ = false;
  stream_.async_connect(run_.endpoints(), [this](error_code error, const asio::ip::tcp::endpoint&) {
    if (error) return end(0);
    connected_ = true;
    stream_.socket().set_option(asio::ip::tcp::no_delay(true), error);
    send();
  });
}

void Line::send() {
  http::async_write(stream_, request_, [this](error_code error, std::size_t) {
    // A server that refuses a body may answer before it has read it.
    if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset) return answered(error);
    read();
  });
}

void Line::read() {
  parser_.emplace();
  parser_->body_limit(boost::none);
  http::async_read(stream_, buffer_, *parser_, [this](error_code error, std::size_t) { answered(error); });
}

void Line::answered(error_code error) {
  if (!error) {
    if (!parser_->get().keep_alive()) {
      stream_.close();
      connected_ = false;
    }
    return end(parser_->get().result_int());
  }
  const bool silent =
      buffer_.size() == 0 && (error == http::error::end_of_stream || error == asio::error::connection_reset ||
                              error == asio::error::broken_pipe);
  stream_.close();
  buffer_.clear();
  connected_ = false;
  // A connection that rested may have been closed by the server, which then never saw the request.
  if (silent && kept_) return start(call_, due_);
  end(0);
}

void Line::end(unsigned status) {
  busy_ = false;
  const std::uint64_t bytes = request_.body().size() + (status != 0 ? parser_->get().body().size() : 0);
  run_.finished(*this, call_, due_, status, bytes);
}

}  // namespace

Outcome<BenchTally> run_bench(const ServerAddress& server, const BenchOptions& options, CallSource& source) {
  asio::io_context io;
  asio::ip::tcp::resolver resolver(io);
  error_code error;
  auto endpoints = resolver.resolve(server.host, server.port, error);
  if (error) return end(status::no_server, fmt::format("no server at {}: {}", server.url(), error.message()));
  return Run(std::move(endpoints), server.url().substr(7), options, source).run();
}

}  // namespace hotwell::cli

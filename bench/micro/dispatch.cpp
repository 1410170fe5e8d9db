/// The round trip of a job that does nothing, through the pool to a warm process and back, beside a bare ping-pong over
/// a socket pair between two processes: the floor that the machine sets. Rounds of both alternate in one run.
///
///   hotwell-bench-dispatch WORKER      prints one JSON object; times in nanoseconds, medians over the rounds
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <hotwell/pool.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using Nanoseconds = std::vector<double>;

constexpr int rounds = 7;
constexpr int trips = 2'000;
constexpr int fresh_trips = 40;

double since(Clock::time_point began) {
  return static_cast<double>(std::chrono::nanoseconds(Clock::now() - began).count());
}

double quantile(Nanoseconds values, double q) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

[[noreturn]] void give_up(std::string_view what) {
  std::cerr << "hotwell-bench-dispatch: " << what << '\n';
  std::exit(1);
}

/// Two processes that hand 64 bytes back and forth.
class PingPong {
 public:
  PingPong() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) give_up("no socket pair");
    child_ = ::fork();
    if (child_ == 0) {
      ::close(ends[0]);
      char message[64];
      while (::recv(ends[1], message, sizeof message, 0) > 0) {
        if (::send(ends[1], message, sizeof message, 0) < 0) break;
      }
      ::_exit(0);
    }
    ::close(ends[1]);
    socket_ = ends[0];
  }
  PingPong(const PingPong&) = delete;
  PingPong& operator=(const PingPong&) = delete;
  ~PingPong() {
    ::close(socket_);
    ::waitpid(child_, nullptr, 0);
  }

  Nanoseconds round() const {
    Nanoseconds times;
    char message[64] = {};
    for (int i = 0; i < trips; ++i) {
      const auto began = Clock::now();
      if (::send(socket_, message, sizeof message, 0) < 0 || ::recv(socket_, message, sizeof message, 0) <= 0)
        give_up("the ping-pong broke off");
      times.push_back(since(began));
    }
    return times;
  }

 private:
  int socket_ = -1;
  pid_t child_ = -1;
};

hotwell::PoolOptions pool_options(const char* worker, bool reuse) {
  hotwell::PoolOptions options;
  options.worker = {.kind = hotwell::WorkerKind::frames, .argv = {worker}};
  options.min_workers = reuse ? 1 : 0;
  options.max_workers = 1;
  options.reuse_workers = reuse;
  return options;
}

/// From a thread of the caller's, one at a time: what execute() costs.
Nanoseconds from_caller(hotwell::WorkerPool& pool, int count) {
  Nanoseconds times;
  for (int i = 0; i < count; ++i) {
    const auto began = Clock::now();
    if (const auto result = pool.execute({.operation = "noop"}); !result) give_up(to_string(result.error()));
    times.push_back(since(began));
  }
  return times;
}

/// From the pool's own thread, each job started by the end of the one before: what the engine pays.
struct Chain {
  hotwell::WorkerPool& pool;
  std::promise<Nanoseconds> done;
  Nanoseconds times;
  Clock::time_point began;

  void next() {
    if (times.size() == trips) return done.set_value(std::move(times));
    began = Clock::now();
    pool.start({.operation = "noop"}, {}, [this](const hotwell::JobEnd& end) {
      if (!end.result) give_up(to_string(end.result.error()));
      times.push_back(since(began));
      next();
    });
  }
};

Nanoseconds from_pool_thread(hotwell::WorkerPool& pool) {
  Chain chain{.pool = pool, .done = {}, .times = {}, .began = {}};
  auto done = chain.done.get_future();
  boost::asio::post(pool.executor(), [&chain] { chain.next(); });
  return done.get();
}

/// Collects a case's rounds; what is reported is the median round's p50 and p99.
struct Case {
  Nanoseconds p50, p99;

  void add(const Nanoseconds& times) {
    p50.push_back(quantile(times, 0.5));
    p99.push_back(quantile(times, 0.99));
  }
  [[nodiscard]] boost::json::object json() const {
    return {{"p50", quantile(p50, 0.5)},
            {"p99", quantile(p99, 0.5)},
            {"p50_min", quantile(p50, 0)},
            {"p50_max", quantile(p50, 1)},
            {"rounds", p50.size()}};
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) give_up("say which worker to run");
  const PingPong ping_pong;  // forked before any thread
  hotwell::WorkerPool warm{pool_options(argv[1], true)};
  hotwell::WorkerPool fresh{pool_options(argv[1], false)};

  from_caller(warm, 200);  // the worker is up, caches are warm
  ping_pong.round();
  Case bare, caller, own_thread, new_process;
  for (int round = 0; round < rounds; ++round) {
    bare.add(ping_pong.round());
    caller.add(from_caller(warm, trips));
    bare.add(ping_pong.round());
    own_thread.add(from_pool_thread(warm));
    new_process.add(from_caller(fresh, fresh_trips));
  }
  std::cout << boost::json::object{{"ping_pong", bare.json()},
                                   {"execute", caller.json()},
                                   {"chain", own_thread.json()},
                                   {"new_process", new_process.json()}}
            << '\n';
}

/// What it costs to hand a job to a warm process and to have its answer, beside bare loops over a socket pair between
/// processes: the floor that the machine sets. What is compared alternates in one run.
///
///   hotwell-bench-dispatch WORKER [ROUNDS]      prints one JSON object; medians over the rounds
///
/// `trips`: round trips of a job that does nothing, in nanoseconds. `per_second`: queued jobs through two processes,
/// with one and with eight at a worker. `spinning`: with pool.spin at its maximum, one caller right after the other and
/// at 1,000 jobs a second, and what processors did meanwhile. `copy_1_mib`: bytes in and out by descriptor per second.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <hotwell/pool.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using Numbers = std::vector<double>;

constexpr int trips = 2'000;
constexpr int paced_trips = 300;
constexpr int fresh_trips = 40;
constexpr int queued = 10'000;
constexpr int copies = 100;
constexpr std::size_t mebibyte = std::size_t{1} << 20;

double since(Clock::time_point began) {
  return static_cast<double>(std::chrono::nanoseconds(Clock::now() - began).count());
}

double quantile(Numbers values, double q) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

[[noreturn]] void give_up(std::string_view what) {
  std::cerr << "hotwell-bench-dispatch: " << what << '\n';
  std::exit(1);
}

/// Nanoseconds of processor time that this process has used.
double processor_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto nanoseconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
  };
  return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
}

/// A process that sends back what it gets.
class Echo {
 public:
  Echo() {
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
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;
  ~Echo() {
    ::close(socket_);
    ::waitpid(child_, nullptr, 0);
  }

  void send() const {
    char message[64] = {};
    if (::send(socket_, message, sizeof message, 0) < 0) give_up("the echo broke off");
  }
  [[nodiscard]] bool receive(int flags = 0) const {
    char message[64];
    return ::recv(socket_, message, sizeof message, flags) > 0;
  }
  [[nodiscard]] int socket() const { return socket_; }

 private:
  int socket_ = -1;
  pid_t child_ = -1;
};

Numbers ping_pong(const Echo& echo) {
  Numbers times;
  for (int i = 0; i < trips; ++i) {
    const auto began = Clock::now();
    echo.send();
    if (!echo.receive()) give_up("the ping-pong broke off");
    times.push_back(since(began));
  }
  return times;
}

/// `queued` messages through all of them, `window` at a time at each.
double bare_per_second(const std::array<Echo, 2>& echoes, int window) {
  const int poller = ::epoll_create1(EPOLL_CLOEXEC);
  int sent = 0;
  const auto began = Clock::now();
  for (std::size_t i = 0; i < echoes.size(); ++i) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(poller, EPOLL_CTL_ADD, echoes[i].socket(), &event);
    for (int k = 0; k < window; ++k, ++sent) echoes[i].send();
  }
  for (int done = 0; done < queued;) {
    std::array<epoll_event, 2> events;
    const int count = ::epoll_wait(poller, events.data(), events.size(), -1);
    for (int e = 0; e < count; ++e) {
      const Echo& echo = echoes[events[static_cast<std::size_t>(e)].data.u64];
      while (echo.receive(MSG_DONTWAIT)) {
        ++done;
        if (sent < queued) {
          echo.send();
          ++sent;
        }
      }
    }
  }
  const double time = since(began);
  ::close(poller);
  return queued / time * 1e9;
}

struct Setting {
  unsigned processes = 1;
  unsigned feed_ahead = 1;
  std::chrono::nanoseconds spin{};
  bool reuse = true;
};

hotwell::PoolOptions options_of(const char* worker, const Setting& setting) {
  hotwell::PoolOptions options;
  options.worker = {.kind = hotwell::WorkerKind::frames, .argv = {worker}};
  options.min_workers = setting.reuse ? setting.processes : 0;
  options.max_workers = setting.processes;
  options.reuse_workers = setting.reuse;
  options.queue_limit = 10 * queued;
  options.feed_ahead = setting.feed_ahead;
  options.spin = setting.spin;
  return options;
}

hotwell::JobResult run(hotwell::WorkerPool& pool, hotwell::Job job) {
  auto result = pool.execute(std::move(job));
  if (!result) give_up(to_string(result.error()));
  return std::move(*result);
}

double ask(hotwell::WorkerPool& pool, std::string operation) {
  return std::stod(std::string{run(pool, {.operation = std::move(operation)}).text()});
}

/// From a thread of the caller's, one at a time: what execute() costs.
Numbers from_caller(hotwell::WorkerPool& pool, int count) {
  Numbers times;
  for (int i = 0; i < count; ++i) {
    const auto began = Clock::now();
    run(pool, {.operation = "noop"});
    times.push_back(since(began));
  }
  return times;
}

/// One every millisecond.
Numbers paced(hotwell::WorkerPool& pool) {
  Numbers times;
  auto next = Clock::now();
  for (int i = 0; i < paced_trips; ++i) {
    std::this_thread::sleep_until(next += 1ms);
    const auto began = Clock::now();
    run(pool, {.operation = "noop"});
    times.push_back(since(began));
  }
  return times;
}

/// What pool, caller and worker together use of one processor while `what` runs.
template <class F>
double processor_share(hotwell::WorkerPool& pool, F what) {
  const double theirs = ask(pool, "processor_time");
  const double ours = processor_time();
  const auto began = Clock::now();
  what();
  const double time = since(began);
  const double used = processor_time() - ours;
  return (used + ask(pool, "processor_time") - theirs) / time;
}

/// From the pool's own thread, each job started by the end of the one before: what the engine pays.
struct Chain {
  hotwell::WorkerPool& pool;
  std::promise<Numbers> done;
  Numbers times;
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

Numbers from_pool_thread(hotwell::WorkerPool& pool) {
  Chain chain{.pool = pool, .done = {}, .times = {}, .began = {}};
  auto done = chain.done.get_future();
  boost::asio::post(pool.executor(), [&chain] { chain.next(); });
  return done.get();
}

double jobs_per_second(hotwell::WorkerPool& pool) {
  std::promise<void> all;
  int left = queued;  // touched on the pool's thread alone
  const auto began = Clock::now();
  for (int i = 0; i < queued; ++i)
    pool.start({.operation = "noop"}, {}, [&](const hotwell::JobEnd& end) {
      if (!end.result) give_up(to_string(end.result.error()));
      if (--left == 0) all.set_value();
    });
  all.get_future().wait();
  return queued / since(began) * 1e9;
}

double copied_per_second(hotwell::WorkerPool& pool) {
  const int fd = ::memfd_create("input", MFD_CLOEXEC);
  const std::string bytes(mebibyte, 'x');
  if (::pwrite(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) give_up("no input");
  const auto input = std::make_shared<const hotwell::FileHandle>(fd);
  Numbers times;
  for (int i = 0; i < copies; ++i) {
    const auto began = Clock::now();
    const auto result = run(pool, {.operation = "copy", .inputs = {input}});
    times.push_back(since(began));
    if (result.size != mebibyte || result.text().back() != 'x') give_up("the copy is not one");
  }
  return 2.0 * mebibyte / quantile(times, 0.5) * 1e9;
}

/// A case's rounds; what is reported is the median round's.
struct Times {
  Numbers p50, p99;

  void add(const Numbers& times) {
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
  if (argc != 2 && argc != 3) give_up("say which worker to run");
  const int rounds = argc == 3 ? std::stoi(argv[2]) : 7;
  const Echo echo;  // forked before any thread
  const std::array<Echo, 2> echoes;
  const auto pool = [&](const Setting& setting) {
    auto opened = hotwell::WorkerPool::open(options_of(argv[1], setting));
    if (!opened) give_up(to_string(opened.error()));
    return std::move(*opened);
  };
  const auto warm = pool({});
  const auto chained = pool({});
  const auto spinning = pool({.spin = 50us});
  const auto fresh = pool({.processes = 4, .reuse = false});
  const auto one_each = pool({.processes = 2});
  const auto eight_each = pool({.processes = 2, .feed_ahead = 8});
  for (const auto* each : {&warm, &chained, &spinning, &one_each, &eight_each}) from_caller(**each, 200);  // all is up
  jobs_per_second(*one_each);
  jobs_per_second(*eight_each);

  Times bare, caller, own_thread, new_process, hot, at_1000;
  Numbers bare_one, bare_eight, one, eight, copied, busy_share;
  for (int round = 0; round < rounds; ++round) {
    bare.add(ping_pong(echo));
    caller.add(from_caller(*warm, trips));
    bare.add(ping_pong(echo));
    own_thread.add(from_pool_thread(*chained));
    hot.add(from_caller(*spinning, trips));
    busy_share.push_back(processor_share(*spinning, [&] { at_1000.add(paced(*spinning)); }));
    new_process.add(from_caller(*fresh, fresh_trips));
    bare_one.push_back(bare_per_second(echoes, 1));
    one.push_back(jobs_per_second(*one_each));
    bare_eight.push_back(bare_per_second(echoes, 8));
    eight.push_back(jobs_per_second(*eight_each));
    copied.push_back(copied_per_second(*warm));
  }
  const double idle_share = processor_share(*spinning, [] { std::this_thread::sleep_for(500ms); });
  std::cout << boost::json::object{{"trips", boost::json::object{{"ping_pong", bare.json()},
                                                                 {"execute", caller.json()},
                                                                 {"chain", own_thread.json()},
                                                                 {"new_process", new_process.json()}}},
                                   {"spinning",
                                    boost::json::object{{"hot", hot.json()},
                                                        {"at_1000_a_second", at_1000.json()},
                                                        {"processor_share_at_1000_a_second", quantile(busy_share, 0.5)},
                                                        {"processor_share_idle", idle_share}}},
                                   {"per_second", boost::json::object{{"one_at_a_worker", quantile(one, 0.5)},
                                                                      {"bare_one", quantile(bare_one, 0.5)},
                                                                      {"eight_at_a_worker", quantile(eight, 0.5)},
                                                                      {"bare_eight", quantile(bare_eight, 0.5)}}},
                                   {"copy_1_mib", quantile(copied, 0.5)},
                                   {"private_memory_of_an_idle_worker", ask(*warm, "private_memory")}}
            << '\n';
}

// The monitor in a living daemon: a scrape over HTTP beside prometheus-cpp's Exposer, the p99 of jobs while one
// scrapes, and what the monitor costs of the throughput. Prints one JSON object; times are nanoseconds. Cases that are
// compared alternate.
//
//   hotwell-bench-monitor-live WORKER     WORKER: hotwell-bench-worker
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <prometheus/exposer.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/json.hpp>
#include <hotwell/engine.hpp>

#include "server/server.hpp"

namespace {

using hotwell::Duration;
using hotwell::RequestOutcome;
using namespace std::chrono_literals;
using Stopwatch = std::chrono::steady_clock;
namespace json = boost::json;

constexpr std::size_t endpoints = 256;
const std::vector<double> edges{0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300};

std::string name_of(std::size_t i) { return "GET /v1/route/" + std::to_string(i); }

double quantile(std::vector<double> values, double q) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}
double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// One keep-alive connection that asks the same again and again.
class Connection {
 public:
  Connection(std::uint16_t port, const std::string& target)
      : request_("GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n\r\n") {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) die("connect");
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The answer's lines.
  std::size_t ask() {
    if (::write(fd_, request_.data(), request_.size()) != static_cast<ssize_t>(request_.size())) die("write");
    text_.clear();
    std::size_t whole = 0;
    while (whole == 0 || text_.size() < whole) {
      char buffer[1 << 16];
      const ssize_t got = ::read(fd_, buffer, sizeof buffer);
      if (got <= 0) die("read");
      text_.append(buffer, static_cast<std::size_t>(got));
      if (whole != 0) continue;
      const auto end = text_.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const auto at = text_.find("ength: ");
      if (at == std::string::npos || at > end || !text_.starts_with("HTTP/1.1 200")) {
        std::fprintf(stderr, "unexpected answer: %s\n", text_.substr(0, 300).c_str());
        std::exit(1);
      }
      whole = end + 4 + std::stoul(text_.substr(at + 7));
    }
    return static_cast<std::size_t>(std::ranges::count(text_, '\n'));
  }

 private:
  std::string request_;
  std::string text_;
  int fd_ = -1;
};

double timed(const std::function<void()>& body) {
  const auto began = Stopwatch::now();
  body();
  return std::chrono::duration<double, std::nano>(Stopwatch::now() - began).count();
}

json::object scrape(std::uint16_t port) {
  // A connection for each scrape on both sides: the Exposer keeps none alive.
  const std::size_t lines = Connection(port, "/metrics").ask();
  auto registry = std::make_shared<prometheus::Registry>();
  auto& family =
      prometheus::BuildHistogram().Name("requests_seconds").Help("How long requests took.").Register(*registry);
  for (std::size_t i = 0; i < lines / 17; ++i)
    family.Add({{"endpoint", name_of(i)}}, prometheus::Histogram::BucketBoundaries(edges)).Observe(0.02);
  prometheus::Exposer exposer("127.0.0.1:0", 2);
  exposer.RegisterCollectable(registry);
  const auto their_port = static_cast<std::uint16_t>(exposer.GetListeningPorts().front());
  std::vector<double> one, other;
  for (int round = 0; round < 25; ++round) {
    one.push_back(timed([&] { Connection(port, "/metrics").ask(); }));
    other.push_back(timed([&] { Connection(their_port, "/metrics").ask(); }));
  }
  return {{"lines", lines}, {"hotwell", median(one)}, {"prometheus", median(other)}};
}

/// Jobs one after the other, in turns with and without somebody who scrapes every second.
json::object jobs_beside_scrapes(hotwell::Engine& engine, std::uint16_t port) {
  const auto run = [&](std::vector<double>& took, Duration how_long) {
    const auto end = Stopwatch::now() + how_long;
    while (Stopwatch::now() < end)
      took.push_back(timed([&] {
        if (const auto done = engine.run({.operation = "noop"}); !done || done->state != hotwell::JobState::completed)
          die("a job failed");
      }));
  };
  std::vector<double> warm, quiet, scraped, ratios;
  run(warm, 500ms);
  Connection scraper(port, "/metrics");
  for (int round = 0; round < 10; ++round) {
    std::vector<double> without, with;
    run(without, 1s);
    std::thread other([&] { scraper.ask(); });
    run(with, 1s);
    other.join();
    ratios.push_back(quantile(with, 0.99) / quantile(without, 0.99));
    quiet.insert(quiet.end(), without.begin(), without.end());
    scraped.insert(scraped.end(), with.begin(), with.end());
  }
  return {{"jobs", quiet.size() + scraped.size()},
          {"p99", quantile(quiet, 0.99)},
          {"p99_scraped", quantile(scraped, 0.99)},
          {"pairs", json::array{quantile(ratios, 0.25), median(ratios), quantile(ratios, 0.75)}}};
}

/// Requests a second of one connection, in turns with the monitor's seconds running and stopped.
json::object throughput(hotwell::Engine& engine, std::uint16_t port) {
  Connection client(port, "/v1/cache/object");
  const auto rate = [&](Duration how_long) {
    std::uint64_t count = 0;
    const auto began = Stopwatch::now();
    for (; Stopwatch::now() - began < how_long; ++count) client.ask();
    return static_cast<double>(count) / std::chrono::duration<double>(Stopwatch::now() - began).count();
  };
  std::vector<double> on, off, ratios;
  rate(500ms);
  for (int pair = 0; pair < 12; ++pair) {
    const bool first = pair % 2 == 0;
    double with = 0, without = 0;
    for (const bool running : {first, !first}) {
      if (running)
        engine.monitor().start();
      else
        engine.monitor().stop();
      (running ? with : without) = rate(2s);
    }
    on.push_back(with);
    off.push_back(without);
    ratios.push_back(with / without);
  }
  engine.monitor().start();
  return {{"with", median(on)},
          {"without", median(off)},
          {"pairs", json::array{quantile(ratios, 0.25), median(ratios), quantile(ratios, 0.75)}}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("hotwell-bench-monitor-live WORKER\n", stderr);
    return 2;
  }
  const auto folder = std::filesystem::temp_directory_path() / ("hotwell-bench-live-" + std::to_string(::getpid()));
  json::object answer;
  {
    hotwell::Config config;
    config.data_dir = folder;
    config.server.listen = "127.0.0.1:0";
    config.media = false;
    config.log_level = "warn";
    config.operations = {{.name = "noop",
                          .kind = hotwell::WorkerKind::frames,
                          .argv = {argv[1]},
                          .cache = false,
                          .min_workers = 1,
                          .durability = hotwell::Durability::memory}};
    auto engine = hotwell::Engine::open(config);
    if (!engine) {
      std::fprintf(stderr, "%s\n", to_string(engine.error()).c_str());
      return 1;
    }
    auto server = hotwell::server::Server::start(**engine);
    if (!server) {
      std::fprintf(stderr, "%s\n", to_string(server.error()).c_str());
      return 1;
    }
    const std::string address = (*server)->address();
    const auto port = static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
    (void)(*engine)->cache().set("object", std::string(1024, 'x'));
    answer["throughput"] = throughput(**engine, port);
    // Endpoints and operations as many as are kept, each with requests in the window.
    for (std::size_t i = 0; i < endpoints; ++i)
      for (int n = 0; n < 400; ++n) {
        const Duration took =
            20us +
            Duration{static_cast<Duration::rep>((i * 7919 + static_cast<std::size_t>(n) * 104'729) % 150'000'000)};
        (*engine)->monitor().track_request(took, RequestOutcome::ok, name_of(i));
        (*engine)->monitor().track_job(took, name_of(i));
      }
    answer["jobs"] = jobs_beside_scrapes(**engine, port);
    answer["scrape"] = scrape(port);
    (*server)->stop(1s);
  }
  std::filesystem::remove_all(folder);
  std::puts(json::serialize(answer).c_str());
  return 0;
}

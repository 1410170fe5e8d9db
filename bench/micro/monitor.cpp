// The monitor beside prometheus-cpp, in one run: what recording one duration costs, how exact its quantiles are,
// whether a count gets lost, what a scrape costs to write, how much memory 256 endpoints take. Prints one JSON object;
// times are nanoseconds, sizes bytes. Cases that are compared alternate.
//
//   hotwell-bench-monitor            everything
//   hotwell-bench-monitor fill DIR   writes a day of history there, as a daemon would have left it
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <malloc.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/summary.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>
#include <boost/json.hpp>
#include <hotwell/monitor.hpp>

#include "monitor/history.hpp"
#include "monitor/impl.hpp"
#include "monitor/recorder.hpp"
#include "monitor/series.hpp"
#include "monitor/window.hpp"
#include "wire/exposition.hpp"

namespace {
thread_local std::uint64_t allocated = 0;
}  // namespace

// Counts, so that "no allocation" is seen rather than said.
void* operator new(std::size_t size) {
  ++allocated;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using hotwell::Duration;
using hotwell::RequestOutcome;
using Stopwatch = std::chrono::steady_clock;
namespace json = boost::json;

constexpr std::size_t endpoints = 256;
constexpr int rounds = 7;
const std::vector<double> edges{0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300};

std::string name_of(std::size_t i) { return "GET /v1/route/" + std::to_string(i); }
double in_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// Durations of 20 us to 160 ms; no clock is read.
class Durations {
 public:
  explicit Durations(std::uint64_t seed = 42) : state_(seed) {}
  Duration next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return Duration{20'000 + static_cast<Duration::rep>(state_ >> 37)};
  }

 private:
  std::uint64_t state_;
};

/// Has the compiler believe that somebody looks at it.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Calls body(thread, times) on so many threads at once: nanoseconds a call of the slowest.
double per_call(int threads, std::size_t times, const std::function<void(int, std::size_t)>& body) {
  std::atomic<int> ready{0};
  std::vector<double> took(static_cast<std::size_t>(threads));
  std::vector<std::thread> all;
  for (int thread = 0; thread < threads; ++thread)
    all.emplace_back([&, thread] {
      body(thread, times / 50);
      ++ready;
      while (ready < threads) {
      }
      const auto began = Stopwatch::now();
      body(thread, times);
      took[static_cast<std::size_t>(thread)] =
          std::chrono::duration<double, std::nano>(Stopwatch::now() - began).count();
    });
  for (auto& thread : all) thread.join();
  return *std::ranges::max_element(took) / static_cast<double>(times);
}

/// One duration recorded, the making of the durations taken off.
json::object recording() {
  hotwell::Monitor monitor;
  const auto endpoint = monitor.endpoint("GET /video");
  prometheus::Histogram histogram{edges};
  prometheus::Summary summary{prometheus::Summary::Quantiles{{0.5, 0.01}, {0.95, 0.01}, {0.99, 0.001}}};
  std::uint64_t allocations = 0;
  struct Case {
    const char* name;
    std::size_t times;
    std::function<void(int, std::size_t)> body;
  };
  const std::vector<Case> cases{
      {"nothing", 20'000'000,
       [](int thread, std::size_t times) {
         Durations durations(static_cast<std::uint64_t>(thread));
         for (std::size_t i = 0; i < times; ++i) asm volatile("" : : "r"(durations.next().count()));
       }},
      {"hotwell", 20'000'000,
       [&](int thread, std::size_t times) {
         Durations durations(static_cast<std::uint64_t>(thread));
         monitor.track_request(durations.next(), RequestOutcome::ok, endpoint);  // takes the thread's counters
         const std::uint64_t before = allocated;
         for (std::size_t i = 0; i < times; ++i) monitor.track_request(durations.next(), RequestOutcome::ok, endpoint);
         std::atomic_ref(allocations).fetch_add(allocated - before);
       }},
      {"hotwell_by_name", 20'000'000,
       [&](int thread, std::size_t times) {
         Durations durations(static_cast<std::uint64_t>(thread));
         for (std::size_t i = 0; i < times; ++i)
           monitor.track_request(durations.next(), RequestOutcome::ok, "GET /video");
       }},
      {"prometheus_histogram", 1'500'000,
       [&](int thread, std::size_t times) {
         Durations durations(static_cast<std::uint64_t>(thread));
         for (std::size_t i = 0; i < times; ++i) histogram.Observe(in_seconds(durations.next()));
       }},
      {"prometheus_summary", 60'000,
       [&](int thread, std::size_t times) {
         Durations durations(static_cast<std::uint64_t>(thread));
         for (std::size_t i = 0; i < times; ++i) summary.Observe(in_seconds(durations.next()));
       }},
  };
  json::object answer;
  for (const int threads : {1, 2}) {
    std::map<std::string, std::vector<double>> seen;
    for (int round = 0; round < rounds; ++round)
      for (const Case& each : cases) seen[each.name].push_back(per_call(threads, each.times, each.body));
    json::object of;
    const double nothing = median(seen["nothing"]);
    for (const auto& [name, values] : seen)
      of[name] = name == "nothing" ? nothing : std::max(median(values) - nothing, 0.01);
    answer[std::to_string(threads)] = std::move(of);
  }
  answer["allocations"] = allocations;
  return answer;
}

using Draw = std::function<double(std::mt19937_64&)>;
const std::vector<std::pair<const char*, Draw>>& distributions() {
  static const std::vector<std::pair<const char*, Draw>> all{
      {"uniform", [](auto& random) { return std::uniform_real_distribution(1e3, 1e9)(random); }},
      {"exponential", [](auto& random) { return std::exponential_distribution(1 / 5e6)(random); }},
      {"lognormal", [](auto& random) { return std::lognormal_distribution(15., 2.)(random); }},
      {"normal", [](auto& random) { return std::normal_distribution(2e7, 3e6)(random); }},
      {"pareto", [](auto& random) { return 1e5 / std::pow(std::uniform_real_distribution(1e-6, 1.)(random), 0.8); }},
      {"two modes",
       [](auto& random) {
         std::uniform_real_distribution unit(0., 1.);
         return unit(random) < 0.9 ? 3e4 + 1e3 * unit(random) : 4e7 * (1 + unit(random));
       }},
  };
  return all;
}

/// The largest relative error of p50, p95, p99 and p99.9 over windows of each whole number of seconds of the five
/// minutes that keep histograms, by distribution.
json::object quantile_errors() {
  using namespace std::chrono_literals;
  json::object worst;
  for (const auto& [name, draw] : distributions()) {
    std::mt19937_64 random(7);
    hotwell::monitor::Recorder recorder;
    hotwell::host::MonoTime now{};
    hotwell::monitor::Window window(recorder, now);
    std::vector<std::vector<double>> by_second;
    for (int second = 0; second < 300; ++second) {
      auto& values = by_second.emplace_back(400);
      for (double& value : values) {
        value = std::floor(std::max(draw(random), 1.));
        recorder.record(Duration{static_cast<Duration::rep>(value)}, RequestOutcome::ok, "x");
      }
      now += 1s;
      (void)window.roll(now);
    }
    double largest = 0;
    for (const std::size_t seconds : {1U, 2U, 3U, 5U, 10U, 15U, 30U, 60U, 90U, 120U, 180U, 240U, 299U, 300U}) {
      std::vector<double> all;
      for (std::size_t i = by_second.size() - seconds; i < by_second.size(); ++i)
        all.insert(all.end(), by_second[i].begin(), by_second[i].end());
      std::ranges::sort(all);
      const auto found = window.over(std::chrono::seconds{seconds}, now).all.quantiles<4>({0.5, 0.95, 0.99, 0.999});
      for (std::size_t i = 0; const double q : {0.5, 0.95, 0.99, 0.999}) {
        const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(all.size())));
        largest = std::max(largest, std::abs(static_cast<double>(found[i++].count()) / all[rank - 1] - 1));
      }
    }
    worst[name] = largest;
  }
  return worst;
}

/// 10^8 records on two threads, while a third reads: how many are missing at the end.
std::int64_t lost() {
  constexpr std::int64_t each = 50'000'000;
  hotwell::Monitor monitor;
  monitor.start();
  const auto write = [&] {
    const auto endpoint = monitor.endpoint("GET /video");
    Durations durations;
    for (std::int64_t i = 0; i < each; ++i) monitor.track_request(durations.next(), RequestOutcome::ok, endpoint);
  };
  std::thread one(write), other(write);
  one.join();
  other.join();
  const std::string text = monitor.prometheus();
  constexpr std::string_view line = "hotwell_requests_total{endpoint=\"GET /video\",outcome=\"ok\"} ";
  const auto at = text.find(line);
  return 2 * each - (at == std::string::npos ? 0 : std::stoll(text.substr(at + line.size())));
}

double microseconds(const std::function<void()>& body) {
  const auto began = Stopwatch::now();
  body();
  return std::chrono::duration<double, std::micro>(Stopwatch::now() - began).count();
}

/// Histograms of 17 lines each, as many as 15,000 lines take; both sides write the same. Then a whole monitor with 256
/// endpoints and as many operations, each of which went on since the scrape before, beside a registry that gives as
/// many lines.
json::object scrapes() {
  using hotwell::wire::Exposition;
  constexpr std::size_t histograms = 15'000 / 17;
  const auto registry_of = [](std::size_t count) {
    auto registry = std::make_shared<prometheus::Registry>();
    auto& family =
        prometheus::BuildHistogram().Name("requests_seconds").Help("How long requests took.").Register(*registry);
    Durations durations;
    for (std::size_t i = 0; i < count; ++i) {
      auto& histogram = family.Add({{"endpoint", name_of(i)}}, prometheus::Histogram::BucketBoundaries(edges));
      for (int n = 0; n < 100; ++n) histogram.Observe(in_seconds(durations.next()));
    }
    return registry;
  };
  std::vector<Exposition::Bucket> buckets;
  for (const double edge : edges) buckets.push_back({edge, 1000 + buckets.size()});
  std::vector<std::string> names;
  for (std::size_t i = 0; i < histograms; ++i) names.push_back(name_of(i));

  hotwell::Monitor monitor;
  Durations durations;
  const auto go_on = [&](int times) {
    for (std::size_t i = 0; i < endpoints; ++i)
      for (int n = 0; n < times; ++n) {
        monitor.track_request(durations.next(), RequestOutcome::ok, name_of(i));
        monitor.track_job(durations.next(), name_of(i));
      }
  };
  go_on(2'000);
  monitor.start();
  const std::string whole = monitor.prometheus();
  const auto lines = static_cast<std::size_t>(std::ranges::count(whole, '\n'));
  const auto registry = registry_of(histograms);
  const auto as_many = registry_of(lines / 17);
  const prometheus::TextSerializer serializer;

  std::vector<double> ours, theirs, whole_ours, whole_theirs;
  std::size_t size = 0;
  for (int round = 0; round < 15; ++round) {
    ours.push_back(microseconds([&] {
      Exposition to(size + size / 8);  // as the monitor does
      to.family("requests_seconds", Exposition::Type::histogram, "How long requests took.");
      for (const auto& name : names) to.histogram(buckets, 123.456789, 2'000, {{"endpoint", name}});
      const std::string text = std::move(to).take();
      size = text.size();
      keep(text);
    }));
    theirs.push_back(microseconds([&] { keep(serializer.Serialize(registry->Collect())); }));
    go_on(1);
    whole_ours.push_back(microseconds([&] { keep(monitor.prometheus()); }));
    whole_theirs.push_back(microseconds([&] { keep(serializer.Serialize(as_many->Collect())); }));
  }
  return {{"hotwell", median(ours) * 1e3},
          {"prometheus", median(theirs) * 1e3},
          {"whole_lines", lines},
          {"whole_hotwell", median(whole_ours) * 1e3},
          {"whole_prometheus", median(whole_theirs) * 1e3}};
}

std::uint64_t resident() {
  std::ifstream file{"/proc/self/statm"};
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

class Time : public hotwell::host::Clock {
 public:
  hotwell::host::MonoTime at{std::chrono::hours{1000}};
  [[nodiscard]] hotwell::host::MonoTime now() const override { return at; }
  [[nodiscard]] hotwell::WallTime wall() const override {
    return hotwell::WallTime{std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()) +
                             std::chrono::hours{24 * 20'000}};
  }
};

/// What a monitor of 256 endpoints, and of as many operations where they are asked for, has taken after six minutes of
/// simulated time with ten requests an endpoint and second, written by two threads in turn.
json::object memory(std::size_t operations) {
  const auto directory =
      std::filesystem::temp_directory_path() / ("hotwell-bench-monitor-" + std::to_string(::getpid()));
  ::malloc_trim(0);
  const std::uint64_t before = resident();
  json::object answer;
  {
    Time time;
    hotwell::Monitor::Impl monitor({.directory = directory}, {.clock = time});
    std::vector<std::string> names;
    for (std::size_t i = 0; i < endpoints; ++i) names.push_back(name_of(i));
    const auto second_of = [&](std::uint64_t seed) {
      std::mt19937_64 random(seed);
      std::lognormal_distribution latency(16., 0.7);
      for (std::size_t i = 0; i < endpoints; ++i)
        for (int n = 0; n < 5; ++n) {
          const Duration took{static_cast<Duration::rep>(latency(random))};
          monitor.recorder().record(took, RequestOutcome::ok, names[i]);
          if (i < operations) monitor.operations().record(took, RequestOutcome::ok, names[i]);
        }
    };
    std::atomic<int> turn{0};
    constexpr int seconds = 360;
    std::thread other([&] {
      for (int i = 0; i < seconds; ++i) {
        while (turn != 2 * i + 1) std::this_thread::yield();
        second_of(static_cast<std::uint64_t>(2 * i + 1));
        ++turn;
      }
    });
    std::vector<double> ticks;
    for (int i = 0; i < seconds; ++i) {
      second_of(static_cast<std::uint64_t>(2 * i));
      ++turn;
      while (turn != 2 * i + 2) std::this_thread::yield();
      time.at += std::chrono::seconds{1};
      ticks.push_back(microseconds([&] { monitor.tick(); }));
    }
    other.join();
    answer = {{"endpoints", endpoints}, {"bytes", resident() - before}, {"tick", median(ticks) * 1e3}};
  }
  std::filesystem::remove_all(directory);
  return answer;
}

/// A day as it might have been: gauges and endpoints that rise and fall.
void fill(const std::filesystem::path& directory) {
  using hotwell::monitor::Grain;
  const auto now = static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch().count());
  std::filesystem::create_directories(directory);
  hotwell::monitor::History history(directory, now);
  std::vector<std::pair<std::string, double>> keys{{"requests", 0}, {"jobs", 0}};
  for (std::size_t i = 0; i < 40; ++i) {
    keys.emplace_back("endpoint:" + name_of(i), 0);
    keys.emplace_back("operation:" + name_of(i), 0);
  }
  for (const auto& gauge : hotwell::monitor::gauge_series())
    keys.emplace_back("gauge:" + std::string(gauge.name), gauge.unit == "ratio" ? 0.5 : 40);
  std::mt19937 random(7);
  std::uniform_real_distribution<float> noise(0.8F, 1.2F);
  for (const Grain grain : {Grain::ten_seconds, Grain::minute}) {
    const auto& size = hotwell::monitor::size_of(grain);
    for (std::uint32_t slot = now / size.step - size.length + 1; slot < now / size.step; ++slot) {
      const double hour = static_cast<double>(slot) * size.step / 3600.0;
      const auto wave = static_cast<float>(0.6 + 0.35 * std::sin(hour * 0.8)) * noise(random);
      for (const auto& [key, level] : keys) {
        const auto number = history.series(key);
        if (!number) continue;
        hotwell::monitor::Point point{.slot = slot};
        if (level > 0) {
          point.count = static_cast<float>(size.step);
          point.sum = static_cast<float>(level) * wave * point.count;
        } else {
          point.count = 30 * wave * static_cast<float>(size.step);
          point.failed = point.count * 0.002F;
          point.sum = point.count * 0.012F;
          point.min = 0.001F;
          point.p50 = 0.009F * noise(random);
          point.p95 = 0.03F * noise(random);
          point.p99 = 0.06F * noise(random);
          point.p999 = point.max = 0.2F * noise(random);
        }
        history.put(grain, *number, point);
      }
      history.write(grain, slot);
      history.carry_out(history.take_writes());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "fill") {
    fill(argv[2]);
    return 0;
  }
  json::object answer;
  answer["memory"] = memory(0);  // first, while the process is small
  answer["memory_with_operations"] = memory(endpoints);
  answer["recording"] = recording();
  answer["quantile_errors"] = quantile_errors();
  answer["lost"] = lost();
  answer["scrape"] = scrapes();
  std::puts(json::serialize(answer).c_str());
  return 0;
}

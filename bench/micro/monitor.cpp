// The monitor beside prometheus-cpp: what recording one duration costs, and what a scrape of as many lines costs.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/summary.h>
#include <prometheus/text_serializer.h>
#include <hotwell/monitor.hpp>

#include "wire/exposition.hpp"

namespace {

using hotwell::Duration;
using hotwell::RequestOutcome;

constexpr std::size_t endpoints = 256;
const std::vector<double> edges{0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300};

/// Durations of 20 us to 160 ms; no clock is read.
class Durations {
 public:
  Duration next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return Duration{20'000 + static_cast<Duration::rep>(state_ >> 37)};
  }

 private:
  std::uint64_t state_ = 42;
};

std::string name_of(std::size_t i) { return "GET /v1/route/" + std::to_string(i); }

hotwell::Monitor& monitor() {
  static hotwell::Monitor shared;
  return shared;
}

void record(benchmark::State& state) {
  hotwell::Monitor& to = monitor();
  const auto endpoint = to.endpoint("GET /video");
  Durations durations;
  for (auto _ : state) to.track_request(durations.next(), RequestOutcome::ok, endpoint);
}
BENCHMARK(record)->ThreadRange(1, 2)->UseRealTime();

void record_by_name(benchmark::State& state) {
  hotwell::Monitor& to = monitor();
  Durations durations;
  for (auto _ : state) to.track_request(durations.next(), RequestOutcome::ok, "GET /video");
}
BENCHMARK(record_by_name)->ThreadRange(1, 2)->UseRealTime();

/// What the durations themselves cost.
void record_nothing(benchmark::State& state) {
  Durations durations;
  for (auto _ : state) benchmark::DoNotOptimize(durations.next());
}
BENCHMARK(record_nothing)->ThreadRange(1, 2)->UseRealTime();

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void prometheus_cpp_histogram(benchmark::State& state) {
  static prometheus::Histogram histogram{edges};
  Durations durations;
  for (auto _ : state) histogram.Observe(seconds(durations.next()));
}
BENCHMARK(prometheus_cpp_histogram)->ThreadRange(1, 2)->UseRealTime();

void prometheus_cpp_summary(benchmark::State& state) {
  static prometheus::Summary summary{prometheus::Summary::Quantiles{{0.5, 0.01}, {0.95, 0.01}, {0.99, 0.001}}};
  Durations durations;
  for (auto _ : state) summary.Observe(seconds(durations.next()));
}
BENCHMARK(prometheus_cpp_summary)->ThreadRange(1, 2)->UseRealTime();

hotwell::Monitor& full_monitor() {
  static hotwell::Monitor shared;
  static const bool filled = [] {
    Durations durations;
    for (std::size_t i = 0; i < endpoints; ++i)
      for (int n = 0; n < 2'000; ++n) shared.track_request(durations.next(), RequestOutcome::ok, name_of(i));
    return true;
  }();
  benchmark::DoNotOptimize(filled);
  return shared;
}

void metrics_of_256_endpoints(benchmark::State& state) {
  hotwell::Monitor& from = full_monitor();
  for (auto _ : state) benchmark::DoNotOptimize(from.metrics());
}
BENCHMARK(metrics_of_256_endpoints);

void scrape_of_256_endpoints(benchmark::State& state) {
  hotwell::Monitor& from = full_monitor();
  std::size_t lines = 0;
  for (auto _ : state) {
    const std::string text = from.prometheus();
    lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }
  state.counters["lines"] = static_cast<double>(lines);
}
BENCHMARK(scrape_of_256_endpoints);

/// Histograms of 17 lines each, as many as 15,000 lines take; both sides write the same.
constexpr std::size_t histograms = 15'000 / 17;

void serialise_15000_lines(benchmark::State& state) {
  using hotwell::wire::Exposition;
  std::vector<Exposition::Bucket> buckets;
  for (const double edge : edges) buckets.push_back({edge, 1000 + buckets.size()});
  std::vector<std::string> names;
  for (std::size_t i = 0; i < histograms; ++i) names.push_back(name_of(i));
  for (auto _ : state) {
    Exposition to;
    to.family("requests_seconds", Exposition::Type::histogram, "How long requests took.");
    for (const auto& name : names) to.histogram(buckets, 123.456789, 2'000, {{"endpoint", name}});
    benchmark::DoNotOptimize(std::move(to).take());
  }
}
BENCHMARK(serialise_15000_lines);

void prometheus_cpp_serialise_15000_lines(benchmark::State& state) {
  prometheus::Registry registry;
  auto& family = prometheus::BuildHistogram().Name("requests_seconds").Help("How long requests took.").Register(registry);
  Durations durations;
  for (std::size_t i = 0; i < histograms; ++i) {
    auto& histogram = family.Add({{"endpoint", name_of(i)}}, prometheus::Histogram::BucketBoundaries(edges));
    for (int n = 0; n < 100; ++n) histogram.Observe(seconds(durations.next()));
  }
  const prometheus::TextSerializer serializer;
  for (auto _ : state) benchmark::DoNotOptimize(serializer.Serialize(registry.Collect()));
}
BENCHMARK(prometheus_cpp_serialise_15000_lines);

}  // namespace

BENCHMARK_MAIN();

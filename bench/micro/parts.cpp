// What one call of a part costs: the memory tier's get and put, a get that has to ask the disk, recording a request,
// an event that nobody listens to.
#include <filesystem>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <unistd.h>
#include <hotwell/cache.hpp>
#include <hotwell/monitor.hpp>

namespace {

using namespace hotwell::literals;
using namespace std::chrono_literals;

constexpr std::size_t entries = 10'000;
const std::string value(1024, 'x');

std::vector<std::string> make_keys() {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < entries; ++i) keys.push_back("video_" + std::to_string(i));
  return keys;
}
const std::vector<std::string> keys = make_keys();

/// Walks all keys in an order that no prefetcher foresees.
class Walk {
 public:
  explicit Walk(int thread) : at_(static_cast<std::size_t>(thread) * 4'999) {}
  const std::string& next() {
    at_ = (at_ + 7'919) % entries;
    return keys[at_];
  }

 private:
  std::size_t at_;
};

hotwell::Cache& full_cache() {
  static hotwell::Cache cache{{.memory_limit = 256_MiB}};
  static const bool filled = [] {
    for (const auto& key : keys) cache.set(key, value).value();
    return true;
  }();
  benchmark::DoNotOptimize(filled);
  return cache;
}

void memory_get(benchmark::State& state) {
  hotwell::Cache& cache = full_cache();
  Walk walk(state.thread_index());
  for (auto _ : state) {
    auto object = cache.try_get(walk.next());
    if (!object) {
      state.SkipWithError("a miss");
      break;
    }
    benchmark::DoNotOptimize(object);
  }
}
BENCHMARK(memory_get)->ThreadRange(1, 2)->UseRealTime();

void memory_put(benchmark::State& state) {
  hotwell::Cache& cache = full_cache();
  Walk walk(state.thread_index());
  for (auto _ : state) {
    if (!cache.set(walk.next(), value)) {
      state.SkipWithError("a set failed");
      break;
    }
  }
}
BENCHMARK(memory_put)->ThreadRange(1, 2)->UseRealTime();

/// Nothing fits into memory, so that every get reads a file (in the page cache).
void disk_get(benchmark::State& state) {
  const auto folder = std::filesystem::temp_directory_path() / ("hotwell-bench-" + std::to_string(::getpid()));
  {
    hotwell::Cache cache{{.directory = folder, .memory_limit = 1_KiB, .promote_after = 1'000'000}};
    for (std::size_t i = 0; i < 500; ++i) cache.set(keys[i], value).value();
    std::size_t at = 0;
    for (auto _ : state) {
      at = (at + 211) % 500;
      auto object = cache.get(keys[at]).value();
      if (!object || object->level == hotwell::Level::memory) {
        state.SkipWithError("not from disk");
        break;
      }
      benchmark::DoNotOptimize(object->bytes().data());
    }
  }
  std::filesystem::remove_all(folder);
}
BENCHMARK(disk_get)->UseRealTime();

void record_request(benchmark::State& state) {
  static hotwell::Monitor monitor;
  for (auto _ : state) monitor.track_request(42ms, true, "GET /video");
}
BENCHMARK(record_request)->ThreadRange(1, 2)->UseRealTime();

void event_without_listener(benchmark::State& state) {
  const hotwell::CacheEvents events;
  const hotwell::CacheMiss miss{"video_123"};
  for (auto _ : state) {
    events.publish(miss);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(event_without_listener);

}  // namespace

BENCHMARK_MAIN();

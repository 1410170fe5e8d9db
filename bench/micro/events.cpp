/// What listening to every event of a cache costs whoever uses it: reading through (get, and set what was missed) with
/// and without listeners, in pairs of which each begins with the other.
///
///   hotwell-bench-events       prints {"pairs","slower":{"median","low","high"},"per_second":{"alone","heard"}};
///   `slower`
///                              is the share of time added, low and high are the quartiles of the pairs
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <hotwell/cache.hpp>

namespace {

using namespace hotwell::literals;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t keys = 200'000;
constexpr std::size_t operations = 100'000;
constexpr int pairs = 21;

/// Ranks by Zipf 0.99 over all keys.
std::vector<std::uint32_t> zipf(std::size_t count) {
  std::vector<double> sums(keys);
  double sum = 0;
  for (std::size_t i = 0; i < keys; ++i) sums[i] = sum += std::pow(static_cast<double>(i + 1), -0.99);
  std::mt19937_64 random{7};
  std::uniform_real_distribution<double> chance(0, sum);
  std::vector<std::uint32_t> ranks(count);
  for (auto& rank : ranks)
    rank = static_cast<std::uint32_t>(std::lower_bound(sums.begin(), sums.end(), chance(random)) - sums.begin());
  return ranks;
}

class ReadThrough {
 public:
  explicit ReadThrough(hotwell::Cache& cache) : cache_(cache), ranks_(zipf(operations)), value_(1024, 'v') {
    for (std::size_t i = 0; i < keys; ++i) names_.push_back("object:" + std::to_string(i) + ":of-the-benchmark");
  }
  double run() {
    const auto began = std::chrono::steady_clock::now();
    for (const auto rank : ranks_) {
      const auto& name = names_[rank];
      const auto found = cache_.get(name);
      if (!found || !*found) (void)cache_.set(name, value_);
    }
    return Seconds(std::chrono::steady_clock::now() - began).count();
  }

 private:
  hotwell::Cache& cache_;
  std::vector<std::uint32_t> ranks_;
  std::vector<std::string> names_;
  std::string value_;
};

class Listeners {
 public:
  explicit Listeners(hotwell::Cache& cache) {
    hear<hotwell::CacheHit>(cache);
    hear<hotwell::CacheMiss>(cache);
    hear<hotwell::CacheSet>(cache);
    hear<hotwell::CachePromotion>(cache);
    hear<hotwell::CacheDemotion>(cache);
    hear<hotwell::CacheEviction>(cache);
    hear<hotwell::CacheExpiry>(cache);
    hear<hotwell::CacheDelete>(cache);
  }
  [[nodiscard]] std::uint64_t heard() const { return heard_; }

 private:
  template <class E>
  void hear(hotwell::Cache& cache) {
    subscriptions_.push_back(cache.on<E>([this](const E&) { heard_.fetch_add(1, std::memory_order_relaxed); }));
  }
  std::atomic<std::uint64_t> heard_{0};
  std::vector<hotwell::Subscription> subscriptions_;
};

double at(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

void measure(const std::filesystem::path& directory) {
  hotwell::Cache cache{{.directory = directory / "cache", .memory_limit = 24_MiB, .disk_limit = 128_MiB}};
  ReadThrough work(cache);
  work.run();
  work.run();
  std::vector<double> slower;
  std::vector<double> alone;
  std::vector<double> heard;
  for (int pair = 0; pair < pairs; ++pair) {
    double without = 0;
    double with = 0;
    const auto listen = [&] {
      const Listeners all(cache);
      with = work.run();
      if (all.heard() < operations) std::exit(1);
    };
    if (pair % 2 == 0) listen();
    without = work.run();
    if (pair % 2 != 0) listen();
    slower.push_back(with / without - 1);
    alone.push_back(operations / without);
    heard.push_back(operations / with);
  }
  std::cout << "{\"pairs\":" << pairs << ",\"slower\":{\"median\":" << at(slower, 0.5)
            << ",\"low\":" << at(slower, 0.25) << ",\"high\":" << at(slower, 0.75)
            << "},\"per_second\":{\"alone\":" << at(alone, 0.5) << ",\"heard\":" << at(heard, 0.5) << "}}\n";
}

}  // namespace

int main() {
  std::string directory = (std::filesystem::temp_directory_path() / "hotwell-bench-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  measure(directory);
  std::filesystem::remove_all(directory);
}

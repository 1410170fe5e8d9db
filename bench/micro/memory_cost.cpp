/// What the memory tier takes of the machine's memory, by what the kernel says is resident: for a million small
/// entries, beyond their keys and values; and under a storm of mixed sizes whose mixture changes, with readers that
/// hold what they found, against the cap.
///
///   hotwell-bench-memory-cost entries|storm [SECONDS]     prints JSON; one process each, so that neither sees the
///   other's
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "cache/memory/memory_tier.hpp"

namespace {

using namespace hotwell;
using namespace hotwell::literals;
using namespace std::chrono_literals;

constexpr WallTime start{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

std::uint64_t resident() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  std::string word;
  while (rollup >> word) {
    if (word != "Rss:") continue;
    std::uint64_t kibibytes = 0;
    rollup >> kibibytes;
    return kibibytes << 10;
  }
  std::fputs("no Rss in /proc/self/smaps_rollup\n", stderr);
  std::exit(1);
}

void put(cache::MemoryTier& tier, std::string key, std::string_view bytes) {
  thread_local cache::Removals removed;
  removed.clear();
  cache::Details details;
  details.key = std::move(key);
  details.created = start;
  details.expires = start + 1h;
  // Where readers hold too much it is refused: that is what they and the cap are for.
  (void)tier.put(std::move(details), Buffer::wrap(nullptr, bytes), removed);
}

void entries() {
  constexpr std::uint64_t count = 1'000'000;
  constexpr std::string_view value = "a value of thirty-two bytes ....";
  cache::MemoryTier tier{1_GiB, cache::make_policy("lru").value()};
  const auto before = resident();
  for (std::uint64_t i = 0; i < count; ++i) put(tier, fmt::format("key:{:012}", i), value);
  const auto took = static_cast<double>(resident() - before) / count;
  const double payload = 16 + value.size();
  const auto stats = tier.stats();
  std::puts(fmt::format(R"({{"entries":{},"key_and_value":{},"resident_each":{:.1f},"overhead_each":{:.1f},)"
                        R"("charged_each":{:.1f}}})",
                        stats.entries, payload, took, took - payload,
                        static_cast<double>(stats.size.count) / static_cast<double>(stats.entries))
                .c_str());
}

void storm(std::chrono::duration<double> time) {
  constexpr Bytes cap = 64_MiB;
  const std::string bytes(256 << 10, 'x');
  const auto idle = resident();
  std::uint64_t most = 0;
  std::uint64_t most_charged = 0;
  std::atomic<std::uint64_t> puts{0};
  {
    cache::MemoryTier tier{cap, cache::make_policy("default").value()};
    std::atomic<bool> stop{false};
    std::atomic<unsigned> mixture{0};
    std::vector<std::jthread> running;
    for (unsigned t = 0; t < 2; ++t) {
      running.emplace_back([&, t] {
        std::mt19937_64 random(t);
        std::vector<Object> held(32);
        while (!stop.load(std::memory_order_relaxed)) {
          // Sizes from 1 byte to 256 KiB; each mixture prefers another part of that range.
          constexpr std::array<std::array<unsigned, 2>, 5> exponents{{{0, 18}, {0, 8}, {12, 18}, {8, 12}, {0, 18}}};
          const auto [low, high] = exponents.at(mixture.load(std::memory_order_relaxed) % exponents.size());
          const auto size = (std::uint64_t{1} << (low + random() % (high - low))) + random() % 1000;
          put(tier, fmt::format("key:{}", random() % 1'000'000), std::string_view(bytes).substr(0, size));
          puts.fetch_add(1, std::memory_order_relaxed);
          if (auto object = tier.try_find(fmt::format("key:{}", random() % 1'000'000), start, cache::Count::yes))
            held[random() % held.size()] = std::move(*object);
        }
      });
    }
    const auto until = std::chrono::steady_clock::now() + time;
    for (unsigned sample = 0; std::chrono::steady_clock::now() < until; ++sample) {
      std::this_thread::sleep_for(5ms);
      most = std::max(most, resident() - idle);
      most_charged = std::max(most_charged, tier.stats().size.count);
      if (sample % 40 == 39) ++mixture;
    }
    stop = true;
    running.clear();
  }
  std::puts(fmt::format(R"({{"cap":{},"resident":{},"of_cap":{:.3f},"charged":{},"puts":{}}})", cap.count, most,
                        static_cast<double>(most) / static_cast<double>(cap.count), most_charged, puts.load())
                .c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "entries") {
    entries();
  } else if (what == "storm") {
    storm(std::chrono::duration<double>(argc > 2 ? std::atof(argv[2]) : 5.0));
  } else {
    std::fputs("hotwell-bench-memory-cost entries|storm [SECONDS]\n", stderr);
    return 2;
  }
}

/// What a hit in memory costs: 1 KiB values by reference, keys by Zipf 0.99 over a million, room for a tenth; one and
/// two threads, a single hot key, and reading through. Beside it, in the same run: a list-ordered LRU behind one lock
/// over TBB's map, and TBB's map alone, which holds everything and never evicts.
///
///   hotwell-bench-memory [SECONDS]
///
/// For each line on standard input it runs every case once, SECONDS (by default 0.5) each, and prints one line of JSON:
/// whoever compares with other programs lets them take turns (bench/scenario/memory.py).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <tbb/concurrent_hash_map.h>

#include <hotwell/cache.hpp>

#include "cache/memory/memory_tier.hpp"

namespace {

using namespace hotwell;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t key_count = 1'000'000;
constexpr std::size_t room = key_count / 10;
constexpr std::size_t value_size = 1024;
constexpr std::size_t beside_value = 110;  ///< roughly what an entry takes besides, so that a tenth fits

/// By inverting the sum of ranks^-0.99 with a table: exact, and the same for every case.
std::vector<std::uint32_t> zipf(std::size_t count, unsigned seed) {
  std::vector<double> sums(key_count);
  double sum = 0;
  for (std::size_t i = 0; i < key_count; ++i) sums[i] = sum += std::pow(static_cast<double>(i + 1), -0.99);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0, sum);
  // Ranks are spread over the key space, so that hot keys do not lie side by side.
  std::vector<std::uint32_t> all(count);
  for (auto& one : all) {
    const auto rank = std::lower_bound(sums.begin(), sums.end(), uniform(random)) - sums.begin();
    one = static_cast<std::uint32_t>(static_cast<std::uint64_t>(rank) * 2654435761U % key_count);
  }
  return all;
}

struct Store {
  std::string name;
  std::function<bool(const std::string&)> get;  ///< touches the value by reference
  std::function<void(const std::string&)> put;
};

/// Strict LRU as it is commonly written: a map of list iterators, and a lock around both.
class LockedLru {
 public:
  bool get(const std::string& key) {
    const std::lock_guard lock(mutex_);
    Map::accessor at;
    if (!map_.find(at, key)) return false;
    order_.splice(order_.begin(), order_, at->second);
    const auto value = at->second->value;
    return value->size() == value_size;
  }
  void put(const std::string& key) {
    auto value = std::make_shared<const std::string>(value_size, 'x');
    const std::lock_guard lock(mutex_);
    {
      Map::accessor at;
      if (!map_.insert(at, key)) return;
      order_.push_front({key, std::move(value)});
      at->second = order_.begin();
    }
    if (order_.size() <= room) return;
    map_.erase(order_.back().key);
    order_.pop_back();
  }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const std::string> value;
  };
  using Map = tbb::concurrent_hash_map<std::string, std::list<Entry>::iterator>;
  std::mutex mutex_;
  Map map_;
  std::list<Entry> order_;
};

class NeverEvicts {
 public:
  bool get(const std::string& key) {
    Map::const_accessor at;
    if (!map_.find(at, key)) return false;
    const auto value = at->second;
    return value->size() == value_size;
  }
  void put(const std::string& key) {
    Map::accessor at;
    if (map_.insert(at, key)) at->second = std::make_shared<const std::string>(value_size, 'x');
  }

 private:
  using Map = tbb::concurrent_hash_map<std::string, std::shared_ptr<const std::string>>;
  Map map_;
};

class OurTier {
 public:
  OurTier() : tier_({room * (value_size + beside_value)}, cache::make_policy("default").value()) {}
  bool get(const std::string& key) {
    const auto object = tier_.try_find(key, now_, cache::Count::yes);
    return object && *object->size() == value_size;
  }
  void put(const std::string& key) {
    cache::Removals removed;
    cache::Details details;
    details.key = key;
    details.generation = ++generation_;
    details.created = now_;
    details.expires = now_ + 1h;
    (void)tier_.put(std::move(details), Buffer::wrap(nullptr, value_), removed);
  }

 private:
  const std::string value_ = std::string(value_size, 'x');
  const WallTime now_ = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
  std::atomic<std::uint64_t> generation_{0};
  cache::MemoryTier tier_;
};

class OurCache {
 public:
  OurCache() : cache_({.memory_limit = {room * (value_size + beside_value)}}) {}
  bool get(const std::string& key) {
    const auto object = cache_.try_get(key);
    return object && *object->size() == value_size;
  }
  void put(const std::string& key) { (void)cache_.set(key, value_); }

 private:
  const std::string value_ = std::string(value_size, 'x');
  Cache cache_;
};

enum class Misses : std::uint8_t { stay, read_through };

struct Rate {
  double asked = 0;  ///< a second, of all threads
  double hits = 0;   ///< their part
};

Rate measure(Store& store, unsigned threads, const std::vector<std::string>& keys,
             const std::vector<std::vector<std::uint32_t>>& orders, Misses misses, std::chrono::duration<double> time) {
  std::atomic<std::uint64_t> asked{0};
  std::atomic<std::uint64_t> found{0};
  std::atomic<bool> go{false};
  std::atomic<bool> stop{false};
  std::vector<std::jthread> running;
  for (unsigned t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      const auto& order = orders[t % orders.size()];
      std::uint64_t count = 0;
      std::uint64_t hits = 0;
      go.wait(false);
      for (std::size_t at = 0; !stop.load(std::memory_order_relaxed); ++count) {
        const auto& key = keys[order[at]];
        if (++at == order.size()) at = 0;
        if (store.get(key))
          ++hits;
        else if (misses == Misses::read_through)
          store.put(key);
      }
      asked += count;
      found += hits;
    });
  }
  const auto from = Clock::now();
  go = true;
  go.notify_all();
  std::this_thread::sleep_for(time);
  stop = true;
  running.clear();
  const std::chrono::duration<double> took = Clock::now() - from;
  return {static_cast<double>(asked) / took.count(), static_cast<double>(found) / static_cast<double>(asked)};
}

}  // namespace

int main(int argc, char** argv) {
  const std::chrono::duration<double> time(argc > 1 ? std::atof(argv[1]) : 0.5);
  std::vector<std::string> keys(key_count);
  for (std::size_t i = 0; i < key_count; ++i) keys[i] = fmt::format("key:{:08}", i);
  const std::vector<std::vector<std::uint32_t>> orders{zipf(2'000'000, 1), zipf(2'000'000, 2)};
  const std::vector<std::vector<std::uint32_t>> hot{{orders[0][0]}};

  OurTier tier;
  OurCache cache;
  LockedLru locked;
  NeverEvicts everything;
  std::vector<Store> stores{
      {"hotwell tier", [&](const auto& key) { return tier.get(key); }, [&](const auto& key) { tier.put(key); }},
      {"hotwell try_get", [&](const auto& key) { return cache.get(key); }, [&](const auto& key) { cache.put(key); }},
      {"locked list over TBB", [&](const auto& key) { return locked.get(key); },
       [&](const auto& key) { locked.put(key); }},
      {"TBB, never evicts", [&](const auto& key) { return everything.get(key); },
       [&](const auto& key) { everything.put(key); }}};
  // All start warm: what is hot is there.
  for (auto& store : stores)
    for (const auto at : orders[0])
      if (!store.get(keys[at])) store.put(keys[at]);

  struct Case {
    const char* name;
    unsigned threads;
    const std::vector<std::vector<std::uint32_t>>* orders;
    Misses misses;
  };
  const Case cases[] = {{"get", 1, &orders, Misses::stay},
                        {"get", 2, &orders, Misses::stay},
                        {"get, one hot key", 1, &hot, Misses::stay},
                        {"get, one hot key", 2, &hot, Misses::stay},
                        {"read through", 1, &orders, Misses::read_through},
                        {"read through", 2, &orders, Misses::read_through}};
  for (std::string line; std::getline(std::cin, line);) {
    std::string json;
    for (const auto& one : cases)
      for (auto& store : stores) {
        store.put(keys[hot[0][0]]);
        const auto rate = measure(store, one.threads, keys, *one.orders, one.misses, time);
        json += fmt::format(R"({}{{"case":"{}","threads":{},"store":"{}","per_second":{:.0f},"hit_ratio":{:.4f}}})",
                            json.empty() ? "" : ",", one.name, one.threads, store.name, rate.asked, rate.hits);
      }
    std::puts(fmt::format("[{}]", json).c_str());
    std::fflush(stdout);
  }
}

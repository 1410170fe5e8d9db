#include "cache/tally.hpp"

#include "base/digest.hpp"

namespace hotwell::cache {

void TypeTally::set(std::string_view type, std::uint64_t bytes) {
  auto& counters = of(type).counters;
  counters.add(sets, 1);
  counters.add(stored, bytes);
}

void TypeTally::hit(std::string_view type, std::uint64_t bytes) {
  auto& counters = of(type).counters;
  counters.add(hits, 1);
  counters.add(served, bytes);
}

void TypeTally::miss(std::string_view type) { of(type).counters.add(misses, 1); }

TypeTally::Of& TypeTally::of(std::string_view type) {
  // Never more than half full: a place that is free ends the search.
  for (auto place = base::xxh3_64(type) % table_.size();; place = (place + 1) % table_.size()) {
    Of* here = table_[place].load(std::memory_order_acquire);
    if (here == nullptr) {
      const std::lock_guard lock(mutex_);
      here = table_[place].load(std::memory_order_relaxed);
      if (here == nullptr) {
        if (all_.size() == most) return others_;
        here = all_.emplace_back(std::make_unique<Of>(type)).get();
        table_[place].store(here, std::memory_order_release);
        return *here;
      }
    }
    if (here->name == type) return *here;
  }
}

std::map<std::string, CacheStats::Type> TypeTally::read() const {
  std::map<std::string, CacheStats::Type> types;
  const auto add = [&](const Of& one) {
    const auto sums = one.counters.sums();
    types[one.name] = {sums[sets], {sums[stored]}, sums[hits], sums[misses], {sums[served]}};
  };
  const std::lock_guard lock(mutex_);
  for (const auto& one : all_) add(*one);
  if (all_.size() == most) add(others_);
  return types;
}

void Tally::read(CacheStats& into) const {
  const auto sums = counters_.sums();
  const auto served_by = [&](Level level) { return Bytes{sums[served + static_cast<std::size_t>(level)]}; };
  auto& total = into.total;
  total.hits = sums[hits];
  total.misses = sums[misses];
  const auto asked = total.hits + total.misses;
  total.hit_rate = asked == 0 ? 0 : static_cast<double>(total.hits) / static_cast<double>(asked);
  into.memory.served = served_by(Level::memory);
  into.disk.served = served_by(Level::disk);
  into.stream.served = served_by(Level::stream);
  total.served = into.memory.served + into.disk.served + into.stream.served;
  into.types = types_.read();
}

}  // namespace hotwell::cache

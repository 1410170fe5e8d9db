#include "cache/tier.hpp"

namespace hotwell::cache {

std::string_view to_string(Cause cause) noexcept {
  switch (cause) {
    case Cause::capacity: return "capacity";
    case Cause::expired: return "expired";
    case Cause::replaced: return "replaced";
    case Cause::erased: return "erased";
    case Cause::damaged: return "damaged";
  }
  return "capacity";
}

void LookupCounters::read(CacheStats::Tier& into) const noexcept {
  into.hits = into.misses = 0;
  for (const auto& counts : counts_) {
    into.hits += counts.hits.load(std::memory_order_relaxed);
    into.misses += counts.misses.load(std::memory_order_relaxed);
  }
  const auto asked = into.hits + into.misses;
  into.hit_rate = asked == 0 ? 0 : static_cast<double>(into.hits) / static_cast<double>(asked);
}

unsigned thread_number() noexcept {
  static constinit std::atomic<unsigned> threads{0};
  static constinit thread_local unsigned number = 0;  // 0: not numbered yet
  if (number == 0) number = threads.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

}  // namespace hotwell::cache

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
  const auto sums = counters_.sums();
  into.hits = sums[hits];
  into.misses = sums[misses];
  const auto asked = into.hits + into.misses;
  into.hit_rate = asked == 0 ? 0 : static_cast<double>(into.hits) / static_cast<double>(asked);
}

}  // namespace hotwell::cache

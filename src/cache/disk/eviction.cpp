#include "cache/disk/eviction.hpp"

#include <algorithm>

namespace hotwell::cache {
namespace {

constexpr std::uint64_t mostly_dead = 4;  // under one in so many lives

double worth(const RegionFigures& region, std::uint64_t newest_id) {
  const auto age = static_cast<double>(newest_id - region.id + 1);
  return static_cast<double>(region.hits + 1) / (age * static_cast<double>(region.live_bytes));
}

}  // namespace

std::optional<std::size_t> choose_victim(std::span<const RegionFigures> regions, std::uint64_t newest_id,
                                         WallTime now) {
  if (regions.empty()) return std::nullopt;
  const auto position = [&](auto at) { return static_cast<std::size_t>(at - regions.begin()); };
  const auto expired = std::find_if(regions.begin(), regions.end(), [&](const RegionFigures& region) {
    return region.live_bytes == 0 || region.latest_expiry <= now;
  });
  if (expired != regions.end()) return position(expired);

  const auto emptiest =
      std::min_element(regions.begin(), regions.end(),
                       [](const RegionFigures& a, const RegionFigures& b) { return a.live_bytes < b.live_bytes; });
  if (emptiest->live_bytes * mostly_dead < emptiest->stored_bytes) return position(emptiest);

  return position(std::min_element(regions.begin(), regions.end(), [&](const RegionFigures& a, const RegionFigures& b) {
    return worth(a, newest_id) < worth(b, newest_id);
  }));
}

}  // namespace hotwell::cache

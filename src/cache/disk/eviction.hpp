/// Which region goes next: figures in, a choice out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <hotwell/units.hpp>

namespace hotwell::cache {

/// What is known of a sealed region.
struct RegionFigures {
  std::uint64_t id = 0;
  std::uint64_t live_bytes = 0;
  std::uint64_t stored_bytes = 0;  ///< that were ever put into it
  std::uint64_t hits = 0;          ///< decayed
  WallTime latest_expiry{};        ///< no entry lives longer
};

/// The position of the region to evict: one whose entries have all expired, else the one with the least that lives
/// where that is under a quarter, else the lowest (hits + 1) / (age x live bytes). Age counts in regions written
/// since, so a clock that jumps decides nothing. None of no regions.
[[nodiscard]] std::optional<std::size_t> choose_victim(std::span<const RegionFigures> regions, std::uint64_t newest_id,
                                                       WallTime now);

}  // namespace hotwell::cache

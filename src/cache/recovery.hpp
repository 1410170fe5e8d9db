/// What a tier found on disk when it was opened.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hotwell::cache {

struct Recovery {
  std::uint64_t objects = 0;     ///< found whole
  std::uint64_t damaged = 0;     ///< dropped: their files were cut short or their descriptions altered
  std::uint64_t left_overs = 0;  ///< files removed that belonged to no object
  std::uint64_t last_generation = 0;

  friend Recovery operator+(const Recovery& a, const Recovery& b) {
    return {a.objects + b.objects, a.damaged + b.damaged, a.left_overs + b.left_overs,
            std::max(a.last_generation, b.last_generation)};
  }
};

}  // namespace hotwell::cache

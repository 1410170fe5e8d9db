#include "cache/memory/readers.hpp"

#include <thread>

namespace hotwell::cache {

bool Readers::passed() noexcept {
  // A section takes less than a microsecond, unless its thread was stopped in it: then the machine is busy, and giving
  // way helps.
  constexpr unsigned looks = 200;
  constexpr unsigned yields = 100;
  if (!host::heavy_barrier()) return false;
  for (unsigned i = 0; i < ThreadPlace::used(); ++i) {
    const auto& sections = places_.at(i).sections;
    const auto seen = sections.load(std::memory_order_acquire);
    if (seen % 2 == 0) continue;
    for (unsigned look = 0; sections.load(std::memory_order_acquire) == seen; ++look) {
      if (look < looks) continue;
      if (look == looks + yields) return false;
      std::this_thread::yield();
    }
  }
  return true;
}

}  // namespace hotwell::cache

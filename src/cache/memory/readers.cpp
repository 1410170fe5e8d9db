#include "cache/memory/readers.hpp"

#include <array>
#include <thread>

namespace hotwell::cache {
namespace {

constinit std::array<Readers::Place, Readers::most> places{};
constinit std::atomic<unsigned> places_used{0};

/// Trivial, so that it can still be read while the thread's other variables are destroyed.
constinit thread_local Readers::Place* own_place = nullptr;

Readers::Place* take_place() noexcept {
  for (unsigned i = 0; i < places.size(); ++i) {
    auto& place = places[i];
    if (place.taken.load(std::memory_order_relaxed) || place.taken.exchange(true, std::memory_order_acquire)) continue;
    place.number = i;
    auto used = places_used.load();
    while (used <= i && !places_used.compare_exchange_weak(used, i + 1)) {
    }
    return &place;
  }
  return nullptr;
}

struct Lease {
  Lease() noexcept { own_place = take_place(); }
  ~Lease() {
    if (own_place != nullptr) own_place->taken.store(false, std::memory_order_release);
    own_place = nullptr;
  }
};

}  // namespace

Readers::Place* Readers::mine() noexcept {
  static thread_local const Lease lease;
  (void)lease;
  return own_place;
}

unsigned Readers::used() noexcept { return places_used.load(); }

bool Readers::passed() noexcept {
  // A section takes less than a microsecond, unless its thread was stopped in it: then the machine is busy, and giving
  // way helps.
  constexpr unsigned looks = 200;
  constexpr unsigned yields = 100;
  for (unsigned i = 0; i < used(); ++i) {
    const auto seen = places[i].sections.load(std::memory_order_seq_cst);
    if (seen % 2 == 0) continue;
    for (unsigned look = 0; places[i].sections.load(std::memory_order_acquire) == seen; ++look) {
      if (look < looks) continue;
      if (look == looks + yields) return false;
      std::this_thread::yield();
    }
  }
  return true;
}

}  // namespace hotwell::cache

/// Who reads shared memory without a lock just now: what writers wait for before they free what they took out.
///
/// Each thread's place has a number that is odd while it reads. A writer that has unlinked something looks at every
/// place: where it sees an even number, that thread will not find the thing any more; where it sees an odd one, it
/// waits until the number changes. A reader writes to its own place alone, so readers never wait and never share a
/// line, and the barrier that orders both is the writer's (host/barrier.hpp): a locked instruction for each look-up
/// would keep a processor from waiting for the memory of several look-ups at once. Source: quiescence as in McKenney's
/// RCU, in user space as Desnoyers et al., "User-Level Implementations of Read-Copy Update", 2012, describe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "cache/thread_place.hpp"
#include "host/barrier.hpp"

namespace hotwell::cache {

class Readers {
 public:
  class Section {
   public:
    /// Precondition: the calling thread's place, not ThreadPlace::none.
    explicit Section(unsigned place) noexcept
        : sections_(places_[place].sections), began_(sections_.load(std::memory_order_relaxed)) {
      sections_.store(began_ + 1, std::memory_order_relaxed);
      host::light_barrier();
    }
    ~Section() { sections_.store(began_ + 2, std::memory_order_release); }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

   private:
    std::atomic<std::uint64_t>& sections_;
    const std::uint64_t began_;
  };

  /// Waits until every section has ended that was open at the call; false where one takes long, since its thread does
  /// not run, or the kernel refuses the barrier. What the caller unlinked before is found by nobody after.
  [[nodiscard]] static bool passed() noexcept;

 private:
  struct alignas(64) Place {
    std::atomic<std::uint64_t> sections;
  };
  static inline constinit std::array<Place, ThreadPlace::most> places_{};
};

}  // namespace hotwell::cache

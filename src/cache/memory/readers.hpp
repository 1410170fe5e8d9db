/// Who reads shared memory without a lock just now: what writers wait for before they free what they took out.
///
/// Each thread has a place with a number that is odd while it reads. A writer that has unlinked something looks at
/// every place: where it sees an even number, that thread will not find the thing any more; where it sees an odd one,
/// it waits until the number changes. A reader writes to its own place alone, so readers never wait and never share a
/// line. Invariant: what readers look for is published and unlinked by sequentially consistent operations. Source:
/// quiescence as in McKenney's RCU, in user space as Desnoyers et al., "User-Level Implementations of Read-Copy
/// Update", 2012, describe.
#pragma once

#include <atomic>
#include <cstdint>

namespace hotwell::cache {

class Readers {
 public:
  static constexpr unsigned most = 128;  ///< threads that can read at once; others have to take the lock

  struct alignas(64) Place {
    std::atomic<std::uint64_t> sections{0};
    std::atomic<bool> taken{false};
    unsigned number = 0;
  };

  /// The calling thread's, kept until the thread ends; null where none is left.
  [[nodiscard]] static Place* mine() noexcept;
  /// Places from this number on were never taken.
  [[nodiscard]] static unsigned used() noexcept;

  class Section {
   public:
    explicit Section(Place& place) noexcept : place_(place), began_(place.sections.load(std::memory_order_relaxed)) {
      place_.sections.store(began_ + 1, std::memory_order_seq_cst);
    }
    ~Section() { place_.sections.store(began_ + 2, std::memory_order_release); }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

   private:
    Place& place_;
    const std::uint64_t began_;
  };

  /// Waits until every section has ended that was open at the call; false where one takes long, since its thread does
  /// not run.
  [[nodiscard]] static bool passed() noexcept;
};

}  // namespace hotwell::cache

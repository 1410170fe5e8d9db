/// How readers keep what they found: in slots of their own thread, so that threads that read one hot key share nothing.
///
/// A slot names an entry that one reader holds. A slot may be emptied from any thread; only its own thread fills it,
/// inside a section of Readers. Where a thread has no slot left, and for copies, the entry itself counts (Entry::hold).
/// Invariant: an entry that was taken out, whose readers have passed and whose slots were turned into counts by
/// count_slots(), is in no slot uncounted any more and never again: it lives as long as its count says.
/// Source: the slots are hazard pointers (Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects",
/// 2004), filled under the protection of quiescence instead of being read again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "cache/memory/entry.hpp"
#include "cache/thread_place.hpp"

namespace hotwell::cache {

class Holds {
 public:
  /// The entry's bytes, kept by a slot of the calling thread. Precondition: within a section of its place.
  [[nodiscard]] static Buffer in_slot(unsigned place, Entry& entry) noexcept;
  /// Kept by the entry's count. Precondition: it lives: the caller has a section, the tier's lock or a hold.
  [[nodiscard]] static Buffer counted(Entry& entry) noexcept;

  /// Entries in slots just now, of whatever tier; advice alone.
  static void list(std::vector<const Entry*>& into);
  /// See the invariant. Precondition: they were taken out, and their readers have passed.
  static void count_slots(std::span<Entry* const> entries) noexcept;

 private:
  class Counts;
  static constexpr unsigned slots_a_thread = 16;
  using Slot = std::atomic<std::uintptr_t>;  ///< an entry's address, odd once it is counted; 0: free
  struct alignas(64) Place {
    std::array<Slot, slots_a_thread> slots;
  };
  static inline constinit std::array<Place, ThreadPlace::most> places_{};
};

}  // namespace hotwell::cache

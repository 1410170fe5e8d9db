/// How readers keep what they found: in slots of their own thread, so that threads that read one hot key share nothing.
///
/// A slot names an entry that one reader holds. A slot may be emptied from any thread, by a plain store; only its own
/// thread fills it, inside a section of Readers. Where a thread has no slot left, and for copies, the entry itself
/// counts (Entry::hold). Invariant: once an entry was taken out and its readers have passed, no slot is filled with it
/// any more: in the slots that name it then it is held, and when none does, its count alone says how long it lives.
/// Source: the slots are hazard pointers (Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects",
/// 2004), filled under the protection of quiescence instead of being read again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
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

  /// Entries in slots just now, of whatever tier: addresses, of entries that may be gone already. What the invariant
  /// says of an entry is true of a list that was made after its readers had passed.
  static void list(std::vector<const Entry*>& into);
  /// Lets go of entries whose tier goes: each when no slot names it any more, now or when its holder empties the slot.
  /// Precondition: they were taken out, and their readers have passed.
  static void leave(std::vector<Entry*> entries);

 private:
  class Counts;
  static constexpr unsigned slots_a_thread = 16;
  using Slot = std::atomic<std::uintptr_t>;  ///< an entry's address; 0: free
  struct alignas(64) Place {
    std::array<Slot, slots_a_thread> slots;
  };
  /// Of those that were left: lets go of them that are in no slot now.
  static void let_left_go();

  static inline constinit std::array<Place, ThreadPlace::most> places_{};
  static inline constinit std::atomic<bool> any_left_{false};
};

}  // namespace hotwell::cache

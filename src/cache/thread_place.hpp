/// A place for each thread: a number that no other living thread has, so that what is written there needs no lock and
/// shares no cache line. What a thread leaves at its place, the next one to have it finds there.
#pragma once

namespace hotwell::cache {

class ThreadPlace {
 public:
  static constexpr unsigned most = 128;   ///< threads that can have one at once
  static constexpr unsigned none = most;  ///< what the others have

  /// The calling thread's, from its first call until it ends.
  [[nodiscard]] static unsigned mine() noexcept { return own_ != unasked ? own_ : take(); }
  /// Places from this number on were never taken.
  [[nodiscard]] static unsigned used() noexcept;

 private:
  friend struct ThreadPlaceLease;
  static constexpr unsigned unasked = most + 1;
  static unsigned take() noexcept;
  /// Trivial, so that it can still be read while the thread's other variables are destroyed.
  static inline constinit thread_local unsigned own_ = unasked;
};

}  // namespace hotwell::cache

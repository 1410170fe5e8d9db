/// A lock for sections of a microsecond or less: whoever comes while it is held looks again for about as long before it
/// sleeps, since sleeping and being woken takes longer than the section.
#pragma once

#include <mutex>

namespace hotwell::base {

/// Lockable, as std::mutex. Threads: any.
class SpinningMutex {
 public:
  void lock() {
    for (int look = 0; look < most_looks; ++look) {
      if (mutex_.try_lock()) return;
      pause();
    }
    mutex_.lock();
  }
  [[nodiscard]] bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  static constexpr int most_looks = 50;
  std::mutex mutex_;
};

}  // namespace hotwell::base

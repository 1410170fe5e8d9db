/// A memory barrier whose cost lies on one side alone: where one side passes often and the other seldom, the seldom one
/// makes every thread of this process execute a barrier (membarrier(2)), and the frequent one only keeps the compiler
/// from reordering. Together they order as two full fences do.
///
/// Where the kernel has no membarrier both sides are full fences.
/// Source: Desnoyers et al., "User-Level Implementations of Read-Copy Update", IEEE TPDS 23(2), 2012, section 3.
#pragma once

#include <atomic>

namespace hotwell::host {

/// Whether heavy_barrier() reaches other threads; false until the program's statics are initialised, which is safe.
extern const bool barrier_reaches_threads;

/// Threads: any.
inline void light_barrier() noexcept {
  if (barrier_reaches_threads) [[likely]]
    std::atomic_signal_fence(std::memory_order_seq_cst);
  else
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

/// Costs a system call, which interrupts the processors that run threads of this process. False where the kernel
/// refuses it though it was there at the start (a seccomp filter that came later): then nothing is ordered.
/// Threads: any.
[[nodiscard]] bool heavy_barrier() noexcept;

}  // namespace hotwell::host

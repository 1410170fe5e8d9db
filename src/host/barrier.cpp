#include "host/barrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hotwell::host {
namespace {

bool membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0U, 0) == 0; }

bool enlist() noexcept { return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED); }

}  // namespace

const bool barrier_reaches_threads = enlist();

bool heavy_barrier() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!barrier_reaches_threads) return true;
  // A process that was forked may have to enlist anew.
  return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) || (enlist() && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
}

}  // namespace hotwell::host

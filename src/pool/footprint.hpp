/// What a process and everything below it use: memory for themselves alone, and processor time.
#pragma once

#include <cstdint>
#include <optional>

#include <sys/types.h>

#include <hotwell/units.hpp>

namespace hotwell::pool {

/// Resident bytes that are no file's and no shared mapping's, of `root` and its descendants as they are now; none where
/// `root` is gone. Pages that a fork still shares with its parent count: what matters is how the number grows.
/// Costs two short reads of /proc for each process, at most 64.
[[nodiscard]] std::optional<std::uint64_t> private_memory(pid_t root);

/// Of `root`, its descendants as they are now, and those of them that were waited for; none where `root` is gone.
/// Units: clock ticks of the kernel (10 ms).
[[nodiscard]] std::optional<Duration> processor_time(pid_t root);

}  // namespace hotwell::pool

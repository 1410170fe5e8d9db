/// What a process and everything below it have of memory for themselves alone.
#pragma once

#include <cstdint>
#include <optional>

#include <sys/types.h>

namespace hotwell::pool {

/// Resident bytes that are no file's and no shared mapping's, of `root` and its descendants as they are now; none where
/// `root` is gone. Pages that a fork still shares with its parent count: what matters is how the number grows.
/// Costs two short reads of /proc for each process, at most 64.
[[nodiscard]] std::optional<std::uint64_t> private_memory(pid_t root);

}  // namespace hotwell::pool

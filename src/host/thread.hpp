/// Threads of a library inside somebody else's program.
#pragma once

#include <functional>
#include <thread>

namespace hotwell::host {

/// Starts a thread that takes no signals, which are the host program's. `name` is shown by ps and top: at most 15
/// bytes.
[[nodiscard]] std::thread quiet_thread(const char* name, std::function<void()> run);

}  // namespace hotwell::host

/// The worker's loop over a given socket, for worker::serve and for tests without a process.
#pragma once

#include <hotwell/worker.hpp>

namespace hotwell::worker {

/// As serve(), on `socket` (a blocking SOCK_SEQPACKET). Ends when the other side says bye, hangs up or talks nonsense.
[[nodiscard]] int serve_on(FileHandle socket, const std::map<std::string, Handler, std::less<>>& handlers);

}  // namespace hotwell::worker

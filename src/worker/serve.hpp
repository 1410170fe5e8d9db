/// The worker's loop over a given socket, for worker::serve and for tests without a process.
#pragma once

#include <optional>

#include <hotwell/worker.hpp>

namespace hotwell::worker {

/// A second socket, on which the engine looks when it is woken by the first: answers that need wake nobody by
/// themselves, since more jobs are there and theirs will. Made before the process confines itself.
struct Aside {
  FileHandle ours;
  FileHandle theirs;
};
[[nodiscard]] std::optional<Aside> make_aside();

/// As serve(), on `socket` (a blocking SOCK_SEQPACKET). Ends when the other side says bye, hangs up or talks nonsense.
[[nodiscard]] int serve_on(FileHandle socket, const std::map<std::string, Handler, std::less<>>& handlers,
                           std::optional<Aside> aside = std::nullopt);

}  // namespace hotwell::worker

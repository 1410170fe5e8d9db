/// Ctrl-C for commands that have something to give back before they end: a job to cancel, a half-written file.
#pragma once

namespace hotwell::cli {

/// From here on SIGINT and SIGTERM are only noted; a second one ends the program at once.
void note_interrupts();
/// Whether one has come. Threads: any.
[[nodiscard]] bool interrupted();

}  // namespace hotwell::cli

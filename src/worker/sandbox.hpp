/// Takes from a worker what it does not need once it serves jobs: it computes on the descriptors that it was handed, so
/// it may open no file, reach no network, start no program and no process, and its memory, processor time, descriptors
/// and files are bounded.
///
/// Invariants: what is refused fails with an error (EPERM) rather than ending the process, since libraries ask for more
/// than they need; nothing that was taken comes back (no_new_privs, no capabilities, hard limits). A confined process
/// may still ask whether a path exists.
/// Source: seccomp(2), landlock(7).
#pragma once

#include <hotwell/worker.hpp>

namespace hotwell::worker {

/// Confines this process for the rest of its life. Call it before it starts threads.
/// Errors: unavailable where the kernel has no seccomp filters; what was done until then stays. Landlock is used where
/// the kernel has it: the filter alone refuses the same.
Result<void> confine(const Sandbox& sandbox);

}  // namespace hotwell::worker

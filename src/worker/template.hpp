/// A template: a worker program that has loaded and prepared itself, and then only forks workers for the spawner. Its
/// socket is at wire::template_descriptor, and nothing is at the worker's.
///
/// Invariants: each worker has a warden and a PID namespace of its own, made by the template but the spawner's child,
/// so that a template's end is no worker's. A worker keeps nothing of the template but its memory: no descriptor, no
/// capability that an exec'ed program would not have.
#pragma once

namespace hotwell::worker {

/// Whether the spawner started this process to be one.
[[nodiscard]] bool is_template();
/// Forks a worker for every request, and returns true in each of them, with its descriptors in place; false when the
/// spawner is gone: then it is time to end.
[[nodiscard]] bool fork_workers();

}  // namespace hotwell::worker

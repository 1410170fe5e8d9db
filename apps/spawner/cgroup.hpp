/// A control group (version 2) of the spawner's own, below which each worker has one: cgroup.kill ends what is in it at
/// one stroke, also what forks faster than a scan can follow. For machines that refuse PID namespaces. Source: the
/// kernel's cgroup-v2.rst.
#pragma once

#include <string>

namespace hotwell::spawner {

/// Makes it, and tries it. Its folder; empty where the hierarchy is not ours to write, or its kernel has no
/// cgroup.kill.
[[nodiscard]] std::string make_cgroup();
/// Once no process is left in it.
void remove_cgroup(const std::string& folder);

}  // namespace hotwell::spawner

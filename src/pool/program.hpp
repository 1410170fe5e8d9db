/// What every worker process has, whatever its kind: its environment, its standard error's tail, and words for how it
/// ended.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <hotwell/pool.hpp>

#include "pool/plan.hpp"
#include "pool/spawner.hpp"

namespace hotwell::pool {

/// PATH, LANG, HOME and TMPDIR of this process, and the type's own.
[[nodiscard]] std::vector<std::string> worker_environment(const std::map<std::string, std::string>& own);

/// A lines worker is a frames worker by a helper that starts its program: puts the helper before the argv of such a
/// type. It is looked for beside the spawner first. Errors: unavailable where it is not there.
[[nodiscard]] Result<void> complete_lines(WorkerSpec& spec, const std::string& spawner);

/// What the spawner sets before a program starts.
[[nodiscard]] std::vector<wire::ResourceLimit> limits_of(const WorkerSpec& spec);

/// The end of a worker that was not expected to end: crashed, unless there is no such program or the spawner went
/// first.
[[nodiscard]] WorkerGone describe_end(WorkerId worker, const WorkerSpec& spec, const Spawner::Exit& exit);

}  // namespace hotwell::pool

/// Start: from a configuration to the parts of an engine, in the order that the design gives them.
#pragma once

#include <memory>

#include <hotwell/cache.hpp>
#include <hotwell/config.hpp>
#include <hotwell/pool.hpp>
#include "engine/data_dir.hpp"
#include "engine/job_log.hpp"
#include "engine/requests.hpp"

namespace hotwell::engine {

struct Parts {
  DataDir data_dir;
  InputOpener inputs;
  Operations operations;
  std::unique_ptr<WorkerPool> pool;
  std::unique_ptr<Cache> cache;
  std::unique_ptr<JobLog> log;  ///< none where the configuration wants none
};

/// Locks the data directory, starts the spawner, opens cache and journal. Fills in what the configuration left to the
/// engine. Errors: as Engine::open.
[[nodiscard]] Result<Parts> start_parts(Config& config, const host::Clock& clock);

}  // namespace hotwell::engine

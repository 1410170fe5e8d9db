/// Where the monitor learns what cache and pool count.
#pragma once

#include <hotwell/cache.hpp>
#include <hotwell/monitor.hpp>
#include <hotwell/pool.hpp>

namespace hotwell::engine {

/// Both parts must outlive the monitor's last metrics().
void add_sources(Monitor& monitor, Cache& cache, WorkerPool& pool);

}  // namespace hotwell::engine

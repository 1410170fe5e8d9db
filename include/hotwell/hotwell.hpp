/// All of Hotwell: the pool, the cache, the monitor, and the engine that wires them.
#pragma once

#include <hotwell/cache.hpp>
#include <hotwell/config.hpp>
#include <hotwell/engine.hpp>
#include <hotwell/monitor.hpp>
#include <hotwell/pool.hpp>

/// Ids that sort by time and never repeat, across threads and restarts of one machine's clock.
#pragma once

#include <string>

#include <hotwell/units.hpp>

namespace hotwell::base {

/// 13 lower-case Crockford base 32 digits of (milliseconds since 1970 << 20 | sequence). Strictly increasing within a
/// process even when the clock steps back. Threads: any.
[[nodiscard]] std::string next_id(WallTime now);

}  // namespace hotwell::base

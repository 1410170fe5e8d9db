/// Logging to standard error: one line an event, with time, level and the part that speaks.
#pragma once

#include <spdlog/logger.h>

#include <hotwell/result.hpp>

namespace hotwell::base {

/// The process's logger. Threads: any. Safe before set_log_level; warnings and errors are shown by default.
[[nodiscard]] spdlog::logger& log();
/// "trace", "debug", "info", "warn", "error", "off". Errors: invalid_argument.
Result<void> set_log_level(std::string_view level);

}  // namespace hotwell::base

#include "base/log.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace hotwell::base {

spdlog::logger& log() {
  static const auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("hotwell", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::warn);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

Result<void> set_log_level(std::string_view level) {
  for (const auto known : {"trace", "debug", "info", "warn", "error", "off"}) {
    if (level != known) continue;
    log().set_level(spdlog::level::from_str(std::string(level)));
    return {};
  }
  return fail(Code::invalid_argument,
              fmt::format("expected a log level (trace, debug, info, warn, error or off), got \"{}\"", level));
}

}  // namespace hotwell::base

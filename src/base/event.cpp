#include <hotwell/event.hpp>

#include <fmt/format.h>

namespace hotwell {

std::uint64_t detail::next_channel_number() noexcept {
  static std::atomic<std::uint64_t> numbers{0};
  return numbers.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::string_view to_string(Level level) noexcept {
  switch (level) {
    case Level::memory: return "memory";
    case Level::disk: return "disk";
    case Level::stream: return "stream";
    case Level::remote: return "remote";
  }
  return "memory";
}

std::string_view to_string(Priority priority) noexcept {
  switch (priority) {
    case Priority::high: return "high";
    case Priority::normal: return "normal";
    case Priority::low: return "low";
  }
  return "normal";
}

Result<Priority> parse_priority(std::string_view text) {
  for (const auto priority : {Priority::high, Priority::normal, Priority::low})
    if (text == to_string(priority)) return priority;
  return fail(Code::invalid_argument, fmt::format("expected a priority (high, normal or low), got \"{}\"", text));
}

std::string_view to_string(Severity severity) noexcept {
  switch (severity) {
    case Severity::info: return "info";
    case Severity::warning: return "warning";
    case Severity::critical: return "critical";
  }
  return "info";
}

}  // namespace hotwell

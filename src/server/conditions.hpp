/// Conditional requests by entity tag (RFC 9110, section 13). Pure. Dates are not compared: an object's strong tag
/// says more, so If-Modified-Since is ignored, and an If-Range with a date never holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hotwell::server {

/// The conditions of one request; absent headers are empty views.
struct Conditions {
  std::string_view if_match;
  std::string_view if_none_match;
  std::string_view if_range;
};

enum class Verdict : std::uint8_t { proceed, not_modified, precondition_failed };

/// `etag` with its quotes; empty where there is no object. `reading` is GET or HEAD.
enum class Access : std::uint8_t { reading, writing };
[[nodiscard]] Verdict judge(const Conditions& conditions, std::string_view etag, Access access);
/// Whether a Range header is to be honoured.
[[nodiscard]] bool range_applies(const Conditions& conditions, std::string_view etag);

}  // namespace hotwell::server

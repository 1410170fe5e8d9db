/// The request target: path, query and percent-encoding. Pure.
/// The path is never normalised: ".." reaches whoever opens files, who refuses it (host's openat2), and a "%2F" inside
/// a segment stays part of that segment.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/result.hpp>

namespace hotwell::server {

struct QueryItem {
  std::string name;
  std::string value;
};

struct Target {
  std::string_view authority;  ///< of the absolute form ("GET http://host/path"), else empty
  std::string_view path;       ///< as it was sent, still encoded; begins with "/"
  std::vector<QueryItem> query;

  [[nodiscard]] const std::string* find(std::string_view name) const;
};

/// Views into `text`. Errors: invalid_argument.
[[nodiscard]] Result<Target> parse_target(std::string_view text);
/// Errors: invalid_argument: a "%" without two hexadecimal digits, or a byte of zero.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);
/// Everything but unreserved characters and "/" encoded.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace hotwell::server

/// Which keys there are, and who may write them.
#pragma once

#include <string_view>

#include <fmt/format.h>
#include <hotwell/result.hpp>

namespace hotwell {

/// Keys that begin so are results of jobs: only the engine writes them.
inline constexpr std::string_view result_key_prefix = "result:";

namespace cache {

inline constexpr std::size_t longest_key = 4096;

[[nodiscard]] inline Result<void> check_key(std::string_view key) {
  if (key.empty()) return fail(Code::invalid_argument, "a cache key must not be empty");
  if (key.size() > longest_key)
    return fail(Code::invalid_argument,
                fmt::format("a cache key may be {} bytes long, this one is {}", longest_key, key.size()));
  return {};
}

/// Of the keys that users may write.
[[nodiscard]] inline Result<void> check_user_key(std::string_view key) {
  if (key.starts_with(result_key_prefix))
    return fail(Code::invalid_argument,
                fmt::format("keys that begin with \"{}\" are kept for results of jobs", result_key_prefix));
  return check_key(key);
}

}  // namespace cache
}  // namespace hotwell

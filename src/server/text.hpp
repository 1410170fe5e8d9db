/// The few rules of header values that several parsers here share: optional white space, lists, letter case. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hotwell::server {

/// Without the spaces and tabs at both ends.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] std::string to_lower(std::string_view text);
/// The trimmed, non-empty elements of a comma-separated list; commas inside quotes do not separate.
[[nodiscard]] std::vector<std::string_view> split_list(std::string_view text);
/// A token of RFC 9110: what a header may be called.
[[nodiscard]] bool is_token(std::string_view text) noexcept;

}  // namespace hotwell::server

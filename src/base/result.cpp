#include <hotwell/result.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace hotwell {
namespace {

// The design's table of codes. Rows stand in the order of the enum.
constexpr std::array<CodeInfo, code_count> table{{
    {Code::invalid_argument, "invalid_argument", Retry::never, 400, 2},
    {Code::not_found, "not_found", Retry::never, 404, 1},
    {Code::outside_root, "outside_root", Retry::never, 403, 1},
    {Code::too_large, "too_large", Retry::never, 413, 1},
    {Code::unsupported_media, "unsupported_media", Retry::never, 422, 1},
    {Code::corrupt_input, "corrupt_input", Retry::never, 422, 1},
    {Code::failed, "failed", Retry::never, 422, 1},
    {Code::input_changed, "input_changed", Retry::yes, 409, 1},
    {Code::io, "io", Retry::yes, 500, 1},
    {Code::unavailable, "unavailable", Retry::yes, 502, 1},
    {Code::timeout, "timeout", Retry::yes, 504, 1},
    {Code::no_progress, "no_progress", Retry::yes, 504, 1},
    {Code::crashed, "crashed", Retry::up_to_max_crashes, 500, 1},
    {Code::out_of_memory, "out_of_memory", Retry::once_alone, 507, 1},
    {Code::disk_full, "disk_full", Retry::yes, 507, 1},
    {Code::overloaded, "overloaded", Retry::by_caller, 429, 4},
    {Code::draining, "draining", Retry::by_caller, 503, 4},
    {Code::cancelled, "cancelled", Retry::never, 409, 1},
    {Code::result_gone, "result_gone", Retry::never, 410, 1},
    {Code::denied, "denied", Retry::never, 403, 1},
    {Code::internal, "internal", Retry::never, 500, 1},
}};

constexpr bool rows_match_enum() {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (static_cast<std::size_t>(table[i].code) != i) return false;
  return true;
}
static_assert(rows_match_enum());

}  // namespace

const CodeInfo& info(Code code) noexcept { return table[static_cast<std::size_t>(code)]; }

std::optional<Code> parse_code(std::string_view name) noexcept {
  const auto row = std::ranges::find(table, name, &CodeInfo::name);
  if (row == table.end()) return std::nullopt;
  return row->code;
}

std::string to_string(const Error& error) {
  std::string text = std::string(to_string(error.code)) + ": " + error.message;
  if (error.cause) text += " (cause: " + to_string(*error.cause) + ")";
  return text;
}

Error system_error(int error_number, std::string_view what) {
  const Code code = [error_number] {
    switch (error_number) {
      case ENOENT: return Code::not_found;
      case ENOSPC:
      case EDQUOT: return Code::disk_full;
      case EACCES:
      case EPERM:
      case EROFS: return Code::denied;
      case ENOMEM: return Code::out_of_memory;
      default: return Code::io;
    }
  }();
  return {code, std::string(what) + ": " + std::generic_category().message(error_number), nullptr};
}

}  // namespace hotwell

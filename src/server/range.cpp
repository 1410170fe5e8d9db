#include "server/range.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "server/text.hpp"

namespace hotwell::server {
namespace {

constexpr std::size_t max_parts = 32;

// Digits alone. A number that does not fit is beyond every representation: the largest will do.
std::optional<std::uint64_t> parse_position(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
  return value;
}

std::optional<RangeSpec> parse_spec(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto before = text.substr(0, dash);
  const auto after = text.substr(dash + 1);
  RangeSpec spec;
  if (!before.empty()) {
    spec.first = parse_position(before);
    if (!spec.first) return std::nullopt;
  }
  if (!after.empty()) {
    spec.last = parse_position(after);
    if (!spec.last) return std::nullopt;
  }
  if (!spec.first && !spec.last) return std::nullopt;
  if (spec.first && spec.last && *spec.last < *spec.first) return std::nullopt;
  return spec;
}

std::optional<ByteRange> resolve(const RangeSpec& spec, std::uint64_t size) {
  if (!spec.first) {
    const auto length = std::min(*spec.last, size);
    if (length == 0) return std::nullopt;
    return ByteRange{size - length, length};
  }
  if (*spec.first >= size) return std::nullopt;
  const auto last = std::min(spec.last.value_or(size - 1), size - 1);
  return ByteRange{*spec.first, last - *spec.first + 1};
}

}  // namespace

std::optional<std::vector<RangeSpec>> parse_range(std::string_view header) {
  const auto equals = header.find('=');
  if (equals == std::string_view::npos || !equals_ignoring_case(trim(header.substr(0, equals)), "bytes"))
    return std::nullopt;
  std::vector<RangeSpec> specs;
  for (const auto element : split_list(header.substr(equals + 1))) {
    const auto spec = parse_spec(element);
    if (!spec) return std::nullopt;
    specs.push_back(*spec);
  }
  if (specs.empty()) return std::nullopt;
  return specs;
}

RangeAnswer resolve_range(const std::vector<RangeSpec>& specs, std::uint64_t size) {
  // Of nothing, the last bytes are all there is, and no Content-Range can say so.
  if (size == 0 && std::ranges::any_of(specs, [](const RangeSpec& spec) { return !spec.first && *spec.last > 0; }))
    return {};
  RangeAnswer answer;
  std::uint64_t total = 0;
  for (const auto& spec : specs) {
    const auto range = resolve(spec, size);
    if (!range) continue;
    if (answer.ranges.size() == max_parts || range->length > size - total) return {};
    total += range->length;
    answer.ranges.push_back(*range);
  }
  answer.kind = answer.ranges.empty() ? RangeAnswer::Kind::unsatisfiable : RangeAnswer::Kind::parts;
  return answer;
}

std::string content_range(ByteRange range, std::optional<std::uint64_t> size) {
  const auto last = range.offset + range.length - 1;
  return size ? fmt::format("bytes {}-{}/{}", range.offset, last, *size)
              : fmt::format("bytes {}-{}/*", range.offset, last);
}

}  // namespace hotwell::server

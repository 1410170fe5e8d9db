#include "server/conditions.hpp"

#include <algorithm>

#include "server/text.hpp"

namespace hotwell::server {
namespace {

std::string_view without_weakness(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  return tag;
}

bool lists(std::string_view header, std::string_view etag, bool (*same)(std::string_view, std::string_view)) {
  if (trim(header) == "*") return !etag.empty();
  return std::ranges::any_of(split_list(header), [&](std::string_view tag) { return same(tag, etag); });
}

bool strongly(std::string_view tag, std::string_view etag) { return tag == etag; }
bool weakly(std::string_view tag, std::string_view etag) { return without_weakness(tag) == etag; }

}  // namespace

Verdict judge(const Conditions& conditions, std::string_view etag, Access access) {
  if (!conditions.if_match.empty() && !lists(conditions.if_match, etag, strongly)) return Verdict::precondition_failed;
  if (!conditions.if_none_match.empty() && lists(conditions.if_none_match, etag, weakly))
    return access == Access::reading ? Verdict::not_modified : Verdict::precondition_failed;
  return Verdict::proceed;
}

bool range_applies(const Conditions& conditions, std::string_view etag) {
  return conditions.if_range.empty() || strongly(trim(conditions.if_range), etag);
}

}  // namespace hotwell::server

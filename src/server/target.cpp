#include "server/target.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace hotwell::server {
namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

// Forms write spaces of a query as "+".
Result<std::string> decode_query(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return percent_decode(spaced);
}

Result<std::vector<QueryItem>> parse_query(std::string_view text) {
  std::vector<QueryItem> items;
  while (!text.empty()) {
    const auto item = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    if (item.empty()) continue;
    const auto equals = item.find('=');
    auto name = decode_query(item.substr(0, equals));
    if (!name) return std::unexpected(name.error());
    auto value = decode_query(equals == std::string_view::npos ? std::string_view{} : item.substr(equals + 1));
    if (!value) return std::unexpected(value.error());
    items.push_back({std::move(*name), std::move(*value)});
  }
  return items;
}

}  // namespace

const std::string* Target::find(std::string_view name) const {
  const auto item = std::ranges::find(query, name, &QueryItem::name);
  return item == query.end() ? nullptr : &item->value;
}

Result<Target> parse_target(std::string_view text) {
  Target target;
  if (const auto scheme = text.find("://"); !text.starts_with('/') && scheme != std::string_view::npos) {
    text.remove_prefix(scheme + 3);
    const auto end = std::min(text.find_first_of("/?#"), text.size());
    target.authority = text.substr(0, end);
    text.remove_prefix(end);
    if (target.authority.empty()) return fail(Code::invalid_argument, "the request target names no host");
  }
  text = text.substr(0, text.find('#'));
  const auto question = text.find('?');
  target.path = text.substr(0, question);
  if (target.path.empty() && !target.authority.empty()) target.path = "/";
  if (!target.path.starts_with('/'))
    return fail(Code::invalid_argument, fmt::format("expected a path that begins with \"/\", got \"{}\"", target.path));
  if (question == std::string_view::npos) return target;
  auto query = parse_query(text.substr(question + 1));
  if (!query) return std::unexpected(query.error());
  target.query = std::move(*query);
  return target;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  while (!text.empty()) {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '%') {
      const auto high = text.size() >= 2 ? hex_digit(text[0]) : std::nullopt;
      const auto low = text.size() >= 2 ? hex_digit(text[1]) : std::nullopt;
      if (!high || !low)
        return fail(Code::invalid_argument, "\"%\" in the address wants two hexadecimal digits after it");
      text.remove_prefix(2);
      c = static_cast<char>(*high << 4 | *low);
    }
    if (c == '\0') return fail(Code::invalid_argument, "the address contains a byte of zero");
    decoded.push_back(c);
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view plain = "-._~/";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      plain.find(c) != std::string_view::npos;
    if (keep) {
      encoded.push_back(c);
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace hotwell::server

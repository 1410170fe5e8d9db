#include "server/json_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <boost/json/parser.hpp>

namespace hotwell::server {
namespace {

namespace json = boost::json;

std::string_view kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return "a number";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
  }
  return "nothing";
}

std::string place(std::string_view text, std::size_t position) {
  const auto before = text.substr(0, position);
  const auto line = 1 + std::ranges::count(before, '\n');
  const auto newline = before.rfind('\n');
  const auto column = 1 + position - (newline == std::string_view::npos ? 0 : newline + 1);
  return fmt::format("line {}, column {}", line, column);
}

}  // namespace

Result<json::object> parse_json_object(std::string_view text) {
  json::parser parser;
  json::error_code ec;
  const auto used = parser.write_some(text.data(), text.size(), ec);
  if (ec)
    return fail(Code::invalid_argument, fmt::format("the body is not JSON: {} at {}",
                                                    ec == json::error::incomplete ? "it ends too early" : ec.message(),
                                                    place(text, std::min(used, text.size()))));
  if (const auto rest = text.find_first_not_of(" \t\r\n", used); rest != std::string_view::npos)
    return fail(Code::invalid_argument,
                fmt::format("the body is not JSON: something stands behind its end at {}", place(text, rest)));
  auto value = parser.release();
  if (!value.is_object())
    return fail(Code::invalid_argument, fmt::format("expected a JSON object, got {}", kind_name(value)));
  return std::move(value.as_object());
}

Result<std::string> read_string(std::string_view name, const json::value& value) {
  if (const auto* text = value.if_string()) return std::string(text->data(), text->size());
  return fail(Code::invalid_argument, fmt::format("\"{}\" must be a string, not {}", name, kind_name(value)));
}

Result<double> read_number(std::string_view name, const json::value& value) {
  if (value.is_number()) return value.to_number<double>();
  return fail(Code::invalid_argument, fmt::format("\"{}\" must be a number, not {}", name, kind_name(value)));
}

Error unknown_member(std::string_view name, std::string_view known) {
  return {Code::invalid_argument, fmt::format("unknown member \"{}\"; expected {}", name, known)};
}

Result<Duration> seconds_of(std::string_view name, double seconds) {
  constexpr double year = 365.0 * 86400;
  if (!(seconds >= 0 && seconds <= year))
    return fail(Code::invalid_argument,
                fmt::format("\"{}\" must be seconds between 0 and {}, got {}", name, year, seconds));
  return Duration{std::llround(seconds * 1e9)};
}

Result<double> parse_number(std::string_view name, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    return fail(Code::invalid_argument, fmt::format("\"{}\" must be a number, got \"{}\"", name, text));
  return value;
}

}  // namespace hotwell::server

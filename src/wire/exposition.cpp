#include "wire/exposition.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell::wire {
namespace {

bool legal_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

enum class Quotes : std::uint8_t { as_they_are, escaped };
void append_escaped(std::string& to, std::string_view text, Quotes quotes) {
  for (const char c : text) {
    switch (c) {
      case '\\': to += "\\\\"; break;
      case '\n': to += "\\n"; break;
      case '"': to += quotes == Quotes::escaped ? "\\\"" : "\""; break;
      default: to += c;
    }
  }
}

std::string print(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string_view type_name(Exposition::Type type) {
  switch (type) {
    case Exposition::Type::counter: return "counter";
    case Exposition::Type::gauge: return "gauge";
    case Exposition::Type::histogram: return "histogram";
  }
  return "untyped";
}

}  // namespace

void Exposition::family(std::string_view name, Type type, std::string_view help) {
  HOTWELL_ASSERT(legal_name(name));
  HOTWELL_ASSERT(name.ends_with("_total") == (type == Type::counter));
  const bool is_new = names_.emplace(name).second;
  HOTWELL_ASSERT(is_new);
  name_ = name;
  type_ = type;
  text_ += "# HELP ";
  text_ += name;
  text_ += ' ';
  append_escaped(text_, help, Quotes::as_they_are);
  text_ += "\n# TYPE ";
  text_ += name;
  text_ += ' ';
  text_ += type_name(type);
  text_ += '\n';
}

void Exposition::line(std::string_view suffix, const Labels& labels, std::string_view value) {
  text_ += name_;
  text_ += suffix;
  char before = '{';
  for (const Label& label : labels) {
    HOTWELL_ASSERT(legal_name(label.name));
    text_ += before;
    text_ += label.name;
    text_ += "=\"";
    append_escaped(text_, label.value, Quotes::escaped);
    text_ += '"';
    before = ',';
  }
  if (!labels.empty()) text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void Exposition::sample(double value, const Labels& labels) {
  HOTWELL_ASSERT(type_ != Type::histogram);
  line("", labels, print(value));
}

void Exposition::sample(std::uint64_t value, const Labels& labels) {
  HOTWELL_ASSERT(type_ != Type::histogram);
  line("", labels, fmt::format_int(value).c_str());
}

void Exposition::histogram(std::span<const Bucket> buckets, double sum, std::uint64_t count, const Labels& labels) {
  HOTWELL_ASSERT(type_ == Type::histogram);
  Labels with_edge = labels;
  with_edge.push_back({"le", ""});
  for (const Bucket& bucket : buckets) {
    const std::string edge = print(bucket.up_to);
    with_edge.back().value = edge;
    line("_bucket", with_edge, fmt::format_int(bucket.count).c_str());
  }
  with_edge.back().value = "+Inf";
  line("_bucket", with_edge, fmt::format_int(count).c_str());
  line("_sum", labels, print(sum));
  line("_count", labels, fmt::format_int(count).c_str());
}

}  // namespace hotwell::wire

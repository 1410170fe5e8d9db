#include "wire/exposition.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

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

void append_number(std::string& to, double value) {
  if (std::isnan(value)) {
    to += "NaN";
  } else if (std::isinf(value)) {
    to += value > 0 ? "+Inf" : "-Inf";
  } else {
    fmt::format_to(std::back_inserter(to), "{}", value);
  }
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

void Exposition::begin_line(std::string_view suffix) {
  text_ += name_;
  text_ += suffix;
}

void Exposition::append(Labels labels) {
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
  if (labels.size() != 0) text_ += '}';
  text_ += ' ';
}

void Exposition::append(double value) {
  append_number(text_, value);
  text_ += '\n';
}

void Exposition::append(std::uint64_t value) {
  const fmt::format_int digits(value);
  text_.append(digits.data(), digits.size());
  text_ += '\n';
}

void Exposition::sample(double value, Labels labels) {
  HOTWELL_ASSERT(type_ != Type::histogram);
  begin_line("");
  append(labels);
  append(value);
}

void Exposition::sample(std::uint64_t value, Labels labels) {
  HOTWELL_ASSERT(type_ != Type::histogram);
  begin_line("");
  append(labels);
  append(value);
}

void Exposition::histogram(std::span<const Bucket> buckets, double sum, std::uint64_t count, Labels labels) {
  HOTWELL_ASSERT(type_ == Type::histogram);
  if (!std::ranges::equal(edges_, buckets, {}, {}, &Bucket::up_to)) {
    edges_.clear();
    edge_texts_.clear();
    for (const Bucket& bucket : buckets) {
      edges_.push_back(bucket.up_to);
      append_number(edge_texts_.emplace_back(), bucket.up_to);
      edge_texts_.back() += "\"} ";
    }
  }
  // The first line's beginning serves all of them.
  const std::size_t begin = text_.size();
  begin_line("_bucket");
  append(labels);
  text_.pop_back();
  if (labels.size() != 0)
    text_.back() = ',';
  else
    text_ += '{';
  text_ += "le=\"";
  const std::string beginning = text_.substr(begin);
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (i != 0) text_ += beginning;
    text_ += edge_texts_[i];
    append(buckets[i].count);
  }
  if (!buckets.empty()) text_ += beginning;
  text_ += "+Inf\"} ";
  append(count);
  begin_line("_sum");
  append(labels);
  append(sum);
  begin_line("_count");
  append(labels);
  append(count);
}

}  // namespace hotwell::wire

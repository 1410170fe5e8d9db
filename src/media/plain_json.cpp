#include "media/plain_json.hpp"

#include <charconv>
#include <string_view>

#include <boost/json.hpp>

namespace hotwell::media {
namespace {

namespace json = boost::json;

void print(const json::value& value, std::string& text);

void print(double number, std::string& text) {
  char digits[400];
  const auto written = std::to_chars(std::begin(digits), std::end(digits), number, std::chars_format::fixed);
  text.append(digits, written.ptr);
}

void print(const json::object& object, std::string& text) {
  std::string_view before = "{";
  for (const auto& member : object) {
    text += before;
    text += json::serialize(json::string_view(member.key()));
    text += ':';
    print(member.value(), text);
    before = ",";
  }
  text += object.empty() ? "{}" : "}";
}

void print(const json::array& array, std::string& text) {
  std::string_view before = "[";
  for (const json::value& element : array) {
    text += before;
    print(element, text);
    before = ",";
  }
  text += array.empty() ? "[]" : "]";
}

void print(const json::value& value, std::string& text) {
  switch (value.kind()) {
    case json::kind::object: return print(value.get_object(), text);
    case json::kind::array: return print(value.get_array(), text);
    case json::kind::double_: return print(value.get_double(), text);
    default: text += json::serialize(value);
  }
}

}  // namespace

std::string plain_json(const json::value& value) {
  std::string text;
  print(value, text);
  return text;
}

}  // namespace hotwell::media

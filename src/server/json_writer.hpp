/// Writes JSON text in one pass, numbers in their shortest plain form.
/// Invariant kept by the caller: calls nest as JSON does (asserted only by what the tests parse back).
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace hotwell::server {

class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool truth) { return raw(truth ? "true" : "false"); }
  /// Not a number and the infinities become null: JSON has none.
  JsonWriter& value(double number);
  template <std::integral T>
  JsonWriter& value(T number) {
    return raw(fmt::format_int(number).c_str());
  }
  JsonWriter& null() { return raw("null"); }
  /// A member in one go.
  template <class T>
  JsonWriter& member(std::string_view name, const T& v) {
    return key(name).value(v);
  }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& raw(std::string_view text);
  void separate();
  void quote(std::string_view text);
  void quote_ascii(char c);

  std::string text_;
  bool first_ = true;  // nothing stands before in this object or array
};

}  // namespace hotwell::server

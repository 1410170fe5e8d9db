#include "apps/hotwell/json.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace hotwell::cli {
namespace {

namespace json = boost::json;

void write_pretty(std::string& out, const json::value& value, const std::string& indent) {
  const std::string deeper = indent + "  ";
  const char* separator = "\n";
  if (const auto* object = value.if_object(); object && !object->empty()) {
    out += '{';
    for (const auto& [name, item] : *object) {
      out += separator + deeper + json::serialize(json::value(name)) + ": ";
      write_pretty(out, item, deeper);
      separator = ",\n";
    }
    out += "\n" + indent + "}";
  } else if (const auto* array = value.if_array(); array && !array->empty()) {
    out += '[';
    for (const auto& item : *array) {
      out += separator + deeper;
      write_pretty(out, item, deeper);
      separator = ",\n";
    }
    out += "\n" + indent + "]";
  } else {
    out += json::serialize(value);
  }
}

const json::value* find(const json::value& value, std::string_view pointer) {
  boost::system::error_code error;
  return value.find_pointer(pointer, error);
}

}  // namespace

Outcome<json::value> get_json(Client& daemon, const std::string& target, Duration patience) {
  const auto answer = daemon.send({.target = target, .patience = patience});
  if (!answer) return std::unexpected(answer.error());
  boost::system::error_code error;
  auto value = json::parse(answer->text, error);
  if (error) return end(status::failed, fmt::format("{} did not answer {} with JSON", daemon.server().url(), target));
  return value;
}

double number_at(const json::value& value, std::string_view pointer) {
  const auto* found = find(value, pointer);
  return found && found->is_number() ? found->to_number<double>() : 0;
}

std::string text_at(const json::value& value, std::string_view pointer) {
  const auto* found = find(value, pointer);
  return found && found->is_string() ? std::string(found->as_string()) : std::string{};
}

std::string pretty(const json::value& value) {
  std::string out;
  write_pretty(out, value, "");
  return out + '\n';
}

}  // namespace hotwell::cli

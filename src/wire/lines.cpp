#include "wire/lines.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace hotwell::wire::lines {
namespace {

namespace json = boost::json;

constexpr std::string_view default_type = "application/octet-stream";

std::unexpected<Error> malformed(std::string what) { return fail(Code::invalid_argument, std::move(what)); }

/// A member's text; empty where it is absent.
Result<std::string> text(const json::object& object, std::string_view name, std::string_view otherwise = {}) {
  const auto* value = object.if_contains(name);
  if (value == nullptr) return std::string{otherwise};
  if (const auto* string = value->if_string()) return std::string{*string};
  return malformed(fmt::format("\"{}\" is not a text", name));
}

Result<std::optional<std::uint64_t>> size(const json::object& object) {
  const auto* value = object.if_contains("size");
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<std::uint64_t>(error);
  if (error) return malformed("\"size\" is not a number of bytes");
  return number;
}

/// "result": a text, or any other value, which is then JSON. Bytes that are no text go to the output or a file.
Result<Done> done(const json::object& object) {
  Done done;
  const auto* result = object.if_contains("result");
  const bool is_json = result != nullptr && !result->is_string();
  auto type = text(object, "content_type", is_json ? "application/json" : default_type);
  if (!type) return std::unexpected(type.error());
  done.content_type = std::move(*type);
  auto bytes = size(object);
  if (!bytes) return std::unexpected(bytes.error());
  done.size = *bytes;
  if (result != nullptr) done.text = is_json ? json::serialize(*result) : std::string{result->get_string()};
  if (object.contains("path")) {
    auto path = text(object, "path");
    if (!path) return std::unexpected(path.error());
    done.path = std::move(*path);
  }
  if (int{done.text.has_value()} + int{done.size.has_value()} + int{done.path.has_value()} > 1)
    return malformed("\"done\" has more than one of \"result\", \"size\" and \"path\"");
  if (!done.size && !done.path && !done.text) done.text.emplace();
  return done;
}

Result<Failed> failed(const json::object& object) {
  auto name = text(object, "code", to_string(Code::failed));
  if (!name) return std::unexpected(name.error());
  auto message = text(object, "message");
  if (!message) return std::unexpected(message.error());
  const auto code = parse_code(*name);
  if (!code) return malformed(fmt::format("\"{}\" is no error code", name->substr(0, 40)));
  return Failed{*code, std::move(*message)};
}

Result<Progress> progress(const json::object& object) {
  const auto* value = object.if_contains("fraction");
  boost::system::error_code error;
  const double fraction = value == nullptr ? 0 : value->to_number<double>(error);
  if (value == nullptr || error) return malformed("\"fraction\" is not a number");
  return Progress{fraction};
}

Result<Advance> advance(const json::object& object) {
  auto bytes = size(object);
  if (!bytes) return std::unexpected(bytes.error());
  if (!*bytes) return malformed("\"advance\" has no \"size\"");
  auto type = text(object, "content_type");
  if (!type) return std::unexpected(type.error());
  return Advance{**bytes, std::move(*type)};
}

template <class T>
Result<Message> about(std::string id, Result<T> what) {
  if (!what) return std::unexpected(what.error());
  return Message{std::move(id), std::move(*what)};
}

bool is_utf8(std::string_view bytes) {
  boost::system::error_code error;
  (void)json::parse(json::serialize(json::string{bytes}), error);
  return !error;
}

}  // namespace

Result<std::string> encode(const Job& job) {
  boost::system::error_code no_json;
  json::value payload = json::parse(job.payload, no_json);
  if (no_json && job.payload.empty())
    payload = nullptr;
  else if (no_json)
    payload = json::string{job.payload};
  for (const std::string_view said : {job.payload, std::string_view{job.operation}})
    if (!is_utf8(said))
      return fail(Code::invalid_argument, "a lines worker takes text alone: hand bytes over as an input");
  json::object object{{"type", "job"},
                      {"job", job.id},
                      {"operation", job.operation},
                      {"payload", std::move(payload)},
                      {"inputs", json::array(job.inputs.begin(), job.inputs.end())},
                      {"output", job.output}};
  if (!job.input_identity.empty()) object["input_identity"] = job.input_identity;
  if (job.seconds_left) object["seconds_left"] = *job.seconds_left;
  return json::serialize(object) + "\n";
}

std::string encode(const Cancel& cancel) {
  return json::serialize(json::object{{"type", "cancel"}, {"job", cancel.id}}) + "\n";
}

Result<Message> decode(std::string_view line) {
  boost::system::error_code error;
  const auto value = json::parse(line, error);
  const auto* object = error ? nullptr : value.if_object();
  if (object == nullptr) return malformed(fmt::format("\"{}\" is no JSON object", line.substr(0, 80)));
  auto type = text(*object, "type");
  if (!type) return std::unexpected(type.error());
  auto id = text(*object, "job");
  if (!id) return std::unexpected(id.error());
  if (*type == "done") return about(std::move(*id), done(*object));
  if (*type == "failed") return about(std::move(*id), failed(*object));
  if (*type == "progress") return about(std::move(*id), progress(*object));
  if (*type == "advance") return about(std::move(*id), advance(*object));
  if (*type == "beat") return Message{std::move(*id), Beat{}};
  return malformed(fmt::format("\"{}\" is no type of message", type->substr(0, 40)));
}

}  // namespace hotwell::wire::lines

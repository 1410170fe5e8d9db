#include "engine/job_text.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace hotwell::engine {
namespace {

namespace json = boost::json;

template <class... F>
struct Cases : F... {
  using F::operator()...;
};

json::value input_json(const Input& input) {
  return std::visit(Cases{
                        [](const std::monostate&) -> json::value { return nullptr; },
                        [](const InputPath& path) -> json::value { return {{"path", path.path}}; },
                        [](const InputObject& object) -> json::value { return {{"object", object.key}}; },
                        [](const InputUpload& upload) -> json::value {
                          return {{"upload", upload.sha256}, {"size", upload.size}, {"name", upload.name}};
                        },
                        [](const InputHandle&) -> json::value { return nullptr; },
                    },
                    input);
}

std::string text_of(const json::value& value) { return std::string(value.as_string()); }

Input input_of(const json::value& value) {
  if (value.is_null()) return {};
  const auto& object = value.as_object();
  if (const auto* path = object.if_contains("path")) return InputPath{text_of(*path)};
  if (const auto* key = object.if_contains("object")) return InputObject{text_of(*key)};
  return InputUpload{
      {}, object.at("size").to_number<std::uint64_t>(), text_of(object.at("upload")), text_of(object.at("name"))};
}

// Reads a text of ours; whatever it throws means that it is none.
template <class Read>
auto read(std::string_view text, std::string_view what, Read read_it) -> Result<decltype(read_it(json::value{}))> {
  try {
    return read_it(json::parse(text));
  } catch (const std::exception& error) {
    return fail(Code::io, fmt::format("the journal has no readable {}: {}", what, error.what()));
  }
}

}  // namespace

bool can_outlive(const JobRequest& request) { return !std::holds_alternative<InputHandle>(request.input); }

std::string input_text(const Input& input) {
  return std::visit(
      Cases{
          [](const std::monostate&) { return std::string{}; },
          [](const InputPath& path) { return path.path; },
          [](const InputObject& object) { return "cache:" + object.key; },
          [](const InputUpload& upload) { return upload.name.empty() ? std::string("upload") : upload.name; },
          [](const InputHandle& handle) { return handle.name; },
      },
      input);
}

bool same_request(const JobRequest& a, const JobRequest& b) {
  const auto same_input = [](const Input& x, const Input& y) {
    if (x.index() != y.index()) return false;
    if (const auto* path = std::get_if<InputPath>(&x)) return path->path == std::get<InputPath>(y).path;
    if (const auto* object = std::get_if<InputObject>(&x)) return object->key == std::get<InputObject>(y).key;
    if (const auto* upload = std::get_if<InputUpload>(&x)) return upload->sha256 == std::get<InputUpload>(y).sha256;
    return true;
  };
  return a.operation == b.operation && a.params == b.params && same_input(a.input, b.input);
}

std::string to_text(const JobRequest& request) {
  json::object object;
  object["input"] = input_json(request.input);
  json::object& params = object["params"].emplace_object();
  for (const auto& [name, value] : request.params)
    std::visit([&, &key = name](const auto& v) { params[key] = v; }, value);
  if (request.retries) object["retries"] = *request.retries;
  if (request.timeout) object["timeout_ns"] = request.timeout->count();
  if (request.no_progress) object["no_progress_ns"] = request.no_progress->count();
  if (request.deadline) object["deadline"] = to_rfc3339(*request.deadline);
  if (!request.tenant.empty()) object["tenant"] = request.tenant;
  return json::serialize(object);
}

Result<JobRequest> request_of(std::string_view text) {
  return read(text, "request", [](const json::value& value) {
    const auto& object = value.as_object();
    JobRequest request;
    request.input = input_of(object.at("input"));
    for (const auto& [name, param] : object.at("params").as_object()) {
      ParamValue& to = request.params[std::string(name)];
      if (param.is_string()) {
        to = text_of(param);
      } else if (param.is_bool()) {
        to = param.as_bool();
      } else {
        to = param.to_number<double>();
      }
    }
    if (const auto* retries = object.if_contains("retries")) request.retries = retries->to_number<unsigned>();
    if (const auto* timeout = object.if_contains("timeout_ns"))
      request.timeout = Duration{timeout->to_number<std::int64_t>()};
    if (const auto* silence = object.if_contains("no_progress_ns"))
      request.no_progress = Duration{silence->to_number<std::int64_t>()};
    if (const auto* deadline = object.if_contains("deadline"))
      request.deadline = parse_rfc3339(text_of(*deadline)).value();
    if (const auto* tenant = object.if_contains("tenant")) request.tenant = text_of(*tenant);
    return request;
  });
}

std::string to_text(const JobRecord::ResultInfo& result) {
  json::object object{{"key", result.key}, {"size", result.size}, {"content_type", result.content_type}};
  if (result.cached) object["cached"] = to_string(*result.cached);
  return json::serialize(object);
}

Result<JobRecord::ResultInfo> result_of(std::string_view text) {
  return read(text, "result", [](const json::value& value) {
    const auto& object = value.as_object();
    JobRecord::ResultInfo result{text_of(object.at("key")),
                                 object.at("size").to_number<std::uint64_t>(),
                                 text_of(object.at("content_type")),
                                 {}};
    if (const auto* cached = object.if_contains("cached"))
      for (const auto level : {Level::memory, Level::disk, Level::stream, Level::remote})
        if (text_of(*cached) == to_string(level)) result.cached = level;
    return result;
  });
}

std::string to_text(const QueuedBehind& behind) {
  return fmt::format(R"({{"high":{},"normal":{},"low":{},"busy":{},"workers":{}}})", behind.by_priority[0],
                     behind.by_priority[1], behind.by_priority[2], behind.busy, behind.max_workers);
}

std::optional<QueuedBehind> behind_of(std::string_view text) {
  auto behind = read(text, "queue", [](const json::value& value) {
    const auto& object = value.as_object();
    const auto number = [&](std::string_view name) { return object.at(name).to_number<std::uint64_t>(); };
    return QueuedBehind{{number("high"), number("normal"), number("low")}, number("busy"), number("workers")};
  });
  if (!behind) return std::nullopt;
  return *behind;
}

}  // namespace hotwell::engine

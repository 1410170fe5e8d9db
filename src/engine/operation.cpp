#include "engine/operation.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/json.hpp>

#include "base/digest.hpp"

namespace hotwell::engine {
namespace {

std::string describe(const ParamSpec& spec) {
  switch (spec.kind) {
    case ParamSpec::Kind::integer: return fmt::format("a whole number from {} to {}", spec.min, spec.max);
    case ParamSpec::Kind::number: return fmt::format("a number from {} to {}", spec.min, spec.max);
    case ParamSpec::Kind::choice: return fmt::format("one of {}", fmt::join(spec.choices, ", "));
    case ParamSpec::Kind::position: return "seconds such as 12.5, or a percentage such as \"10%\"";
    case ParamSpec::Kind::text: return "text";
  }
  return "text";
}

std::string param_text(const ParamValue& value) {
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  if (const auto* number = std::get_if<double>(&value)) return number_text(*number);
  return std::get<std::string>(value);
}

std::optional<double> read_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// The canonical text of one parameter, or nothing if it does not fit its specification.
std::optional<std::string> canonical_text(const ParamSpec& spec, std::string_view given) {
  switch (spec.kind) {
    case ParamSpec::Kind::integer:
    case ParamSpec::Kind::number: {
      const auto number = read_number(given);
      if (!number || *number < spec.min || *number > spec.max) return std::nullopt;
      if (spec.kind == ParamSpec::Kind::integer && *number != std::floor(*number)) return std::nullopt;
      return number_text(*number);
    }
    case ParamSpec::Kind::choice:
      if (std::ranges::find(spec.choices, given) == spec.choices.end()) return std::nullopt;
      return std::string(given);
    case ParamSpec::Kind::position: {
      const bool percent = given.ends_with('%');
      const auto number = read_number(percent ? given.substr(0, given.size() - 1) : given);
      if (!number || *number < 0 || *number > (percent ? 100 : spec.max)) return std::nullopt;
      return number_text(*number) + (percent ? "%" : "");
    }
    case ParamSpec::Kind::text: return std::string(given);
  }
  return std::nullopt;
}

bool is_number(const ParamSpec& spec, std::string_view text) {
  return spec.kind == ParamSpec::Kind::integer || spec.kind == ParamSpec::Kind::number ||
         (spec.kind == ParamSpec::Kind::position && !text.ends_with('%'));
}

std::string param_names(const Operation& operation) {
  std::vector<std::string_view> names;
  for (const auto& spec : operation.schema) names.push_back(spec.name);
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// Where the shell would find a program. Empty if nowhere.
std::filesystem::path find_program(const std::string& name) {
  if (name.find('/') != std::string::npos)
    return ::access(name.c_str(), X_OK) == 0 ? std::filesystem::path(name) : std::filesystem::path();
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "/usr/local/bin:/usr/bin:/bin";
  while (true) {
    const auto colon = rest.find(':');
    const auto candidate = std::filesystem::path(rest.substr(0, colon)) / name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored) && ::access(candidate.c_str(), X_OK) == 0)
      return candidate;
    if (colon == std::string_view::npos) return {};
    rest.remove_prefix(colon + 1);
  }
}

// Which file this is and when it was written; empty where it is none.
std::string identity_of(const std::filesystem::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return fmt::format("{}:{}:{}:{}.{:09}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

}  // namespace

std::string number_text(double value) {
  if (value == 0) return "0";  // also for -0
  return fmt::format("{}", value);
}

Result<CanonicalParams> canonicalize(const Operation& operation, const Params& params) {
  CanonicalParams canonical;
  boost::json::object json;
  for (const auto& [name, value] : params) {
    const bool known = std::ranges::any_of(operation.schema, [&](const ParamSpec& spec) { return spec.name == name; });
    if (known) continue;
    if (!operation.free_params)
      return fail(Code::invalid_argument, fmt::format("{} has no parameter \"{}\"; it knows: {}", operation.name, name,
                                                      param_names(operation)));
    canonical.texts[name] = param_text(value);
  }
  for (const auto& spec : operation.schema) {
    const auto given = params.find(std::string(spec.name));
    const std::string text = given == params.end() ? std::string(spec.default_text) : param_text(given->second);
    const auto accepted = canonical_text(spec, text);
    if (!accepted)
      return fail(Code::invalid_argument, fmt::format("parameter \"{}\" of {}: expected {}, got \"{}\"", spec.name,
                                                      operation.name, describe(spec), text));
    canonical.texts[std::string(spec.name)] = *accepted;
  }
  for (const auto& [name, text] : canonical.texts) {
    const auto spec = std::ranges::find(operation.schema, name, &ParamSpec::name);
    const auto number = spec != operation.schema.end() && is_number(*spec, text) ? read_number(text) : std::nullopt;
    if (!number) {
      json[name] = text;
    } else if (*number == std::floor(*number) && std::abs(*number) < 1e15) {
      json[name] = static_cast<std::int64_t>(*number);
    } else {
      json[name] = *number;
    }
  }
  canonical.json = boost::json::serialize(json);
  return canonical;
}

std::string result_key(const Operation& operation, const CanonicalParams& params, std::string_view input_identity) {
  base::Sha256 digest;
  digest.add_field(operation.name);
  digest.add_field(operation.version);
  for (const auto& [name, text] : params.texts) {
    digest.add_field(name);
    digest.add_field(text);
  }
  digest.add_field(input_identity);
  return "result:" + digest.hex();
}

std::vector<Operation> media_operations() {
  using Kind = ParamSpec::Kind;
  constexpr double max_side = 16'384;
  constexpr double max_seconds = 1e7;
  Operation probe{.name = "probe", .version = "1", .inline_result = true};
  Operation thumbnail{.name = "thumbnail",
                      .version = "1",
                      .schema = {{"at", Kind::position, "10%", 0, max_seconds, {}},
                                 {"width", Kind::integer, "0", 0, max_side, {}},
                                 {"height", Kind::integer, "0", 0, max_side, {}},
                                 {"fit", Kind::choice, "contain", 0, 0, {"contain", "cover"}},
                                 {"format", Kind::choice, "jpeg", 0, 0, {"jpeg", "png", "webp"}},
                                 {"quality", Kind::integer, "85", 1, 100, {}}}};
  Operation transcode{
      .name = "transcode",
      .version = "1",
      .schema = {
          {"format", Kind::choice, "mp4", 0, 0, {"mp4", "webm", "mkv"}},
          {"video", Kind::choice, "auto", 0, 0, {"auto", "h264", "hevc", "vp8", "vp9", "av1", "copy", "none"}},
          {"audio", Kind::choice, "auto", 0, 0, {"auto", "aac", "opus", "mp3", "vorbis", "flac", "copy", "none"}},
          {"width", Kind::integer, "0", 0, max_side, {}},
          {"height", Kind::integer, "0", 0, max_side, {}},
          {"crf", Kind::integer, "-1", -1, 63, {}},
          {"bitrate", Kind::integer, "0", 0, 1e9, {}},
          {"preset", Kind::text, "", 0, 0, {}},
          {"start", Kind::number, "0", 0, max_seconds, {}},
          {"duration", Kind::number, "0", 0, max_seconds, {}}}};
  return {std::move(probe), std::move(thumbnail), std::move(transcode)};
}

Result<Operation> configured_operation(const OperationConfig& config) {
  const auto program = find_program(config.argv.front());
  const std::string identity = program.empty() ? std::string{} : identity_of(program);
  if (identity.empty())
    return fail(Code::not_found,
                fmt::format("operation \"{}\": there is no executable \"{}\"", config.name, config.argv.front()));
  base::Sha256 digest;
  digest.add_field(config.version);
  digest.add_field(fmt::format("{}", static_cast<int>(config.kind)));
  for (const auto& argument : config.argv) {
    digest.add_field(argument);
    digest.add_field(identity_of(argument));  // node resize.js: the script too
  }
  for (const auto& [name, value] : config.env) {
    digest.add_field(name);
    digest.add_field(value);
  }
  digest.add_field(config.stdin_is_input ? "input" : "null");
  digest.add_field(config.content_type);
  digest.add_field(identity);
  return Operation{.name = config.name,
                   .version = digest.hex(),
                   .input = InputRule::optional,
                   .cached = config.cache,
                   .inline_result = config.inline_result,
                   .ttl = config.ttl,
                   .negative_ttl = config.negative_ttl,
                   .free_params = true,
                   .schema = {},
                   .timeout = config.timeout,
                   .no_progress = config.no_progress,
                   .tenant = config.tenant,
                   .durability = config.durability};
}

}  // namespace hotwell::engine

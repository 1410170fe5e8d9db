/// Operations: what can be asked for, with which parameters, and when two requests ask for the same result.
///
/// Invariant: requests whose parameters mean the same canonicalize to the same text, whichever way they came in
/// (JSON `3`, `3.0`, a URL's `3`, a default left out).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/config.hpp>
#include <hotwell/engine.hpp>

namespace hotwell::engine {

/// One parameter that an operation knows.
struct ParamSpec {
  enum class Kind : std::uint8_t {
    integer,   ///< a whole number in [min, max]
    number,    ///< a finite number in [min, max]
    choice,    ///< one of `choices`
    position,  ///< seconds from the start (0..max), or a percentage "0%".."100%" of the duration
    text,
  };
  std::string_view name;
  Kind kind = Kind::text;
  std::string_view default_text;
  double min = 0;
  double max = 0;
  std::vector<std::string_view> choices;
};

enum class InputRule : std::uint8_t { required, optional };

struct Operation {
  std::string name;
  std::string version;
  InputRule input = InputRule::required;
  /// Shared and found by key; otherwise each job's result is its own.
  bool cached = true;
  bool inline_result = false;     ///< workers answer with it: no file is made for a job
  std::optional<Duration> ttl{};  ///< of results
  Duration negative_ttl{};        ///< of permanent failures
  /// Parameters outside the schema are accepted and are part of the key alone.
  bool free_params = false;
  std::vector<ParamSpec> schema;
  std::optional<Duration> timeout;
  std::optional<Duration> no_progress{};
  std::string tenant{};  ///< of jobs that name none
  std::optional<Durability> durability;
};

struct CanonicalParams {
  std::string json;                          ///< what the worker gets: every parameter, in order of name
  std::map<std::string, std::string> texts;  ///< for argv templates and for the key
};

/// Checks parameters against the operation's schema and fills in defaults. Errors: invalid_argument names the
/// parameter, what was given and what was expected.
[[nodiscard]] Result<CanonicalParams> canonicalize(const Operation& operation, const Params& params);

/// The key under which the cache keeps a result: "result:" and a digest of operation, version, canonical parameters
/// and the input's identity.
[[nodiscard]] std::string result_key(const Operation& operation, const CanonicalParams& params,
                                     std::string_view input_identity);

/// probe, thumbnail and transcode, as the media worker takes them.
[[nodiscard]] std::vector<Operation> media_operations();

/// An [[operation]] of the configuration. Its version is a digest of its table and its executable's identity, so that
/// a changed program makes new results. Errors: not_found when the executable is not there.
[[nodiscard]] Result<Operation> configured_operation(const OperationConfig& config);

/// The shortest text that reads back as the same number; whole numbers without a point.
[[nodiscard]] std::string number_text(double value);

}  // namespace hotwell::engine

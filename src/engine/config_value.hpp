/// Values of configuration keys, whatever they were written in: what a TOML node or an environment variable says, and
/// the typed member that it goes into. Nothing here knows a key's name or where its value stood.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <hotwell/event.hpp>
#include <hotwell/pool.hpp>
#include <hotwell/units.hpp>

namespace hotwell::engine {

struct Value {
  /// What TOML has and no key takes: a date, a time.
  struct Other {};
  using List = std::vector<Value>;
  using Table = std::vector<std::pair<std::string, Value>>;
  std::variant<Other, bool, std::int64_t, double, std::string, List, Table> is;
};

/// `[[operation]] stdin`: the word "input" sets the flag.
struct InputWord {
  bool* flag;
};

/// `[[alerts.rule]] op`: "<" sets the flag, ">" clears it.
struct SideWord {
  bool* below;
};

/// The member that a key sets; its type decides which values it takes.
using Field =
    std::variant<bool*, std::optional<bool>*, unsigned*, std::size_t*, double*, Duration*, Bytes*,
                 std::optional<unsigned>*, std::optional<double>*, std::optional<Duration>*, std::optional<Bytes>*,
                 std::string*, Severity*, SideWord, std::filesystem::path*, std::vector<std::string>*,
                 std::vector<std::filesystem::path>*, std::vector<int>*, std::map<std::string, std::string>*,
                 WorkerKind*, Scheduling*, Durability*, std::optional<Durability>*, InputWord>;

/// Bounds of numbers in base units (a count, seconds, bytes), and the words that a text is chosen from.
struct Limits {
  double min = 0;
  double max = std::numeric_limits<double>::max();
  std::span<const std::string_view> choices{};
};

/// Sets the member. Answers with what was expected instead, where the value does not fit; then nothing changed.
[[nodiscard]] std::optional<std::string> assign(const Field& field, const Value& value, const Limits& limits);
/// The same member of another owner. Precondition: both fields are of one type.
void copy(const Field& to, const Field& from);
/// An environment variable's or flag's text as a value of the field's type: lists are separated by commas.
[[nodiscard]] Value from_text(const Field& field, std::string_view text);
/// The member as TOML would write it; empty where nothing is set.
[[nodiscard]] std::string to_toml(const Field& field);
/// Numbers, times and sizes in base units; empty for everything else.
[[nodiscard]] std::optional<double> to_number(const Field& field);
/// For error messages: `the text "x"`, `the number 4`, `a list`.
[[nodiscard]] std::string describe(const Value& value);

}  // namespace hotwell::engine

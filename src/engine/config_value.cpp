#include "engine/config_value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hotwell::engine {
namespace {

using Expected = std::optional<std::string>;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

constexpr std::array<std::pair<WorkerKind, std::string_view>, 3> kinds{
    {{WorkerKind::command, "command"}, {WorkerKind::lines, "lines"}, {WorkerKind::frames, "frames"}}};

std::string_view word_of(Scheduling scheduling) { return scheduling == Scheduling::strict ? "strict" : "fair"; }

constexpr std::array<std::pair<Durability, std::string_view>, 3> durability_words{
    {{Durability::memory, "memory"}, {Durability::process, "process"}, {Durability::power, "power"}}};

std::string_view word_of(Durability durability) {
  return std::ranges::find(durability_words, durability, [](const auto& pair) { return pair.first; })->second;
}

constexpr std::array<std::pair<Severity, std::string_view>, 3> severity_words{
    {{Severity::info, "info"}, {Severity::warning, "warning"}, {Severity::critical, "critical"}}};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

template <class N>
std::string exact(N count, std::span<const std::pair<N, std::string_view>> units, std::string_view smallest) {
  for (const auto& [size, name] : units)
    if (count >= size && count % size == 0) return fmt::format("{}{}", count / size, name);
  return fmt::format("{}{}", count, smallest);
}

// The shortest text that parses back to the same size.
std::string exact(Bytes bytes) {
  using Unit = std::pair<std::uint64_t, std::string_view>;
  static constexpr std::array<Unit, 4> units{
      {{1ULL << 40, "TiB"}, {1ULL << 30, "GiB"}, {1ULL << 20, "MiB"}, {1ULL << 10, "KiB"}}};
  return exact<std::uint64_t>(bytes.count, units, "B");
}

std::string exact(Duration duration) {
  using Unit = std::pair<std::int64_t, std::string_view>;
  static constexpr std::array<Unit, 6> units{{{86'400'000'000'000, "d"},
                                              {3'600'000'000'000, "h"},
                                              {60'000'000'000, "m"},
                                              {1'000'000'000, "s"},
                                              {1'000'000, "ms"},
                                              {1'000, "us"}}};
  return duration == Duration{} ? "0s" : exact<std::int64_t>(duration.count(), units, "ns");
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + '"';
}

template <class Items, class Show>
std::string bracketed(const Items& items, Show show) {
  std::vector<std::string> texts;
  for (const auto& item : items) texts.push_back(show(item));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

bool within(double value, const Limits& limits) { return value >= limits.min && value <= limits.max; }

// " from A to B", with the half that is bounded.
std::string range(const Limits& limits, auto show) {
  if (limits.max == std::numeric_limits<double>::max())
    return limits.min == 0 || limits.min == std::numeric_limits<double>::lowest()
               ? std::string{}
               : fmt::format(" of at least {}", show(limits.min));
  return fmt::format(" from {} to {}", show(limits.min), show(limits.max));
}

std::string one_of(std::span<const std::string_view> choices) {
  std::vector<std::string> texts;
  for (const auto choice : choices) texts.push_back(in_quotes(choice));
  return texts.size() == 1 ? texts.front() : fmt::format("one of {}", fmt::join(texts, ", "));
}

template <class Unsigned>
Expected set_count(Unsigned& member, const Value& value, const Limits& limits) {
  const auto* number = std::get_if<std::int64_t>(&value.is);
  if (number && *number >= 0 && std::in_range<Unsigned>(*number) && within(static_cast<double>(*number), limits)) {
    member = static_cast<Unsigned>(*number);
    return std::nullopt;
  }
  return "a whole number" + range(limits, [](double n) { return fmt::format("{:.0f}", n); });
}

Expected set(bool& member, const Value& value, const Limits&) {
  if (const auto* flag = std::get_if<bool>(&value.is)) {
    member = *flag;
    return std::nullopt;
  }
  return "true or false";
}

Expected set(std::optional<bool>& member, const Value& value, const Limits& limits) {
  bool flag = false;
  if (auto expected = set(flag, value, limits)) return expected;
  member = flag;
  return std::nullopt;
}

Expected set(unsigned& member, const Value& value, const Limits& limits) { return set_count(member, value, limits); }
Expected set(std::size_t& member, const Value& value, const Limits& limits) { return set_count(member, value, limits); }

Expected set(double& member, const Value& value, const Limits& limits) {
  std::optional<double> number;
  if (const auto* whole = std::get_if<std::int64_t>(&value.is)) number = static_cast<double>(*whole);
  if (const auto* fraction = std::get_if<double>(&value.is)) number = *fraction;
  if (number && within(*number, limits)) {
    member = *number;
    return std::nullopt;
  }
  return "a number" + range(limits, [](double n) { return fmt::format("{}", n); });
}

Expected set(Duration& member, const Value& value, const Limits& limits) {
  if (const auto* text = std::get_if<std::string>(&value.is)) {
    const auto duration = parse_duration(*text);
    if (duration && within(seconds(*duration), limits)) {
      member = *duration;
      return std::nullopt;
    }
  }
  return "a duration such as \"250ms\", \"5m\" or \"7d\"" +
         range(limits, [](double n) { return exact(std::chrono::round<Duration>(std::chrono::duration<double>(n))); });
}

Expected set(Bytes& member, const Value& value, const Limits& limits) {
  std::optional<Bytes> bytes;
  if (const auto* number = std::get_if<std::int64_t>(&value.is); number && *number >= 0)
    bytes = Bytes{static_cast<std::uint64_t>(*number)};
  if (const auto* text = std::get_if<std::string>(&value.is))
    if (const auto parsed = parse_bytes(*text)) bytes = *parsed;
  if (bytes && within(static_cast<double>(bytes->count), limits)) {
    member = *bytes;
    return std::nullopt;
  }
  return "a size such as \"100MiB\" or \"5GiB\"" +
         range(limits, [](double n) { return exact(Bytes{static_cast<std::uint64_t>(n)}); });
}

template <class T>
Expected set(std::optional<T>& member, const Value& value, const Limits& limits) {
  T inner{};
  if (auto expected = set(inner, value, limits)) return expected;
  member = inner;
  return std::nullopt;
}

Expected set(std::string& member, const Value& value, const Limits& limits) {
  const auto* text = std::get_if<std::string>(&value.is);
  if (limits.choices.empty()) {
    if (!text) return "a text in quotes";
  } else if (!text || std::ranges::find(limits.choices, *text) == limits.choices.end()) {
    return one_of(limits.choices);
  }
  member = *text;
  return std::nullopt;
}

Expected set(std::filesystem::path& member, const Value& value, const Limits&) {
  if (const auto* text = std::get_if<std::string>(&value.is)) {
    member = *text;
    return std::nullopt;
  }
  return "a path in quotes";
}

Expected set(int& member, const Value& value, const Limits& limits) {
  const auto* number = std::get_if<std::int64_t>(&value.is);
  if (!number || !within(static_cast<double>(*number), limits)) return "a whole number";
  member = static_cast<int>(*number);
  return std::nullopt;
}

template <class T>
Expected set_list(std::vector<T>& member, const Value& value, const Limits& limits, std::string_view what) {
  const auto* list = std::get_if<Value::List>(&value.is);
  std::vector<T> items;
  if (list) {
    for (const Value& item : *list) {
      T each{};
      if (set(each, item, limits)) return std::string(what);
      items.push_back(std::move(each));
    }
    member = std::move(items);
    return std::nullopt;
  }
  return std::string(what);
}

Expected set(std::vector<std::string>& member, const Value& value, const Limits& limits) {
  return set_list(member, value, limits, "a list of texts such as [\"a\", \"b\"]");
}
Expected set(std::vector<std::filesystem::path>& member, const Value& value, const Limits& limits) {
  return set_list(member, value, limits, "a list of paths such as [\"/srv/media\"]");
}
Expected set(std::vector<int>& member, const Value& value, const Limits& limits) {
  return set_list(member, value, limits,
                  "a list of whole numbers" + range(limits, [](double n) { return fmt::format("{:.0f}", n); }));
}

Expected set(std::map<std::string, std::string>& member, const Value& value, const Limits&) {
  const std::string what = "a table of texts such as { LANG = \"C.UTF-8\" }";
  const auto* table = std::get_if<Value::Table>(&value.is);
  if (!table) return what;
  std::map<std::string, std::string> texts;
  for (const auto& [name, item] : *table) {
    const auto* text = std::get_if<std::string>(&item.is);
    if (!text) return what;
    texts[name] = *text;
  }
  member = std::move(texts);
  return std::nullopt;
}

Expected set(WorkerKind& member, const Value& value, const Limits& limits) {
  std::string word;
  if (auto expected = set(word, value, limits)) return expected;
  const auto kind = std::ranges::find(kinds, word, [](const auto& pair) { return pair.second; });
  if (kind == kinds.end()) return one_of(limits.choices);
  member = kind->first;
  return std::nullopt;
}

Expected set(Severity& member, const Value& value, const Limits& limits) {
  std::string word;
  if (auto expected = set(word, value, limits)) return expected;
  const auto severity = std::ranges::find(severity_words, word, [](const auto& pair) { return pair.second; });
  if (severity == severity_words.end()) return one_of(limits.choices);
  member = severity->first;
  return std::nullopt;
}

Expected set(Scheduling& member, const Value& value, const Limits& limits) {
  std::string word;
  if (auto expected = set(word, value, limits)) return expected;
  member = word == word_of(Scheduling::strict) ? Scheduling::strict : Scheduling::fair;
  return std::nullopt;
}

Expected set(Durability& member, const Value& value, const Limits& limits) {
  std::string word;
  if (auto expected = set(word, value, limits)) return expected;
  const auto durability = std::ranges::find(durability_words, word, [](const auto& pair) { return pair.second; });
  if (durability == durability_words.end()) return one_of(limits.choices);
  member = durability->first;
  return std::nullopt;
}

Expected set(std::optional<Durability>& member, const Value& value, const Limits& limits) {
  Durability durability{};
  if (auto expected = set(durability, value, limits)) return expected;
  member = durability;
  return std::nullopt;
}

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Value flag_from(std::string_view text) {
  if (text == "true") return {true};
  if (text == "false") return {false};
  return {std::string(text)};
}

Value number_from(std::string_view text) {
  if (const auto number = whole(text)) return {*number};
  double fraction = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fraction);
  if (error == std::errc{} && end == text.data() + text.size()) return {fraction};
  return {std::string(text)};
}

Value list_from(std::string_view text, auto item) {
  Value::List list;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    list.push_back(item(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return {std::move(list)};
}

Value text_from(std::string_view text) { return {std::string(text)}; }

}  // namespace

std::optional<std::string> assign(const Field& field, const Value& value, const Limits& limits) {
  return std::visit(Overloaded{[&](InputWord word) -> Expected {
                                 const auto* text = std::get_if<std::string>(&value.is);
                                 if (!text || *text != "input") return "\"input\"";
                                 *word.flag = true;
                                 return std::nullopt;
                               },
                               [&](SideWord word) -> Expected {
                                 const auto* text = std::get_if<std::string>(&value.is);
                                 if (!text || (*text != "<" && *text != ">")) return "\">\" or \"<\"";
                                 *word.below = *text == "<";
                                 return std::nullopt;
                               },
                               [&](auto* member) { return set(*member, value, limits); }},
                    field);
}

void copy(const Field& to, const Field& from) {
  std::visit(Overloaded{[&](InputWord word) { *word.flag = *std::get<InputWord>(from).flag; },
                        [&](SideWord word) { *word.below = *std::get<SideWord>(from).below; },
                        [&](auto* member) { *member = *std::get<decltype(member)>(from); }},
             to);
}

Value from_text(const Field& field, std::string_view text) {
  return std::visit(
      Overloaded{[&](bool*) { return flag_from(text); }, [&](std::optional<bool>*) { return flag_from(text); },
                 [&](unsigned*) { return number_from(text); }, [&](std::size_t*) { return number_from(text); },
                 [&](double*) { return number_from(text); }, [&](std::optional<double>*) { return number_from(text); },
                 [&](std::optional<unsigned>*) { return number_from(text); },
                 [&](std::vector<std::string>*) { return list_from(text, text_from); },
                 [&](std::vector<std::filesystem::path>*) { return list_from(text, text_from); },
                 [&](std::vector<int>*) { return list_from(text, number_from); },
                 [&](const auto&) { return text_from(text); }},
      field);
}

std::string to_toml(const Field& field) {
  return std::visit(
      Overloaded{
          [](bool* flag) -> std::string { return *flag ? "true" : "false"; },
          [](std::optional<bool>* flag) -> std::string { return !*flag   ? ""
                                                                : **flag ? "true"
                                                                         : "false"; },
          [](Duration* duration) { return in_quotes(exact(*duration)); },
          [](Bytes* bytes) { return in_quotes(exact(*bytes)); },
          [](std::optional<unsigned>* number) { return *number ? fmt::format("{}", **number) : std::string{}; },
          [](std::optional<double>* number) { return *number ? fmt::format("{}", **number) : std::string{}; },
          [](std::optional<Duration>* duration) { return *duration ? in_quotes(exact(**duration)) : std::string{}; },
          [](std::optional<Bytes>* bytes) { return *bytes ? in_quotes(exact(**bytes)) : std::string{}; },
          [](std::string* text) { return in_quotes(*text); },
          [](std::filesystem::path* path) { return in_quotes(path->native()); },
          [](std::vector<std::string>* list) { return bracketed(*list, in_quotes); },
          [](std::vector<std::filesystem::path>* list) {
            return bracketed(*list, [](const auto& path) { return in_quotes(path.native()); });
          },
          [](std::vector<int>* list) { return bracketed(*list, [](int number) { return std::to_string(number); }); },
          [](std::map<std::string, std::string>* table) -> std::string {
            std::vector<std::string> pairs;
            for (const auto& [name, text] : *table)
              pairs.push_back(fmt::format("{} = {}", in_quotes(name), in_quotes(text)));
            return pairs.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(pairs, ", "));
          },
          [](WorkerKind* kind) {
            const auto word = std::ranges::find(kinds, *kind, [](const auto& pair) { return pair.first; });
            return word == kinds.end() ? std::string{} : in_quotes(word->second);
          },
          [](Scheduling* scheduling) { return in_quotes(word_of(*scheduling)); },
          [](Durability* durability) { return in_quotes(word_of(*durability)); },
          [](std::optional<Durability>* durability) {
            return *durability ? in_quotes(word_of(**durability)) : std::string{};
          },
          [](Severity* severity) { return in_quotes(to_string(*severity)); },
          [](InputWord word) -> std::string { return *word.flag ? "\"input\"" : ""; },
          [](SideWord word) -> std::string { return *word.below ? "\"<\"" : "\">\""; },
          [](auto* number) { return fmt::format("{}", *number); }},
      field);
}

std::optional<double> to_number(const Field& field) {
  using Number = std::optional<double>;
  return std::visit(
      Overloaded{[](bool* flag) -> Number { return *flag ? 1 : 0; }, [](unsigned* number) -> Number { return *number; },
                 [](std::size_t* number) -> Number { return static_cast<double>(*number); },
                 [](double* number) -> Number { return *number; },
                 [](Scheduling* scheduling) -> Number { return *scheduling == Scheduling::strict ? 1 : 0; },
                 [](Duration* duration) -> Number { return seconds(*duration); },
                 [](Bytes* bytes) -> Number { return static_cast<double>(bytes->count); },
                 [](std::optional<Bytes>* bytes) -> Number {
                   return *bytes ? Number{static_cast<double>((*bytes)->count)} : std::nullopt;
                 },
                 [](const auto&) -> Number { return std::nullopt; }},
      field);
}

std::string describe(const Value& value) {
  return std::visit(Overloaded{[](Value::Other) -> std::string { return "a date or time"; },
                               [](bool flag) -> std::string { return flag ? "true" : "false"; },
                               [](std::int64_t number) { return fmt::format("the number {}", number); },
                               [](double number) { return fmt::format("the number {}", number); },
                               [](const std::string& text) { return fmt::format("the text {}", in_quotes(text)); },
                               [](const Value::List&) -> std::string { return "a list"; },
                               [](const Value::Table&) -> std::string { return "a table"; }},
                    value.is);
}

}  // namespace hotwell::engine

#include "monitor/rule_json.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace hotwell {
namespace monitor {
namespace {

namespace json = boost::json;

constexpr double day = 86'400;

double seconds_in(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// Reads one object's members; the first that is wrong is told.
class Members {
 public:
  explicit Members(const json::object& members) : members_(members) {}

  void text(const char* name, std::string& to) {
    read(name, "a text", [&](const json::value& value) {
      if (!value.is_string()) return false;
      to = value.as_string().c_str();
      return true;
    });
  }
  template <class To>
  void number(const char* name, To& to) {
    read(name, "a number", [&](const json::value& value) {
      if (!value.is_number()) return false;
      to = value.to_number<double>();
      return true;
    });
  }
  void count(const char* name, std::uint64_t& to) {
    read(name, "a whole number from 0 to a million", [&](const json::value& value) {
      if (!value.is_number() || value.is_double()) return false;
      const auto number = value.to_number<double>();
      to = static_cast<std::uint64_t>(std::clamp(number, 0.0, 1e6));
      return number >= 0 && number <= 1e6;
    });
  }
  template <class To>
  void duration(const char* name, To& to) {
    read(name, "seconds from 0 to 86400", [&](const json::value& value) {
      if (!value.is_number()) return false;
      const auto seconds = value.to_number<double>();
      if (!(seconds >= 0 && seconds <= day)) return false;
      to = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
      return true;
    });
  }
  template <class To, std::size_t N>
  void word(const char* name, To& to, const std::array<std::pair<std::string_view, To>, N>& words) {
    std::string expected;
    for (const auto& [each, _] : words) expected += fmt::format("{}\"{}\"", expected.empty() ? "" : " or ", each);
    read(name, expected, [&](const json::value& value) {
      if (!value.is_string()) return false;
      const auto found = std::ranges::find_if(words, [&](const auto& each) { return value.as_string() == each.first; });
      if (found == words.end()) return false;
      to = found->second;
      return true;
    });
  }

  /// What was wrong; or the first member that nobody asked for.
  [[nodiscard]] Result<void> outcome() const {
    if (!wrong_.empty()) return fail(Code::invalid_argument, wrong_);
    for (const auto& [key, value] : members_)
      if (std::ranges::find(known_, std::string_view(key.data(), key.size())) == known_.end())
        return fail(Code::invalid_argument, fmt::format("there is no member \"{}\"; expected {}", std::string_view(key),
                                                        fmt::join(known_, ", ")));
    return {};
  }

 private:
  template <class F>
  void read(std::string_view name, std::string_view expected, F take) {
    known_.push_back(name);
    const auto* value = members_.if_contains(name);
    if (value == nullptr || value->is_null() || take(*value) || !wrong_.empty()) return;
    wrong_ = fmt::format("\"{}\": expected {}, found {}", name, expected, json::serialize(*value));
  }

  const json::object& members_;
  std::vector<std::string_view> known_;
  std::string wrong_;
};

}  // namespace

json::object to_value(const AlertRuleOptions& rule) {
  json::object made{{"name", rule.name}, {"series", rule.series}};
  if (!rule.endpoint.empty()) made["endpoint"] = rule.endpoint;
  if (!rule.operation.empty()) made["operation"] = rule.operation;
  made["op"] = rule.below ? "<" : ">";
  made["level"] = rule.level;
  if (rule.clear) made["clear"] = *rule.clear;
  made["window"] = seconds_in(rule.window);
  if (rule.raise_for) made["for"] = seconds_in(*rule.raise_for);
  if (rule.clear_for) made["clear_for"] = seconds_in(*rule.clear_for);
  made["severity"] = to_string(rule.severity);
  made["min_samples"] = rule.min_samples;
  if (!rule.message.empty()) made["message"] = rule.message;
  return made;
}

Result<AlertRuleOptions> rule_of(const json::object& members) {
  AlertRuleOptions rule;
  Members in(members);
  in.text("name", rule.name);
  in.text("series", rule.series);
  in.text("endpoint", rule.endpoint);
  in.text("operation", rule.operation);
  in.word<bool, 2>("op", rule.below, {{{">", false}, {"<", true}}});
  in.number("level", rule.level);
  in.number("clear", rule.clear);
  in.duration("window", rule.window);
  in.duration("for", rule.raise_for);
  in.duration("clear_for", rule.clear_for);
  in.word<Severity, 3>("severity", rule.severity,
                       {{{"info", Severity::info}, {"warning", Severity::warning}, {"critical", Severity::critical}}});
  in.count("min_samples", rule.min_samples);
  in.text("message", rule.message);
  if (auto outcome = in.outcome(); !outcome) return std::unexpected(outcome.error());
  if (!members.contains("level"))
    return fail(Code::invalid_argument, "\"level\" is missing: where the alert is raised");
  if (!members.contains("series"))
    return fail(Code::invalid_argument, "\"series\" is missing: what the alert is about");
  return rule;
}

}  // namespace monitor

std::string to_json(const AlertRuleOptions& rule) { return boost::json::serialize(monitor::to_value(rule)); }

Result<AlertRuleOptions> alert_rule_from_json(std::string_view text) {
  boost::system::error_code error;
  const auto value = boost::json::parse({text.data(), text.size()}, error);
  if (error) return fail(Code::invalid_argument, fmt::format("no JSON: {}", error.message()));
  if (!value.is_object()) return fail(Code::invalid_argument, "expected a JSON object");
  return monitor::rule_of(value.as_object());
}

}  // namespace hotwell

#include "monitor/rule_file.hpp"

#include <utility>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "monitor/rule_json.hpp"
#include "monitor/saved_file.hpp"

namespace hotwell::monitor {
namespace {

constexpr std::int64_t rules_version = 1;

std::filesystem::path rules_file(const std::filesystem::path& directory) { return directory / "rules.json"; }

}  // namespace

Result<void> save_rules(const std::filesystem::path& directory, const std::vector<AlertRuleOptions>& rules) {
  boost::json::array all;
  for (const AlertRuleOptions& rule : rules) all.push_back(to_value(rule));
  const boost::json::object whole{{"version", rules_version}, {"rules", std::move(all)}};
  std::error_code error;
  std::filesystem::create_directories(directory, error);  // what fails, writing says
  return save_file(rules_file(directory), boost::json::serialize(whole) + "\n");
}

Result<std::vector<AlertRuleOptions>> load_rules(const std::filesystem::path& directory) {
  const auto file = rules_file(directory);
  const auto content = load_file(file);
  if (!content) return std::unexpected(content.error());
  std::vector<AlertRuleOptions> rules;
  if (!*content) return rules;
  const auto corrupt = [&](std::string_view what) {
    return fail(Code::corrupt_input, fmt::format("{} does not hold saved rules: {}", file.string(), what));
  };
  boost::system::error_code error;
  const auto whole = boost::json::parse(**content, error);
  if (error) return corrupt(error.message());
  const auto* members = whole.if_object();
  const auto* list = members == nullptr ? nullptr : members->if_contains("rules");
  if (list == nullptr || !list->is_array()) return corrupt("expected an object with \"rules\"");
  const auto* version = members->if_contains("version");
  if (version == nullptr || *version != rules_version) return corrupt("it is of another version");
  for (const auto& each : list->get_array()) {
    if (!each.is_object()) return corrupt("a rule is no object");
    auto rule = rule_of(each.get_object());
    if (!rule) return corrupt(rule.error().message);
    rules.push_back(std::move(*rule));
  }
  return rules;
}

}  // namespace hotwell::monitor

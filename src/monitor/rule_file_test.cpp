#include "monitor/rule_file.hpp"

#include <fstream>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <boost/json/parse.hpp>

#include "tests/support/temp_dir.hpp"

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;

AlertRuleOptions whole_rule() {
  return {.name = "slowThumbnails",
          .series = "latency.p95",
          .operation = "thumb\"nail\"\n",
          .below = true,
          .level = 2.5,
          .clear = 3.25,
          .window = 90s,
          .raise_for = 1500ms,
          .clear_for = 0s,
          .severity = Severity::critical,
          .min_samples = 20,
          .message = "Thumbnails take"};
}

std::string wrong(std::string_view json) {
  const auto rule = alert_rule_from_json(json);
  EXPECT_FALSE(rule) << json;
  return rule ? "" : rule.error().message;
}

TEST(RuleJson, KeepsEveryMember) {
  const AlertRuleOptions least{.name = "x", .series = "cpu", .endpoint = "GET /", .level = 0.5};
  for (const auto& rule : {whole_rule(), least}) EXPECT_EQ(alert_rule_from_json(to_json(rule)).value(), rule);
}

TEST(RuleJson, WhatIsAbsentOrNullIsTheDefault) {
  const auto rule = alert_rule_from_json(R"({"series":"cpu","level":1,"clear":null,"for":null})").value();
  EXPECT_EQ(rule, (AlertRuleOptions{.name = "", .series = "cpu", .level = 1}));
}

TEST(RuleJson, SaysWhichMemberIsWrongAndWhatWasExpected) {
  EXPECT_EQ(wrong("[]"), "expected a JSON object");
  EXPECT_NE(wrong("{").find("no JSON"), std::string::npos);
  EXPECT_EQ(wrong(R"({"series":"cpu"})"), "\"level\" is missing: where the alert is raised");
  EXPECT_EQ(wrong(R"({"level":1})"), "\"series\" is missing: what the alert is about");
  EXPECT_EQ(wrong(R"({"series":"cpu","level":"high"})"), R"("level": expected a number, found "high")");
  EXPECT_EQ(wrong(R"({"series":"cpu","level":1,"op":"="})"), R"("op": expected ">" or "<", found "=")");
  EXPECT_EQ(wrong(R"({"series":"cpu","level":1,"severity":"mild"})"),
            R"("severity": expected "info" or "warning" or "critical", found "mild")");
  EXPECT_EQ(wrong(R"({"series":"cpu","level":1,"window":-1})"),
            R"("window": expected seconds from 0 to 86400, found -1)");
  EXPECT_EQ(wrong(R"({"series":"cpu","level":1,"min_samples":1.5})"),
            R"("min_samples": expected a whole number from 0 to a million, found 1.5E0)");
  EXPECT_TRUE(wrong(R"({"series":"cpu","level":1,"colour":"red"})")
                  .starts_with("there is no member \"colour\"; expected name"));
}

RC_GTEST_PROP(RuleJson, NoTextBreaksIt, (const std::string& text)) { (void)alert_rule_from_json(text); }

TEST(RuleFile, KeepsRulesAcrossARestart) {
  const test::TempDir directory;
  const auto inner = directory.path() / "monitor";  // made where it is not there
  EXPECT_TRUE(load_rules(inner).value().empty());
  const std::vector<AlertRuleOptions> rules{whole_rule(), {.name = "b", .series = "cpu", .level = 1}};
  ASSERT_TRUE(save_rules(inner, rules));
  EXPECT_EQ(load_rules(inner).value(), rules);
  ASSERT_TRUE(save_rules(inner, {}));
  EXPECT_TRUE(load_rules(inner).value().empty());
}

TEST(RuleFile, SaysWhatIsWrongWithADamagedOne) {
  const test::TempDir directory;
  for (const std::string_view text : {"", "nonsense", "{}", R"({"version":2,"rules":[]})",
                                      R"({"version":1,"rules":[7]})", R"({"version":1,"rules":[{"name":"x"}]})"}) {
    std::ofstream(directory.path() / "rules.json") << text;
    const auto rules = load_rules(directory.path());
    ASSERT_FALSE(rules) << text;
    EXPECT_EQ(rules.error().code, Code::corrupt_input);
    EXPECT_NE(rules.error().message.find("rules.json does not hold saved rules: "), std::string::npos) << text;
  }
}

TEST(RuleFile, ADirectoryThatCannotBeWrittenIsAnError) {
  const test::TempDir directory;
  std::ofstream(directory.path() / "file") << "in the way";
  EXPECT_FALSE(save_rules(directory.path() / "file", {}));
}

}  // namespace
}  // namespace hotwell::monitor

/// hotwell alerts: what fires, silences, rules that are added while the daemon runs, and whether a channel works.
#include <cstdint>
#include <cstdio>
#include <optional>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/table.hpp"

namespace hotwell::cli {
namespace {

struct AlertsOptions {
  DaemonOptions daemon;
  bool json = false;
  std::string name;
  std::string comment;
  double seconds = 3600;
  struct Rule {
    std::string series, endpoint, operation, severity, message;
    bool below = false;
    double level = 0;
    std::optional<double> clear, window, raise_for, clear_for;
    std::optional<std::uint64_t> min_samples;
  } rule;
};

const boost::json::array* array_in(const boost::json::value& answer, std::string_view name) {
  const auto* found = answer.is_object() ? answer.as_object().if_contains(name) : nullptr;
  return found != nullptr && found->is_array() ? &found->as_array() : nullptr;
}

std::string alerts_text(const boost::json::value& answer) {
  std::string text;
  const auto* alerts = array_in(answer, "alerts");
  if (alerts == nullptr || alerts->empty()) {
    text = "nothing fires\n";
  } else {
    Table table({{"alert"}, {"status"}, {"severity"}, {"since"}, {"what"}});
    for (const auto& alert : *alerts) {
      std::string status = text_at(alert, "/status");
      if (!text_at(alert, "/silenced_by").empty()) status += ", silenced";
      if (const auto by = text_at(alert, "/inhibited_by"); !by.empty()) status += ", inhibited by " + by;
      table.add({text_at(alert, "/type"), status, text_at(alert, "/severity"), text_at(alert, "/started_at"),
                 text_at(alert, "/summary")});
    }
    text = table.text();
  }
  if (const auto* silences = array_in(answer, "silences"); silences != nullptr && !silences->empty()) {
    Table table({{"silence"}, {"until"}, {"of"}, {"why"}});
    for (const auto& silence : *silences)
      table.add({text_at(silence, "/id"), text_at(silence, "/ends_at"), boost::json::serialize(silence.at("matchers")),
                 text_at(silence, "/comment")});
    text += "\n" + table.text();
  }
  if (const auto* channels = array_in(answer, "channels"); channels != nullptr && !channels->empty()) {
    Table table({{"channel"},
                 {"kind"},
                 {"waiting", Table::Align::right},
                 {"delivered", Table::Align::right},
                 {"dropped", Table::Align::right},
                 {"last error"}});
    for (const auto& channel : *channels)
      table.add({text_at(channel, "/name"), text_at(channel, "/kind"),
                 fmt::format("{}", number_at(channel, "/pending")), fmt::format("{}", number_at(channel, "/delivered")),
                 fmt::format("{}", number_at(channel, "/dropped")), text_at(channel, "/last_error")});
    text += "\n" + table.text();
  }
  return text;
}

std::string rules_text(const boost::json::value& answer) {
  const auto* rules = array_in(answer, "rules");
  if (rules == nullptr) return "";
  Table table(
      {{"rule"}, {"from"}, {"status"}, {"value", Table::Align::right}, {"fires", Table::Align::right}, {"unit"}});
  for (const auto& rule : *rules) {
    const auto flag = [&](const char* name) { return rule.at(name).is_bool() && rule.at(name).as_bool(); };
    const auto* value = rule.as_object().if_contains("value");
    table.add({text_at(rule, "/type"),
               flag("added") ? "added"
               : flag("own") ? "configuration"
                             : "",
               text_at(rule, "/status"),
               value == nullptr || value->is_null() ? "" : fmt::format("{:.6g}", number_at(rule, "/value")),
               fmt::format("{} {:.6g}", flag("below") ? "<" : ">", number_at(rule, "/threshold")),
               text_at(rule, "/unit")});
  }
  return table.text();
}

boost::json::object rule_body(const AlertsOptions::Rule& rule) {
  boost::json::object body{{"series", rule.series}, {"op", rule.below ? "<" : ">"}, {"level", rule.level}};
  const auto text = [&](const char* name, const std::string& value) {
    if (!value.empty()) body[name] = value;
  };
  const auto number = [&](const char* name, const auto& value) {
    if (value) body[name] = *value;
  };
  text("endpoint", rule.endpoint);
  text("operation", rule.operation);
  text("severity", rule.severity);
  text("message", rule.message);
  number("clear", rule.clear);
  number("window", rule.window);
  number("for", rule.raise_for);
  number("clear_for", rule.clear_for);
  number("min_samples", rule.min_samples);
  return body;
}

Outcome<void> show_rules(const AlertsOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = get_json(*daemon, options.json ? "/v1/alerts/rules" : "/v1/alerts");
  if (!answer) return std::unexpected(answer.error());
  std::fputs((options.json ? pretty(*answer) : rules_text(*answer)).c_str(), stdout);
  return {};
}

Outcome<void> show_alerts(const AlertsOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = get_json(*daemon, "/v1/alerts");
  if (!answer) return std::unexpected(answer.error());
  std::fputs((options.json ? pretty(*answer) : alerts_text(*answer)).c_str(), stdout);
  return {};
}

Outcome<void> send(const AlertsOptions& options, std::string method, std::string target, std::string text,
                   std::string_view done) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = daemon->send({.method = std::move(method),
                                    .target = std::move(target),
                                    .fields = {{"Content-Type", "application/json"}},
                                    .text = std::move(text)});
  if (!answer) return std::unexpected(answer.error());
  std::fputs(fmt::format("{}\n", done).c_str(), stdout);
  return {};
}

}  // namespace

void add_alerts(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<AlertsOptions>();
  CLI::App* list = root.add_subcommand("alerts", "Show what fires; silence it; add rules; test where it is told.");
  list->require_subcommand(0, 1);
  list->add_flag("--json", options->json, "as the server says it");
  add_daemon_options(*list, options->daemon);
  commands.on(list, [options] { return show_alerts(*options); });

  CLI::App* test = list->add_subcommand("test", "Send a test notification to a channel and say how it went.");
  test->add_option("CHANNEL", options->name, "its name in the configuration")->required()->type_name("");
  add_daemon_options(*test, options->daemon);
  commands.on(test, [options] {
    return send(*options, "POST", "/v1/alerts/test",
                boost::json::serialize(boost::json::object{{"channel", options->name}}),
                fmt::format("channel {} works", options->name));
  });

  CLI::App* rules = list->add_subcommand("rules", "Show what is judged, with its level and what was seen last.");
  rules->add_flag("--json", options->json, "those that were added, as `add` takes them");
  add_daemon_options(*rules, options->daemon);
  commands.on(rules, [options] { return show_rules(*options); });

  CLI::App* add = list->add_subcommand("add", "Add a rule of your own, or change one; it stays until it is removed.");
  auto& rule = options->rule;
  add->add_option("NAME", options->name, "the alert's type")->required()->type_name("");
  add->add_option("--series", rule.series, "what it is about: a name of GET /v1/series")->required()->type_name("");
  add->add_option("--level", rule.level, "where it is raised, in the series' unit")->required()->type_name("");
  add->add_flag("--below", rule.below, "raised below the level, not above it");
  add->add_option("--endpoint", rule.endpoint, "of this endpoint's requests alone")->type_name("");
  add->add_option("--operation", rule.operation, "or of this operation's jobs")->type_name("");
  add->add_option("--clear", rule.clear, "where it resolves; else a tenth of the level back")->type_name("");
  add->add_option("--window", rule.window, "seconds that its value looks back on; else 60")->type_name("");
  add->add_option("--for", rule.raise_for, "seconds beyond the level; else monitor.for")->type_name("");
  add->add_option("--clear-for", rule.clear_for, "seconds at its end; else monitor.clear_for")->type_name("");
  add->add_option("--min-samples", rule.min_samples, "with fewer in the window nothing is raised")->type_name("");
  add->add_option("--severity", rule.severity, "info, warning or critical")->type_name("");
  add->add_option("--message", rule.message, "begins what is told of it")->type_name("");
  add_daemon_options(*add, options->daemon);
  commands.on(add, [options] {
    return send(*options, "PUT", "/v1/alerts/rules/" + encode_segment(options->name),
                boost::json::serialize(rule_body(options->rule)),
                fmt::format("{} is in force, and stays so until it is removed", options->name));
  });

  CLI::App* remove = list->add_subcommand("remove", "Remove a rule that was added.");
  remove->add_option("NAME", options->name, "the alert's type")->required()->type_name("");
  add_daemon_options(*remove, options->daemon);
  commands.on(remove, [options] {
    return send(*options, "DELETE", "/v1/alerts/rules/" + encode_segment(options->name), "",
                fmt::format("{} is removed", options->name));
  });

  CLI::App* silence = list->add_subcommand("silence", "Tell nobody of an alert for a while.");
  silence->add_option("ALERT", options->name, "its type, such as cpu")->required()->type_name("");
  silence->add_option("--for", options->seconds, "seconds")->capture_default_str()->type_name("");
  silence->add_option("--comment", options->comment, "why")->type_name("");
  add_daemon_options(*silence, options->daemon);
  commands.on(silence, [options] {
    const boost::json::object body{{"matchers", {{"alertname", options->name}}},
                                   {"duration", options->seconds},
                                   {"created_by", "hotwell alerts"},
                                   {"comment", options->comment}};
    return send(*options, "POST", "/v1/alerts/silences", boost::json::serialize(body),
                fmt::format("{} is silenced", options->name));
  });

  CLI::App* unsilence = list->add_subcommand("unsilence", "End a silence.");
  unsilence->add_option("ID", options->name, "as `hotwell alerts` shows it")->required()->type_name("");
  add_daemon_options(*unsilence, options->daemon);
  commands.on(unsilence, [options] {
    return send(*options, "DELETE", "/v1/alerts/silences/" + encode_segment(options->name), "",
                "the silence has ended");
  });
}

}  // namespace hotwell::cli

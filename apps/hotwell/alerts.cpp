/// hotwell alerts: what fires, silences, and whether a channel works.
#include <cstdio>

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
  CLI::App* list = root.add_subcommand("alerts", "Show what fires; silence it; test where it is told.");
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

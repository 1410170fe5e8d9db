/// hotwell knobs: the numbers that a running daemon is tuned by.
#include <cstdio>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/table.hpp"

namespace hotwell::cli {
namespace {

struct KnobsOptions {
  DaemonOptions daemon;
  bool json = false;
  std::string name;
  double value = 0;
};

std::string list_text(const boost::json::array& knobs) {
  Table table({{"knob"},
               {"value", Table::Align::right},
               {"from", Table::Align::right},
               {"to", Table::Align::right},
               {"unit"},
               {"set by"},
               {"what"}});
  for (const auto& knob : knobs)
    table.add({text_at(knob, "/name"), fmt::format("{}", number_at(knob, "/value")),
               fmt::format("{}", number_at(knob, "/min")), fmt::format("{}", number_at(knob, "/max")),
               text_at(knob, "/unit"), text_at(knob, "/set_by"), text_at(knob, "/description")});
  return table.text();
}

Outcome<void> list_knobs(const KnobsOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = get_json(*daemon, "/v1/knobs");
  if (!answer) return std::unexpected(answer.error());
  const auto* knobs = answer->is_object() ? answer->as_object().if_contains("knobs") : &*answer;
  if (!knobs || !knobs->is_array()) return end(status::failed, "the server's answer is not a list of knobs");
  std::fputs((options.json ? pretty(*answer) : list_text(knobs->as_array())).c_str(), stdout);
  return {};
}

Outcome<void> set_knob(const KnobsOptions& options) {
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  const auto answer = daemon->send({.method = "PUT",
                                    .target = "/v1/knobs/" + encode_segment(options.name),
                                    .fields = {{"Content-Type", "application/json"}},
                                    .text = boost::json::serialize(boost::json::object{{"value", options.value}})});
  return answer ? Outcome<void>{} : std::unexpected(answer.error());
}

}  // namespace

void add_knobs(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<KnobsOptions>();
  CLI::App* list = root.add_subcommand("knobs", "Show the numbers a daemon is tuned by, or turn one.");
  list->require_subcommand(0, 1);
  list->add_flag("--json", options->json, "as the server says it");
  add_daemon_options(*list, options->daemon);
  commands.on(list, [options] { return list_knobs(*options); });

  CLI::App* set = list->add_subcommand("set", "Turn one knob, until the next start.");
  set->add_option("NAME", options->name, "such as pool.max_workers")->required()->type_name("");
  set->add_option("VALUE", options->value, "in the knob's unit")->required()->type_name("");
  add_daemon_options(*set, options->daemon);
  commands.on(set, [options] { return set_knob(*options); });
}

}  // namespace hotwell::cli

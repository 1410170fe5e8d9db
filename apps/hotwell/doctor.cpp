/// hotwell doctor: what of this machine will be used, and what is missing.
#include <cstdio>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/machine.hpp"
#include "apps/hotwell/settings.hpp"
#include "apps/hotwell/table.hpp"

namespace hotwell::cli {
namespace {

struct DoctorOptions {
  Settings settings;
  bool json = false;
};

std::string as_json(const std::vector<Finding>& findings, std::size_t missing) {
  boost::json::array list;
  for (const auto& finding : findings)
    list.push_back({{"name", finding.name},
                    {"state", to_string(finding.state)},
                    {"value", finding.value},
                    {"note", finding.note}});
  return pretty(boost::json::object{{"version", HOTWELL_VERSION}, {"ok", missing == 0}, {"findings", std::move(list)}});
}

std::string as_text(const std::vector<Finding>& findings) {
  Table table({{}, {}, {}});
  for (const auto& finding : findings)
    table.add({finding.state == Finding::State::ok ? "" : std::string(to_string(finding.state)), finding.name,
               finding.value + (finding.note.empty() ? "" : fmt::format(" ({})", finding.note))});
  return table.text();
}

Outcome<void> examine(const DoctorOptions& options) {
  const auto config = load_settings(options.settings);
  if (!config) return std::unexpected(config.error());
  std::vector<Finding> findings;
  for (auto& part : {look_at_kernel(), look_at_helpers(*config), look_at_folders(*config)})
    findings.insert(findings.end(), part.begin(), part.end());
  const auto missing = static_cast<std::size_t>(
      std::ranges::count(findings, Finding::State::missing, [](const Finding& finding) { return finding.state; }));
  std::fputs((options.json ? as_json(findings, missing) : as_text(findings)).c_str(), stdout);
  if (missing == 0) return {};
  return end(status::failed, fmt::format("{} thing{} that the daemon needs {} missing", missing,
                                         missing == 1 ? "" : "s", missing == 1 ? "is" : "are"));
}

}  // namespace

void add_doctor(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = root.add_subcommand("doctor", "Say what of this machine will be used, and what is missing.");
  command->add_flag("--json", options->json, "as JSON");
  add_settings_options(*command, options->settings);
  command->footer("Exit status 1 where something is missing that the daemon cannot do without.");
  commands.on(command, [options] { return examine(*options); });
}

}  // namespace hotwell::cli

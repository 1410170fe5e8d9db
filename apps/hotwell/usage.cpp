#include "apps/hotwell/usage.hpp"

#include <fmt/format.h>

#include "engine/near_miss.hpp"

namespace hotwell::cli {
namespace {

const CLI::App& innermost(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return *app;
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() ? full_name(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

std::string unexpected_argument(const CLI::App& app, const std::string& argument) {
  std::vector<std::string> names;
  const bool flag = argument.starts_with('-');
  if (flag) {
    for (const auto* option : app.get_options())
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  } else {
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(command->get_name());
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto name = argument.substr(0, argument.find('='));
  const char* what = flag ? "option" : candidates.empty() ? "argument" : "command";
  return fmt::format("{} {}{}", flag || !candidates.empty() ? fmt::format("unknown {}", what) : "unexpected argument",
                     name, engine::did_you_mean(name, candidates));
}

}  // namespace

std::string usage_message(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App& app = innermost(root);
  std::string what = error.what();
  const bool has_commands = !app.get_subcommands([](const CLI::App*) { return true; }).empty();
  const bool extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  const bool lacks_command = has_commands && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  if (const auto rest = root.remaining(true); !rest.empty() && (extra || lacks_command))
    what = unexpected_argument(app, rest.front());
  else if (lacks_command)
    what = "which command?";
  return fmt::format("{}: {}\nsee {} --help\n", full_name(app), what, full_name(app));
}

}  // namespace hotwell::cli

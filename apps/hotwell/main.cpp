/// The program `hotwell`: one executable, a source file for each command.
#include <cstdio>

#include <fmt/format.h>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/usage.hpp"

namespace hotwell::cli {

Outcome<void> Commands::run(const CLI::App& root) const {
  const CLI::App* command = &root;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return bodies_.at(command)();
}

void add_version(CLI::App& root, Commands& commands) {
  CLI::App* command = root.add_subcommand("version", "Print this program's version.");
  commands.on(command, []() -> Outcome<void> {
    std::puts("hotwell " HOTWELL_VERSION);
    return {};
  });
}

int run_program(int argc, char** argv) {
  CLI::App app{"A performance engine for services that do expensive work: worker pool, cache and monitor in one.",
               "hotwell"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("hotwell ") + HOTWELL_VERSION);
  Commands commands;
  add_serve(app, commands);
  add_run(app, commands);
  add_status(app, commands);
  add_jobs(app, commands);
  add_explain(app, commands);
  add_cache(app, commands);
  add_alerts(app, commands);
  add_knobs(app, commands);
  add_top(app, commands);
  add_bench(app, commands);
  add_config(app, commands);
  add_replay(app, commands);
  add_doctor(app, commands);
  add_demo(app, commands);
  add_version(app, commands);
  app.footer("hotwell COMMAND --help tells more of each.");  // last: commands would inherit it
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fputs(usage_message(app, error).c_str(), stderr);
    return status::usage;
  }
  const auto outcome = commands.run(app);
  if (outcome) return 0;
  std::fprintf(stderr, "hotwell: %s\n", outcome.error().message.c_str());
  return outcome.error().status;
}

}  // namespace hotwell::cli

int main(int argc, char** argv) { return hotwell::cli::run_program(argc, argv); }

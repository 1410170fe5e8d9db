/// The commands of the program, one source file each: every function adds its own to the command line.
#pragma once

#include <functional>
#include <map>

#include <CLI/CLI.hpp>

#include "apps/hotwell/ending.hpp"

namespace hotwell::cli {

/// What each (sub)command does once the command line was understood.
class Commands {
 public:
  using Body = std::function<Outcome<void>()>;

  void on(const CLI::App* command, Body body) { bodies_[command] = std::move(body); }
  /// Runs the innermost command that was named. Precondition: `root` has parsed a command line that names one.
  [[nodiscard]] Outcome<void> run(const CLI::App& root) const;

 private:
  std::map<const CLI::App*, Body> bodies_;
};

void add_serve(CLI::App& root, Commands& commands);
void add_run(CLI::App& root, Commands& commands);
void add_status(CLI::App& root, Commands& commands);
void add_jobs(CLI::App& root, Commands& commands);
void add_explain(CLI::App& root, Commands& commands);
void add_cache(CLI::App& root, Commands& commands);
void add_alerts(CLI::App& root, Commands& commands);
void add_knobs(CLI::App& root, Commands& commands);
void add_config(CLI::App& root, Commands& commands);
void add_top(CLI::App& root, Commands& commands);
void add_bench(CLI::App& root, Commands& commands);
void add_doctor(CLI::App& root, Commands& commands);
void add_replay(CLI::App& root, Commands& commands);
void add_demo(CLI::App& root, Commands& commands);
void add_version(CLI::App& root, Commands& commands);

}  // namespace hotwell::cli

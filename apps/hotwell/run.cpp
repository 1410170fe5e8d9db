/// hotwell run: reads the command line of a job, finds who runs it, and puts its result where it belongs.
///
/// Invariant: whatever happens, the output is either whole or absent.
#include "apps/hotwell/run.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/interrupt.hpp"
#include "apps/hotwell/settings.hpp"
#include "engine/data_dir.hpp"

namespace hotwell::cli {
namespace {

struct RunOptions {
  std::string operation;
  std::string input;
  std::string output;
  bool force = false;
  std::vector<std::string> params;
  std::string priority = "normal";
  std::string retries;
  std::string timeout;
  std::string no_progress;
  std::string tenant;
  std::string config_file;
  DaemonOptions daemon;
};

ParamValue param_value(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && rest == text.data() + text.size()) return number;
  return text;
}

Outcome<void> open_input(RunJob& job) {
  if (job.input.empty() || job.input.starts_with("cache:")) return {};
  FileHandle file(::open(job.input.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return end(system_error(errno, fmt::format("cannot read {}", job.input)));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return end(system_error(errno, fmt::format("cannot read {}", job.input)));
  if (!S_ISREG(status.st_mode)) return end(status::usage, fmt::format("{} is not a file", job.input));
  job.file_size = static_cast<std::uint64_t>(status.st_size);
  job.file = std::make_shared<const FileHandle>(std::move(file));
  return {};
}

// Leaves `to` as it is where nothing was said.
Outcome<void> read_duration(const std::string& text, std::string_view flag, std::optional<Duration>& to) {
  if (text.empty()) return {};
  const auto duration = parse_duration(text);
  if (!duration) return end(status::usage, fmt::format("{}: {}", flag, duration.error().message));
  if (*duration <= Duration::zero()) return end(status::usage, fmt::format("{}: expected more than no time", flag));
  to = *duration;
  return {};
}

Outcome<RunJob> read_job(const RunOptions& options) {
  RunJob job{.operation = options.operation, .input = options.input, .tenant = options.tenant};
  for (const auto& param : options.params) {
    const auto equals = param.find('=');
    if (equals == std::string::npos || equals == 0)
      return end(status::usage, fmt::format("--param: expected NAME=VALUE, got \"{}\"", param));
    job.params[param.substr(0, equals)] = param_value(param.substr(equals + 1));
  }
  const auto priority = parse_priority(options.priority);
  if (!priority) return end(status::usage, fmt::format("--priority: {}", priority.error().message));
  job.priority = *priority;
  if (!options.retries.empty()) {
    unsigned retries = 0;
    const char* last = options.retries.data() + options.retries.size();
    const auto [rest, error] = std::from_chars(options.retries.data(), last, retries);
    if (error != std::errc{} || rest != last || retries > 100)
      return end(status::usage,
                 fmt::format("--retries: expected a whole number from 0 to 100, got \"{}\"", options.retries));
    job.retries = retries;
  }
  if (auto read = read_duration(options.timeout, "--timeout", job.timeout); !read) return std::unexpected(read.error());
  if (auto read = read_duration(options.no_progress, "--no-progress", job.no_progress); !read)
    return std::unexpected(read.error());
  if (auto opened = open_input(job); !opened) return std::unexpected(opened.error());
  return job;
}

// STEM.OPERATION.EXT in the current folder.
std::filesystem::path default_output(const RunJob& job, std::string_view content_type) {
  const std::string stem = job.file ? std::filesystem::path(job.input).stem().string() : std::string{};
  return fmt::format("{}{}{}.{}", stem, stem.empty() ? "" : ".", job.operation, extension_of(content_type));
}

// A second result would replace the first only when asked to: told before the work is done wherever it can be.
Outcome<void> check_output(const RunOptions& options) {
  if (options.output.empty() || options.output == "-") return {};
  const auto output = Output::file(options.output, options.force ? Output::Existing::replace : Output::Existing::keep);
  return output ? Outcome<void>{} : std::unexpected(output.error());
}

Outcome<Output> open_output(const RunOptions& options, const RunJob& job, std::string_view content_type) {
  if (options.output == "-" || (options.output.empty() && is_text(content_type))) return Output::standard();
  const auto path = options.output.empty() ? default_output(job, content_type) : std::filesystem::path(options.output);
  return Output::file(path, options.force ? Output::Existing::replace : Output::Existing::keep);
}

// An engine of this process's own, or the daemon that holds the data directory; whoever else holds it is waited for.
Outcome<Output> run_somewhere(const RunOptions& options, const RunJob& job, const OpenOutput& open,
                              Progress& progress) {
  if (!options.daemon.server.empty()) {
    auto daemon = find_daemon(options.daemon);
    if (!daemon) return std::unexpected(daemon.error());
    return run_there(*daemon, job, open, progress);
  }
  auto config = load_settings({.file = options.config_file, .flags = {{"--data", options.daemon.data}}});
  // Its one job ends with it; what a daemon left in the journal is the next daemon's.
  if (config) config->journal.enabled = false;
  if (!config) return std::unexpected(config.error());
  if (config->data_dir.empty()) config->data_dir = engine::default_data_dir();
  // One job: nothing is kept warm for a next one, and nobody looks at a window of it.
  config->pool.min_workers = 0;
  config->monitor.enabled = false;
  const DaemonOptions holder_options{.data = config->data_dir.string(), .token_file = options.daemon.token_file};
  bool told = false;
  while (!interrupted()) {
    const auto holder = engine::holder_of(config->data_dir);
    if (holder && !holder->address.empty()) {
      auto daemon = find_daemon(holder_options);
      if (!daemon) return std::unexpected(daemon.error());
      return run_there(*daemon, job, open, progress);
    }
    if (!holder) {
      auto engine = Engine::open(*config);
      if (engine) return run_here(**engine, job, open, progress);
      if (!engine::holder_of(config->data_dir)) return end(engine.error());
    }
    if (!told && holder)
      std::fprintf(stderr, "hotwell: waiting for process %d, which uses %s\n", holder->pid, config->data_dir.c_str());
    told = told || holder.has_value();
    ::poll(nullptr, 0, 20);
  }
  return end(status::failed, "interrupted");
}

Outcome<void> run(const RunOptions& options) {
  note_interrupts();
  const auto job = read_job(options);
  if (!job) return std::unexpected(job.error());
  if (auto checked = check_output(options); !checked) return checked;
  const OpenOutput open = [&](std::string_view content_type) { return open_output(options, *job, content_type); };
  auto output = [&] {
    Progress progress(job->operation);
    return run_somewhere(options, *job, open, progress);
  }();
  if (!output) return std::unexpected(output.error());
  if (auto committed = output->commit(); !committed) return committed;
  if (!output->path().empty() && ::isatty(STDERR_FILENO) == 1)
    std::fprintf(stderr, "%s: %s\n", output->path().c_str(), to_string(Bytes{output->written()}).c_str());
  return {};
}

}  // namespace

std::unexpected<Ending> job_ending(const RunJob& job, Code code, const std::string& message,
                                   const std::string& stderr_tail) {
  std::string text = fmt::format("{}: {}", job.operation, message);
  if (!stderr_tail.empty()) text += "\n" + stderr_tail.substr(0, stderr_tail.find_last_not_of('\n') + 1);
  return end(info(code).exit_code, std::move(text));
}

void add_run(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = root.add_subcommand("run", "Run one job and wait for its result.");
  command->add_option("OPERATION", options->operation, "probe, thumbnail, transcode, or one of the configuration's own")
      ->required()
      ->type_name("");
  command->add_option("INPUT", options->input, "a file, wherever it lies, or cache:KEY; some operations need none")
      ->type_name("");
  command->add_option("-o,--output", options->output, "where the result goes; - is standard output")->type_name("FILE");
  command->add_flag("--force", options->force, "replace an output that exists");
  command->add_option("--param", options->params, "a parameter of the operation; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_option("--priority", options->priority, "high, normal or low")->type_name("PRIORITY");
  command->add_option("--retries", options->retries, "further attempts after one that may pass (3)")->type_name("N");
  command->add_option("--timeout", options->timeout, "of each attempt, such as 30s (5m)")->type_name("TIME");
  command->add_option("--no-progress", options->no_progress, "stop an attempt that is silent for so long (never)")
      ->type_name("TIME");
  command->add_option("--tenant", options->tenant, "who it is for: tenants share the workers evenly")
      ->type_name("NAME");
  command->add_option("--config", options->config_file, "configuration of this process's own engine")
      ->type_name("FILE");
  add_daemon_options(*command, options->daemon);
  command->footer(
      "Runs on an engine of its own over the data directory, or asks the daemon that holds it; --server names "
      "another.\n"
      "Without -o, text goes to standard output and the rest to STEM.OPERATION.EXT in the current folder.\n"
      "Exit status: 0 done, 1 the job failed, 2 bad usage, 3 no server, 4 refused (overloaded, draining).\n\n"
      "  hotwell run probe clip.mp4\n"
      "  hotwell run thumbnail clip.mp4 --param at=10% --param width=320 -o clip.jpg");
  commands.on(command, [options] { return run(*options); });
}

}  // namespace hotwell::cli

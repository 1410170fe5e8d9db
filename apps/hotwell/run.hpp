/// One job from the command line, on an engine of this process or on a daemon.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <hotwell/engine.hpp>

#include "apps/hotwell/client.hpp"
#include "apps/hotwell/output.hpp"
#include "apps/hotwell/progress.hpp"

namespace hotwell::cli {

struct RunJob {
  std::string operation;
  std::shared_ptr<const FileHandle> file;  ///< empty without an input file
  std::uint64_t file_size = 0;
  std::string input;  ///< the file's name, or "cache:KEY", or empty
  Params params;
  Priority priority = Priority::normal;
  std::optional<unsigned> retries;
  std::optional<Duration> timeout;
  std::optional<Duration> no_progress;
  std::string tenant;
};

/// Opens where the result goes, once its type is known.
using OpenOutput = std::function<Outcome<Output>(std::string_view content_type)>;

/// Runs the job and writes its result, not committed yet. An interrupt cancels the job.
[[nodiscard]] Outcome<Output> run_here(Engine& engine, const RunJob& job, const OpenOutput& open, Progress& progress);
[[nodiscard]] Outcome<Output> run_there(Client& daemon, const RunJob& job, const OpenOutput& open, Progress& progress);

/// How a job that did not complete is told: its error, and the last of what its program said on standard error.
[[nodiscard]] std::unexpected<Ending> job_ending(const RunJob& job, Code code, const std::string& message,
                                                 const std::string& stderr_tail);

}  // namespace hotwell::cli

#include "pool/program.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/process.hpp"
#include "host/programs.hpp"

namespace hotwell::pool {
namespace {

/// What hotwell-lines exits with where there is no such program, as a shell does.
constexpr int lines_cannot_start = 127;

/// Trying again will not help: the file is missing, not executable, or no program.
bool is_permanent(int start_error) {
  for (const int e : {ENOENT, EACCES, EPERM, ENOTDIR, EISDIR, ENOEXEC, ELOOP, ENAMETOOLONG, EINVAL, E2BIG, ELIBBAD})
    if (start_error == e) return true;
  return false;
}

}  // namespace

std::vector<std::string> worker_environment(const std::map<std::string, std::string>& own) {
  std::map<std::string, std::string> all = own;
  for (const char* name : {"PATH", "LANG", "HOME", "TMPDIR"})
    if (const char* value = std::getenv(name); value != nullptr) all.emplace(name, value);  // the type's own wins
  std::vector<std::string> list;
  for (const auto& [name, value] : all)
    if (!name.starts_with("HOTWELL_")) list.push_back(name + "=" + value);
  return list;
}

Result<void> complete_lines(WorkerSpec& spec, const std::string& spawner) {
  if (spec.kind != WorkerKind::lines) return {};
  const auto beside = std::filesystem::path(spawner).replace_filename("hotwell-lines");
  auto helper = ::access(beside.c_str(), X_OK) == 0 ? Result<std::string>{beside.string()}
                                                    : host::find_program("hotwell-lines", {}, "HOTWELL_LINES");
  if (!helper) return std::unexpected(helper.error());
  spec.argv.insert(spec.argv.begin(), std::move(*helper));
  return {};
}

std::vector<wire::ResourceLimit> limits_of(const WorkerSpec& spec) {
  if (!spec.memory_limit) return {};
  return {{RLIMIT_DATA, spec.memory_limit->count, spec.memory_limit->count}};
}

WorkerGone describe_end(WorkerId worker, const WorkerSpec& spec, const Spawner::Exit& exit) {
  WorkerGone gone{.worker = worker, .reason = {}};
  if (exit.lost) {
    gone.charged = false;
    gone.reason = {Code::unavailable, "the spawner ended and took its workers with it"};
  } else if (exit.start_error != 0) {
    gone.cannot_start = is_permanent(exit.start_error);
    gone.reason = {gone.cannot_start ? Code::internal : Code::unavailable,
                   fmt::format("worker \"{}\" cannot be started: {}: {}", spec.name, spec.argv.front(),
                               std::strerror(exit.start_error))};
  } else if (spec.kind == WorkerKind::lines && WIFEXITED(exit.wait_status) &&
             WEXITSTATUS(exit.wait_status) == lines_cannot_start) {
    gone.cannot_start = true;
    gone.reason = {Code::internal,
                   fmt::format("worker \"{}\" cannot be started: there is no program {}", spec.name, spec.argv.at(1))};
  } else {
    gone.reason = {Code::crashed, fmt::format("worker \"{}\" {}", spec.name, host::describe_exit(exit.wait_status))};
  }
  return gone;
}

}  // namespace hotwell::pool

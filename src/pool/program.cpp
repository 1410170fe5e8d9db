#include "pool/program.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "host/process.hpp"

namespace hotwell::pool {
namespace {

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
  } else {
    gone.reason = {Code::crashed, fmt::format("worker \"{}\" {}", spec.name, host::describe_exit(exit.wait_status))};
  }
  return gone;
}

}  // namespace hotwell::pool

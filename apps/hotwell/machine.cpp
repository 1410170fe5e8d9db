#include "apps/hotwell/machine.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hotwell/pool.hpp>

#include "engine/data_dir.hpp"
#include "host/process.hpp"
#include "host/programs.hpp"

namespace hotwell::cli {
namespace {

using enum Finding::State;

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// This process's cgroup of the unified hierarchy: "/sys/fs/cgroup/...". Empty where there is none.
std::filesystem::path own_cgroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::/")) return std::filesystem::path("/sys/fs/cgroup") / line.substr(4);
  return {};
}

Finding kernel() {
  utsname name{};
  ::uname(&name);
  return {"kernel", ok, fmt::format("{} {} {}", name.sysname, name.release, name.machine)};
}

Finding processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const bool known = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  std::string value =
      fmt::format("{} usable", known ? CPU_COUNT(&allowed) : static_cast<int>(std::thread::hardware_concurrency()));
  const auto limit = first_line(own_cgroup() / "cpu.max");
  long long quota = 0;
  long long period = 0;
  if (std::sscanf(limit.c_str(), "%lld %lld", &quota, &period) == 2 && period > 0)
    value += fmt::format(", cgroup limit {:.2f}", static_cast<double>(quota) / static_cast<double>(period));
  return {"processors", ok, value};
}

Finding memory() {
  std::ifstream file("/proc/meminfo");
  std::uint64_t total = 0;
  std::uint64_t available = 0;
  for (std::string name, unit; file >> name;) {
    std::uint64_t kib = 0;
    file >> kib;
    std::getline(file, unit);
    if (name == "MemTotal:") total = kib << 10;
    if (name == "MemAvailable:") available = kib << 10;
  }
  std::string value = fmt::format("{}, {} available", to_string(Bytes{total}), to_string(Bytes{available}));
  const auto limit = first_line(own_cgroup() / "memory.max");
  if (!limit.empty() && limit != "max")
    value += fmt::format(", cgroup limit {}", to_string(Bytes{std::strtoull(limit.c_str(), nullptr, 10)}));
  return {"memory", ok, value};
}

// Where the unified hierarchy is mounted; in a hybrid set-up that is not at the top. Empty where there is none.
std::filesystem::path unified_hierarchy() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, place, type, rest; mounts >> device >> place >> type && std::getline(mounts, rest);)
    if (type == "cgroup2") return place;
  return {};
}

Finding control_groups() {
  constexpr const char* workers = "workers' own limits are resource limits";
  const auto mounted = unified_hierarchy();
  if (mounted.empty()) return {"cgroups", limited, "no unified hierarchy", workers};
  const auto controllers = first_line(mounted / "cgroup.controllers");
  if (controllers.empty())
    return {"cgroups", limited, fmt::format("version 2 at {}, without controllers", mounted.string()), workers};
  return {"cgroups", ok, fmt::format("version 2 ({})", controllers), "read for limits and pressure"};
}

Finding open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const bool few = limit.rlim_cur < 1024;
  return {"open files", few ? limited : ok, fmt::format("{}", limit.rlim_cur),
          few ? "each client and each job takes some: raise it (ulimit -n)" : ""};
}

Finding pid_descriptors() {
  const FileHandle self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (self) return {"pidfd", ok, "available", "ends of processes are noticed at once"};
  return {"pidfd", missing, std::strerror(errno), "workers cannot be watched: Linux 5.3 or later is needed"};
}

Finding safe_opening() {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const FileHandle here(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how)));
  if (here) return {"openat2", ok, "available", "inputs cannot leave their media root"};
  return {"openat2", missing, std::strerror(errno), "media roots cannot be enforced: Linux 5.6 or later is needed"};
}

Finding landlock() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version > 0) return {"landlock", ok, fmt::format("ABI {}", version), "no path, no port for confined workers"};
  return {"landlock", limited, std::strerror(errno), "workers are confined by the system call filter alone"};
}

Finding system_call_filter() {
  const std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
  if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
    return {"seccomp", ok, "available", "confines workers to what they are handed"};
  return {"seccomp", limited, std::strerror(errno), "confined workers do not start: media.sandbox = false lets them"};
}

Finding ring() {
  io_uring_params params{};
  const FileHandle made(static_cast<int>(::syscall(SYS_io_uring_setup, 1, &params)));
  if (made) return {"io_uring", ok, "available", "not used by this version"};
  return {"io_uring", ok, std::strerror(errno), "not used by this version"};
}

// What a helper prints when started with one argument; nothing where it does not end well.
std::optional<std::string> output_of(const std::string& program, const std::string& argument) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  FileHandle reading(ends[0]);
  FileHandle writing(ends[1]);
  const auto launched = host::launch({.program = program,
                                      .argv = {program, argument},
                                      .env = {"LANG=C.UTF-8"},
                                      .descriptors = {{writing.get(), STDOUT_FILENO}}});
  writing = FileHandle();
  if (!launched) return std::nullopt;
  std::string text;
  std::array<char, 4096> piece{};
  for (ssize_t got = 0; (got = ::read(reading.get(), piece.data(), piece.size())) > 0;)
    text.append(piece.data(), static_cast<std::size_t>(got));
  siginfo_t end{};
  if (::waitid(P_PIDFD, static_cast<id_t>(launched->pidfd.get()), &end, WEXITED) != 0) return std::nullopt;
  if (end.si_code != CLD_EXITED || end.si_status != 0) return std::nullopt;
  return text;
}

Finding spawner(const Config& config) {
  PoolOptions options = config.pool;
  options.worker = {.kind = WorkerKind::command, .argv = {"true"}, .name = "none"};  // without processes, no spawner
  options.more_workers.clear();
  options.min_workers = 0;
  const auto pool = WorkerPool::open(std::move(options));
  if (!pool) return {"spawner", missing, pool.error().message, "no worker process can be started"};
  const std::string containment = (*pool)->containment();
  const bool enclosed = containment.starts_with("pid namespace");
  return {"containment", enclosed ? ok : limited, containment,
          enclosed ? ""
          : containment.find("cgroup.kill") != std::string::npos
              ? "a worker that moves itself to another control group is looked for rather than known"
              : "what a worker leaves behind is looked for rather than known"};
}

std::vector<Finding> media_worker(const Config& config) {
  if (!config.media) return {{"media worker", ok, "switched off", "media.enabled = false"}};
  const auto program = host::find_program("hotwell-media-worker", config.media_worker, "HOTWELL_MEDIA_WORKER");
  if (!program) return {{"media worker", missing, program.error().message, "no media operation can run"}};
  const auto codecs = output_of(*program, "--codecs");
  if (!codecs) return {{"media worker", missing, fmt::format("{} does not start", *program), "is libav installed?"}};
  std::vector<Finding> findings{{"media worker", ok, *program, "forked from a template that has loaded libav"}};
  if (config.media_sandbox)
    findings.push_back(
        {"sandbox", ok, fmt::format("media workers, {} of memory each", to_string(config.media_memory_limit))});
  else
    findings.push_back({"sandbox", limited, "off", "media.sandbox = false: media files are hostile input"});
  std::string_view rest(*codecs);
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (const auto colon = line.find(": "); colon != std::string_view::npos)
      findings.push_back({std::string(line.substr(0, colon)), ok, std::string(line.substr(colon + 2))});
  }
  return findings;
}

// The nearest folder above that exists: where a directory would be made.
std::filesystem::path existing(std::filesystem::path path) {
  std::error_code ignored;
  while (!path.empty() && path != path.parent_path() && !std::filesystem::exists(path, ignored))
    path = path.parent_path();
  return path.empty() ? "." : path;
}

Finding data_directory(const Config& config) {
  const auto path = config.data_dir.empty() ? engine::default_data_dir() : config.data_dir;
  const auto there = existing(std::filesystem::absolute(path));
  if (!std::filesystem::is_directory(there)) return {"data directory", missing, path.string(), "it is not a directory"};
  if (::access(there.c_str(), W_OK | X_OK) != 0)
    return {"data directory", missing, path.string(), fmt::format("{}: {}", there.string(), std::strerror(errno))};
  struct statvfs room{};
  ::statvfs(there.c_str(), &room);
  const Bytes available{static_cast<std::uint64_t>(room.f_bavail) * room.f_frsize};
  std::string value = fmt::format("{}, {} free", path.string(), to_string(available));
  const auto holder = engine::holder_of(path);
  if (holder)
    value +=
        fmt::format(", held by process {}{}", holder->pid, holder->address.empty() ? "" : " at " + holder->address);
  const bool tight = !holder && available < config.cache.disk_limit;
  return {"data directory", tight ? limited : ok, value,
          tight ? fmt::format("less than cache.disk_limit ({})", to_string(config.cache.disk_limit)) : ""};
}

}  // namespace

std::string_view to_string(Finding::State state) noexcept {
  switch (state) {
    case ok: return "ok";
    case limited: return "limited";
    case missing: return "missing";
  }
  return "missing";
}

std::vector<Finding> look_at_kernel() {
  return {kernel(),          processors(),   memory(),   control_groups(),     open_files(),
          pid_descriptors(), safe_opening(), landlock(), system_call_filter(), ring()};
}

std::vector<Finding> look_at_helpers(const Config& config) {
  std::vector<Finding> findings{spawner(config)};
  for (auto& finding : media_worker(config)) findings.push_back(std::move(finding));
  return findings;
}

std::vector<Finding> look_at_folders(const Config& config) {
  std::vector<Finding> findings{data_directory(config)};
  for (const auto& root : config.media_roots) {
    const bool readable = std::filesystem::is_directory(root) && ::access(root.c_str(), R_OK | X_OK) == 0;
    findings.push_back({"media root", readable ? ok : missing, root.string(),
                        readable ? "" : "it is not a directory that can be read"});
  }
  return findings;
}

}  // namespace hotwell::cli

/// hotwell demo: the main job end to end against a daemon of its own, measured from outside as any client would.
///
/// Invariants: everything that is shown was checked (the cached bytes are the cold ones); unless it is to be kept, the
/// daemon is stopped and must exit 0, and nothing but the results is left.
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/hotwell/client.hpp"
#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/interrupt.hpp"
#include "apps/hotwell/output.hpp"
#include "apps/hotwell/table.hpp"
#include "host/process.hpp"
#include "host/programs.hpp"

namespace hotwell::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct DemoOptions {
  std::string media;
  std::string out = "var/demo";
  bool keep = false;
};

// The caller's variables, without those that would configure the daemon.
std::vector<std::string> plain_environment() {
  std::vector<std::string> variables;
  for (char** each = environ; *each; ++each) {
    const std::string_view variable(*each);
    const bool helper = variable.starts_with("HOTWELL_SPAWNER=") || variable.starts_with("HOTWELL_MEDIA_WORKER=");
    if (!variable.starts_with("HOTWELL_") || helper) variables.emplace_back(variable);
  }
  return variables;
}

bool readable_within(int fd, std::chrono::milliseconds limit) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  for (const auto until = Clock::now() + limit; Clock::now() < until && !interrupted();)
    if (::poll(&wait, 1, 100) > 0) return true;
  return false;
}

// Waits for a process's end; its exit status, or nothing where it did not exit by itself in time.
std::optional<int> exit_status(const FileHandle& pidfd, std::chrono::milliseconds limit) {
  if (!readable_within(pidfd.get(), limit)) return std::nullopt;
  siginfo_t end{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &end, WEXITED) != 0 || end.si_code != CLD_EXITED)
    return std::nullopt;
  return end.si_status;
}

// A `hotwell serve` as a child. Killed with its object, unless it was stopped or let go.
class Daemon {
 public:
  static Outcome<Daemon> start(const fs::path& data, const fs::path& root, const fs::path& log) {
    const std::string program = fs::read_symlink("/proc/self/exe").string();
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return end(system_error(errno, "making a pipe"));
    const FileHandle reading(ends[0]);
    FileHandle writing(ends[1]);
    const FileHandle log_file(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    const FileHandle nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!log_file || !nothing) return end(system_error(errno, fmt::format("opening {}", log.string())));
    auto launched = host::launch(
        {.program = program,
         .argv = {program, "serve", "--listen", "127.0.0.1:0", "--data", data.string(), "--media-root", root.string()},
         .env = plain_environment(),
         .descriptors = {
             {nothing.get(), STDIN_FILENO}, {writing.get(), STDOUT_FILENO}, {log_file.get(), STDERR_FILENO}}});
    if (!launched) return end(launched.error());
    writing = FileHandle();
    Daemon daemon(std::move(launched->pidfd), launched->pid);
    std::string line;
    while (!line.ends_with('\n') && readable_within(reading.get(), std::chrono::seconds{30})) {
      std::array<char, 256> piece{};
      const ssize_t got = ::read(reading.get(), piece.data(), piece.size());
      if (got <= 0) break;
      line.append(piece.data(), static_cast<std::size_t>(got));
    }
    constexpr std::string_view greeting = "listening on ";
    if (!line.starts_with(greeting) || !line.ends_with('\n'))
      return end(status::failed, fmt::format("the daemon did not start: see {}", log.string()));
    daemon.url_ = line.substr(greeting.size(), line.size() - greeting.size() - 1);
    return daemon;
  }

  Daemon(Daemon&&) = default;
  Daemon& operator=(Daemon&&) = delete;
  ~Daemon() {
    if (pidfd_ && host::signal_process(pidfd_.get(), SIGKILL)) (void)exit_status(pidfd_, std::chrono::seconds{10});
  }

  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] int pid() const { return pid_; }
  void let_go() { pidfd_ = FileHandle(); }

  Outcome<void> stop() {
    host::signal_process(pidfd_.get(), SIGTERM);
    const auto status = exit_status(pidfd_, std::chrono::seconds{60});
    if (!status) return end(status::failed, "the daemon did not stop");
    pidfd_ = FileHandle();
    if (*status != 0) return end(status::failed, fmt::format("the daemon exited with status {}", *status));
    return {};
  }

 private:
  Daemon(FileHandle pidfd, int pid) : pidfd_(std::move(pidfd)), pid_(pid) {}
  FileHandle pidfd_;
  int pid_;
  std::string url_;
};

// A directory for one run.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "hotwell-demo-XXXXXX").string();
    if (::mkdtemp(name.data())) path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }
  void let_go() { path_.clear(); }

 private:
  fs::path path_;
};

Outcome<void> make_clip(const fs::path& clip) {
  const auto program = host::find_program("hotwell-sample-clip", "", "HOTWELL_SAMPLE_CLIP");
  if (!program) return end(program.error());
  const auto launched = host::launch(
      {.program = *program, .argv = {*program, "--seconds", "20", clip.string()}, .env = plain_environment()});
  if (!launched) return end(launched.error());
  const auto status = exit_status(launched->pidfd, std::chrono::minutes{5});
  if (status == 0) return {};
  host::signal_process(launched->pidfd.get(), SIGKILL);
  return end(status::failed, "the sample clip could not be made");
}

struct Answer {
  std::string bytes;
  std::string content_type;
  std::string cache_status;
  Duration time{};
};

Outcome<Answer> ask(Client& client, const std::string& target) {
  const auto began = Clock::now();
  auto response = client.send({.target = target, .patience = std::chrono::minutes{10}});
  if (!response) return std::unexpected(response.error());
  Answer answer{.content_type = response->field("content-type"), .cache_status = response->field("cache-status")};
  answer.bytes = std::move(response->text);
  answer.time = Clock::now() - began;
  return answer;
}

// "memory" of `hotwell; hit; detail=memory`; empty where it was no hit.
std::string level_of(const std::string& cache_status) {
  const auto detail = cache_status.find("hit; detail=");
  if (detail == std::string::npos) return {};
  const auto begin = detail + std::string_view("hit; detail=").size();
  return cache_status.substr(begin, cache_status.find_first_of("; ,", begin) - begin);
}

struct Errand {
  const char* what;
  std::string operation;
  std::string query;
};

// Asks once for what nobody has asked for yet, then again and again: the median of the second kind is shown.
Outcome<void> show(Client& client, const Errand& errand, const fs::path& clip, const fs::path& out, Table& table) {
  std::printf("%s ...\n", errand.what);
  std::fflush(stdout);
  const std::string target =
      fmt::format("/media/{}/{}{}", errand.operation, encode_segment(clip.filename().string()), errand.query);
  const auto cold = ask(client, target);
  if (!cold) return std::unexpected(cold.error());
  if (const auto level = level_of(cold->cache_status); !level.empty())
    return end(status::failed, fmt::format("{} was already in {}", errand.what, level));
  std::vector<Duration> times;
  std::string level;
  for (int i = 0; i < 11; ++i) {
    const auto again = ask(client, target);
    if (!again) return std::unexpected(again.error());
    level = level_of(again->cache_status);
    if (level.empty())
      return end(status::failed, fmt::format("{} was not cached: {}", errand.what, again->cache_status));
    if (again->bytes != cold->bytes)
      return end(status::failed, fmt::format("{} came back with other bytes", errand.what));
    times.push_back(again->time);
  }
  std::ranges::nth_element(times, times.begin() + 5);
  const auto name = fmt::format("{}.{}.{}", clip.stem().string(), errand.operation, extension_of(cold->content_type));
  auto file = Output::file(out / name, Output::Existing::replace);
  if (!file) return std::unexpected(file.error());
  if (auto wrote = file->write(std::string_view(cold->bytes)); !wrote) return wrote;
  if (auto committed = file->commit(); !committed) return committed;
  table.add({errand.what, to_string(cold->time), to_string(times[5]),
             fmt::format("{:.0f} x", static_cast<double>(cold->time.count()) / static_cast<double>(times[5].count())),
             level, fmt::format("{}", cold->bytes.size())});
  return {};
}

Outcome<void> demonstrate(const DemoOptions& options) {
  note_interrupts();
  const fs::path out = options.out;
  std::error_code error;
  fs::create_directories(out, error);
  if (error) return end(system_error(error.value(), fmt::format("making {}", out.string())));
  const fs::path clip = options.media.empty() ? out / "clip.mp4" : fs::path(options.media);
  if (options.media.empty()) {
    std::printf("making a sample clip ...\n");
    std::fflush(stdout);
    if (auto made = make_clip(clip); !made) return made;
  } else if (!fs::is_regular_file(clip, error)) {
    return end(status::failed, fmt::format("{} is not a file", clip.string()));
  }
  Scratch scratch;
  if (scratch.path().empty()) return end(system_error(errno, "making a temporary directory"));
  const fs::path root = clip.has_parent_path() ? clip.parent_path() : fs::path(".");
  auto daemon = Daemon::start(scratch.path() / "data", root, out / "hotwell.log");
  if (!daemon) return std::unexpected(daemon.error());
  const auto server = parse_server(daemon->url());
  if (!server) return std::unexpected(server.error());
  std::printf("hotwell serve is listening on %s (log: %s)\n", daemon->url().c_str(), (out / "hotwell.log").c_str());

  // A result of a file that changed a moment ago is served but not kept: it could change again unseen.
  std::error_code unknown;
  const auto settled = fs::last_write_time(clip, unknown) + std::chrono::milliseconds(150);
  if (!unknown && settled > fs::file_time_type::clock::now())
    std::this_thread::sleep_for(settled - fs::file_time_type::clock::now());

  Client client(*server, "");
  Table table({{"what"},
               {"cold", Table::Align::right},
               {"cached", Table::Align::right},
               {"faster", Table::Align::right},
               {"from"},
               {"bytes", Table::Align::right}});
  const std::array<Errand, 3> errands{{{"probe", "probe", ""},
                                       {"thumbnail", "thumbnail", "?at=50%25&width=320"},
                                       {"transcode", "transcode", "?format=mp4&height=240"}}};
  for (const auto& errand : errands)
    if (auto shown = show(client, errand, clip, out, table); !shown) return shown;
  std::printf("\n%s\nresults are in %s\n", table.text().c_str(), out.c_str());
  if (options.keep) {
    std::printf("the daemon keeps running: dashboard at %s/, stop it with: kill %d\n", daemon->url().c_str(),
                daemon->pid());
    std::printf("its data directory: %s\n", scratch.path().c_str());
    daemon->let_go();
    scratch.let_go();
    return {};
  }
  if (auto stopped = daemon->stop(); !stopped) return stopped;
  std::printf("the daemon stopped cleanly\n");
  return {};
}

}  // namespace

void add_demo(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App* command = root.add_subcommand(
      "demo", "Start a daemon, probe, thumbnail and transcode a clip, ask again, and show what the cache saved.");
  command->add_option("--media", options->media, "the clip (by default one is made)")->type_name("FILE");
  command->add_option("--out", options->out, "where the results go (var/demo)")->type_name("DIR");
  command->add_flag("--keep", options->keep, "leave the daemon running");
  commands.on(command, [options] { return demonstrate(*options); });
}

}  // namespace hotwell::cli

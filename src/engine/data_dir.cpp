#include "engine/data_dir.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace hotwell::engine {
namespace {

constexpr std::string_view format_line = "hotwell data 1\n";
constexpr std::string_view layout =
    "This directory belongs to hotwell.\n"
    "  LOCK    held by the running engine: its process id and where it listens\n"
    "  FORMAT  the version of this layout\n"
    "  journal/  accepted jobs, their attempts and ends, and the uploads that they need again\n"
    "  cache/  stored objects and results, see docs/formats/\n"
    "Stop the engine before you copy or delete anything here. Deleting cache/ loses only what can be made or stored "
    "again; deleting journal/ loses accepted jobs.\n";

std::string read_small(int fd) {
  std::array<char, 512> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  return {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

Result<void> replace_content(int fd, std::string_view text) {
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return system_fail(errno, "writing LOCK");
  return {};
}

Holder parse_holder(std::string_view text) {
  Holder holder;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with("pid ")) {
      std::from_chars(line.data() + 4, line.data() + line.size(), holder.pid);
    } else if (line.starts_with("address ")) {
      holder.address = line.substr(8);
    }
  }
  return holder;
}

// A file that is either absent or whole, whenever the machine stops.
Result<void> write_whole(const std::filesystem::path& path, std::string_view text) {
  const std::filesystem::path unfinished = path.string() + ".new";
  std::ofstream file(unfinished, std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(unfinished, path, error);
  if (!file || error) return system_fail(error ? error.value() : errno, fmt::format("writing {}", path.string()));
  return {};
}

std::string lock_text(std::string_view address) {
  std::string text = fmt::format("pid {}\n", ::getpid());
  if (!address.empty()) text += fmt::format("address {}\n", address);
  return text;
}

}  // namespace

Result<DataDir> DataDir::open(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return std::unexpected(system_error(error.value(), fmt::format("making the data directory {}", path.string())));

  const auto format_path = path / "FORMAT";
  std::ifstream format(format_path);
  if (format) {
    const std::string found{std::istreambuf_iterator<char>(format), {}};
    if (found != format_line)
      return fail(
          Code::invalid_argument,
          fmt::format("{} says \"{}\": this version of hotwell does not know that format and leaves it untouched",
                      format_path.string(), found.substr(0, found.find('\n'))));
  }

  FileHandle lock{::open((path / "LOCK").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
  if (!lock) return std::unexpected(system_error(errno, fmt::format("opening {}", (path / "LOCK").string())));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return std::unexpected(system_error(errno, "locking the data directory"));
    const Holder holder = parse_holder(read_small(lock.get()));
    return fail(Code::unavailable,
                fmt::format("the data directory {} is held by process {}{}", path.string(), holder.pid,
                            holder.address.empty() ? "" : ", which listens on " + holder.address));
  }
  if (auto written = replace_content(lock.get(), lock_text("")); !written) return std::unexpected(written.error());
  if (!format) {
    // LAYOUT.txt first: FORMAT says that the rest is complete.
    if (auto written = write_whole(path / "LAYOUT.txt", layout); !written) return std::unexpected(written.error());
    if (auto written = write_whole(format_path, format_line); !written) return std::unexpected(written.error());
  }
  return DataDir{path, std::move(lock)};
}

Result<void> DataDir::announce(std::string_view address) { return replace_content(lock_.get(), lock_text(address)); }

std::optional<Holder> holder_of(const std::filesystem::path& data_dir) {
  const FileHandle lock{::open((data_dir / "LOCK").c_str(), O_RDONLY | O_CLOEXEC)};
  if (!lock) return std::nullopt;
  if (::flock(lock.get(), LOCK_SH | LOCK_NB) == 0) return std::nullopt;
  return parse_holder(read_small(lock.get()));
}

std::filesystem::path default_data_dir() {
  if (::geteuid() == 0) return "/var/lib/hotwell";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/')
    return std::filesystem::path(state) / "hotwell";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "/tmp") / ".local" / "state" / "hotwell";
}

}  // namespace hotwell::engine

#include "monitor/saved_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include <hotwell/body.hpp>

namespace hotwell::monitor {
namespace {

Result<void> write_synced(const std::filesystem::path& file, std::string_view bytes) {
  const FileHandle handle(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  const auto failed = [&](const char* what) {
    const int error = errno;
    return std::unexpected(system_error(error, fmt::format("{}: {}", file.string(), what)));
  };
  if (!handle) return failed("opening it");
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(handle.get(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("writing it");
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  // Before the rename: else the machine's death may leave the new name without the new bytes.
  if (::fdatasync(handle.get()) != 0) return failed("syncing it");
  return {};
}

}  // namespace

Result<void> save_file(const std::filesystem::path& file, std::string_view bytes) {
  std::filesystem::path beside = file;
  beside += ".new";
  if (auto written = write_synced(beside, bytes); !written) return written;
  if (::rename(beside.c_str(), file.c_str()) != 0) {
    const int error = errno;
    return std::unexpected(system_error(error, fmt::format("{}: renaming it", beside.string())));
  }
  return {};
}

Result<std::optional<std::string>> load_file(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream content;
  if (!stream || !(content << stream.rdbuf())) {
    // Nothing is put in from an empty file, which is not a failure of reading.
    if (!stream || !std::filesystem::is_empty(file, error))
      return fail(Code::io, fmt::format("{} cannot be read", file.string()));
  }
  return std::move(content).str();
}

}  // namespace hotwell::monitor

#include "apps/hotwell/output.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.hpp"

namespace hotwell::cli {
namespace {

std::unexpected<Ending> already_there(const std::filesystem::path& path) {
  return end(status::usage, fmt::format("{} exists: --force replaces it, -o names another file", path.string()));
}

}  // namespace

Output Output::standard() { return {STDOUT_FILENO, {}}; }

Outcome<Output> Output::file(const std::filesystem::path& path, Existing existing) {
  struct stat status{};
  const bool there = ::stat(path.c_str(), &status) == 0;
  if (there && S_ISDIR(status.st_mode))
    return end(status::usage, fmt::format("{} is a directory: -o names a file", path.string()));
  if (there && !S_ISREG(status.st_mode)) {
    Output output(::open(path.c_str(), O_WRONLY | O_CLOEXEC), path);
    if (output.fd_ < 0) return end(system_error(errno, fmt::format("opening {}", path.string())));
    output.owned_ = FileHandle(output.fd_);
    return output;
  }
  if (there && existing == Existing::keep) return already_there(path);
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::string unfinished = (folder / fmt::format(".{}.XXXXXX", path.filename().string())).string();
  Output output(::mkostemp(unfinished.data(), O_CLOEXEC), path);
  if (output.fd_ < 0) return end(system_error(errno, fmt::format("writing to {}", folder.string())));
  output.owned_ = FileHandle(output.fd_);
  output.unfinished_ = unfinished;
  output.existing_ = existing;
  // mkostemp's files are the owner's alone; a result is a file like any other.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  (void)::fchmod(output.fd_, 0666 & ~mask);
  return output;
}

Output::Output(Output&& other) noexcept
    : fd_(other.fd_),
      owned_(std::move(other.owned_)),
      path_(std::move(other.path_)),
      unfinished_(std::exchange(other.unfinished_, {})),
      existing_(other.existing_),
      written_(other.written_) {}

Output::~Output() {
  if (!unfinished_.empty()) (void)::unlink(unfinished_.c_str());
}

Outcome<void> Output::write(std::string_view bytes) {
  written_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0)
      return end(system_error(errno, path_.empty() ? "writing to standard output" : "writing " + path_.string()));
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

Outcome<void> Output::write(const Body& body) {
  if (const auto* buffer = std::get_if<Buffer>(&body)) return write(buffer->text());
  const auto* slice = std::get_if<FileSlice>(&body);
  HOTWELL_ASSERT(slice != nullptr);
  std::vector<char> piece(1U << 20);
  for (std::uint64_t at = 0; at < slice->length;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), slice->length - at));
    const ssize_t got = ::pread(slice->file->get(), piece.data(), wanted, static_cast<off_t>(slice->offset + at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return end(system_error(got < 0 ? errno : EIO, "reading the result"));
    if (auto wrote = write(std::string_view(piece.data(), static_cast<std::size_t>(got))); !wrote) return wrote;
    at += static_cast<std::uint64_t>(got);
  }
  return {};
}

Outcome<void> Output::commit() {
  if (unfinished_.empty()) return {};
  const unsigned flags = existing_ == Existing::keep ? RENAME_NOREPLACE : 0U;
  if (::renameat2(AT_FDCWD, unfinished_.c_str(), AT_FDCWD, path_.c_str(), flags) != 0) {
    if (errno == EEXIST) return already_there(path_);
    return end(system_error(errno, fmt::format("writing {}", path_.string())));
  }
  unfinished_.clear();
  return {};
}

bool is_text(std::string_view content_type) {
  const auto type = content_type.substr(0, content_type.find(';'));
  return type.starts_with("text/") || type == "application/json" || type.ends_with("+json");
}

std::string_view extension_of(std::string_view content_type) {
  using Row = std::pair<std::string_view, std::string_view>;
  static constexpr std::array<Row, 18> table{{{"image/jpeg", "jpg"},
                                              {"image/png", "png"},
                                              {"image/webp", "webp"},
                                              {"image/gif", "gif"},
                                              {"image/svg+xml", "svg"},
                                              {"video/mp4", "mp4"},
                                              {"video/webm", "webm"},
                                              {"video/x-matroska", "mkv"},
                                              {"video/matroska", "mkv"},
                                              {"audio/mpeg", "mp3"},
                                              {"audio/ogg", "ogg"},
                                              {"audio/opus", "opus"},
                                              {"audio/wav", "wav"},
                                              {"audio/mp4", "m4a"},
                                              {"application/json", "json"},
                                              {"application/pdf", "pdf"},
                                              {"text/html", "html"},
                                              {"text/plain", "txt"}}};
  const auto type = content_type.substr(0, content_type.find(';'));
  const auto row = std::ranges::find(table, type, &Row::first);
  return row == table.end() ? "bin" : row->second;
}

}  // namespace hotwell::cli

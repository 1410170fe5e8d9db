#include "engine/input.hpp"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hotwell::engine {
namespace {

constexpr auto settling_time = std::chrono::milliseconds{100};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

std::string status_identity(const struct stat& status) {
  return fmt::format("file:{}:{}:{}:{}.{:09}:{}.{:09}", status.st_dev, status.st_ino, status.st_size,
                     status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

// Opens `path` beneath `root`; the kernel refuses whatever would leave it.
int open_beneath(int root, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: something was renamed while the kernel looked; it asks to be called again.
  for (int attempt = 0; attempt < 16; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno != EAGAIN && errno != EINTR) return -errno;
  }
  return -EAGAIN;
}

}  // namespace

Result<std::shared_ptr<const FileHandle>> file_of(const Object& object) {
  if (const auto* slice = std::get_if<FileSlice>(&object.body)) {
    struct stat status{};
    if (slice->offset == 0 && ::fstat(slice->file->get(), &status) == 0 &&
        static_cast<std::uint64_t>(status.st_size) == slice->length) {
      // Opened anew: a worker gets a position of its own, and must not be able to write into the cache.
      FileHandle own{::open(fmt::format("/proc/self/fd/{}", slice->file->get()).c_str(), O_RDONLY | O_CLOEXEC)};
      if (!own) return system_fail(errno, "opening the stored object");
      return std::make_shared<const FileHandle>(std::move(own));
    }
  }
  FileHandle copy{::memfd_create("hotwell-input", MFD_CLOEXEC)};
  if (!copy) return system_fail(errno, "making a file for the input");
  ByteView rest = object.bytes();
  while (!rest.empty()) {
    const ssize_t written = ::write(copy.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_fail(errno, "copying the input");
    rest = rest.subview(static_cast<std::size_t>(written), rest.size() - static_cast<std::size_t>(written));
  }
  return std::make_shared<const FileHandle>(std::move(copy));
}

Result<InputOpener> InputOpener::open(const std::vector<std::filesystem::path>& roots, const host::Clock& clock) {
  InputOpener opener;
  opener.clock_ = &clock;
  for (const auto& path : roots) {
    std::error_code error;
    const auto canonical = std::filesystem::canonical(path, error);
    FileHandle directory{error ? -1 : ::open(canonical.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!directory)
      return std::unexpected(system_error(error ? error.value() : errno, fmt::format("media root {}", path.string())));
    opener.roots_.push_back({canonical, std::make_shared<const FileHandle>(std::move(directory))});
  }
  return opener;
}

Result<ResolvedInput> InputOpener::resolve(const Input& input, Cache& cache) const {
  return std::visit(Overloaded{
                        [](const std::monostate&) -> Result<ResolvedInput> { return ResolvedInput{}; },
                        [this](const InputPath& path) { return resolve_path(path.path); },
                        [&cache](const InputObject& object) -> Result<ResolvedInput> {
                          auto found = cache.get(object.key);
                          if (!found) return std::unexpected(found.error());
                          if (!*found)
                            return fail(Code::not_found, fmt::format("the cache has no object \"{}\"", object.key));
                          auto file = file_of(**found);
                          if (!file) return std::unexpected(file.error());
                          return ResolvedInput{*file, fmt::format("object:{}:{}", object.key, (*found)->generation),
                                               "cache:" + object.key};
                        },
                        [](const InputUpload& upload) -> Result<ResolvedInput> {
                          return ResolvedInput{upload.file, "sha256:" + upload.sha256,
                                               upload.name.empty() ? "upload" : upload.name};
                        },
                        [this](const InputHandle& handle) { return from_file(handle.file, handle.name); },
                    },
                    input);
}

Result<ResolvedInput> InputOpener::resolve_path(const std::string& path) const {
  if (path.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "an input path must not contain a zero byte");
  if (roots_.empty())
    return fail(Code::outside_root, fmt::format("\"{}\" cannot be opened: no media root is configured", path));
  // An absolute path is looked for in the roots that it names; a relative one in every root, in order.
  const bool absolute = path.starts_with('/');
  Error error{Code::outside_root, fmt::format("\"{}\" lies in no media root", path), nullptr};
  for (const auto& root : roots_) {
    std::string relative = path;
    if (absolute) {
      const std::string prefix = root.path == "/" ? "/" : root.path.string() + "/";
      if (!path.starts_with(prefix)) continue;
      relative = path.substr(prefix.size());
    }
    const int fd = open_beneath(root.directory->get(), relative.empty() ? "." : relative);
    if (fd >= 0) return from_file(std::make_shared<const FileHandle>(fd), path);
    switch (-fd) {
      case EXDEV:
      case ELOOP: error = {Code::outside_root, fmt::format("\"{}\" leads out of its media root", path), nullptr}; break;
      case ENOENT:
      case ENOTDIR: error = {Code::not_found, fmt::format("there is no input \"{}\"", path), nullptr}; break;
      case ENAMETOOLONG: error = {Code::invalid_argument, "the input path is too long", nullptr}; break;
      default: error = system_error(-fd, fmt::format("opening \"{}\"", path));
    }
    if (error.code != Code::not_found) return std::unexpected(error);
  }
  return std::unexpected(error);
}

Result<ResolvedInput> InputOpener::from_file(std::shared_ptr<const FileHandle> file, std::string text) const {
  struct stat status{};
  if (::fstat(file->get(), &status) != 0)
    return system_fail(errno, fmt::format("asking for the status of \"{}\"", text));
  if (S_ISDIR(status.st_mode))
    return fail(Code::invalid_argument, fmt::format("\"{}\" is a directory; an input is a file", text));
  if (!S_ISREG(status.st_mode)) return fail(Code::invalid_argument, fmt::format("\"{}\" is not a regular file", text));
  const auto modified = std::chrono::sys_time<std::chrono::nanoseconds>{
      std::chrono::seconds{status.st_mtim.tv_sec} + std::chrono::nanoseconds{status.st_mtim.tv_nsec}};
  ResolvedInput input{std::move(file), status_identity(status), std::move(text)};
  input.settling = clock_->wall() - modified < settling_time;
  input.by_status = true;
  return input;
}

Result<void> InputOpener::check_unchanged(const ResolvedInput& input) {
  if (!input.by_status) return {};
  struct stat status{};
  if (::fstat(input.file->get(), &status) != 0) return system_fail(errno, "asking for the input's status");
  if (status_identity(status) != input.identity)
    return fail(Code::input_changed, fmt::format("\"{}\" changed while it was read", input.text));
  return {};
}

}  // namespace hotwell::engine

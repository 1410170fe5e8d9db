/// The data directory: one engine at a time, and a note for clients where its server listens.
///
/// Invariants: everything below the directory belongs to the process that holds LOCK (flock, so that the kernel
/// releases it even after kill -9); a directory of a format that this version does not know is left untouched.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <hotwell/body.hpp>
#include <hotwell/result.hpp>

namespace hotwell::engine {

/// What LOCK says of the process that holds a directory.
struct Holder {
  int pid = 0;
  std::string address;  ///< "http://127.0.0.1:8080"; empty while it listens nowhere
};

class DataDir {
 public:
  /// Makes the directory if it is absent, and locks it. Errors: unavailable names the holder; denied; io;
  /// invalid_argument for an unknown format.
  [[nodiscard]] static Result<DataDir> open(const std::filesystem::path& path);

  /// Rewrites LOCK with the address. Errors: io, disk_full.
  Result<void> announce(std::string_view address);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  DataDir(std::filesystem::path path, FileHandle lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  FileHandle lock_;
};

/// Who holds a directory now; nothing if nobody does.
[[nodiscard]] std::optional<Holder> holder_of(const std::filesystem::path& data_dir);

/// /var/lib/hotwell for root, else $XDG_STATE_HOME/hotwell or ~/.local/state/hotwell.
[[nodiscard]] std::filesystem::path default_data_dir();

}  // namespace hotwell::engine

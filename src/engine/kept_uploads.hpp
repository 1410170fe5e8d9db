/// Uploads of journaled jobs: their bytes have names as long as the jobs may run (again), so that they are there after
/// a restart.
///
/// Invariant: a file's name is its job's id, and its bytes never change. Threads: any; calls may take as long as
/// copying the upload does, where the cache lies on another file system.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include <hotwell/engine.hpp>

namespace hotwell::engine {

class KeptUploads {
 public:
  /// Makes the directory. Errors: denied, disk_full, io.
  [[nodiscard]] static Result<KeptUploads> open(std::filesystem::path directory);

  /// Gives the upload's bytes a name; with Durability::power they are on the medium then. Errors: disk_full, io.
  Result<void> keep(std::string_view job_id, const InputUpload& upload, Durability durability) const;
  /// Errors: result_gone.
  [[nodiscard]] Result<std::shared_ptr<const FileHandle>> find(std::string_view job_id) const;
  void remove(std::string_view job_id) const;
  /// Removes those of all jobs but the ones that are wanted: what a crash left behind.
  void remove_all_but(const std::function<bool(std::string_view job_id)>& wanted) const;

 private:
  explicit KeptUploads(std::filesystem::path directory) : directory_(std::move(directory)) {}
  [[nodiscard]] std::filesystem::path path_of(std::string_view job_id) const { return directory_ / job_id; }
  std::filesystem::path directory_;
};

}  // namespace hotwell::engine

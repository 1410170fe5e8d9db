/// Inputs: from what a request names to an open descriptor and an identity that changes whenever the bytes may have.
///
/// Invariant: nothing outside a media root is ever opened on a request's word, by "..", by a link or by a race: paths
/// are resolved by the kernel beneath their root (openat2, RESOLVE_BENEATH).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <hotwell/cache.hpp>
#include <hotwell/engine.hpp>
#include "host/clock.hpp"

namespace hotwell::engine {

struct ResolvedInput {
  std::shared_ptr<const FileHandle> file;  ///< empty without an input
  std::string identity;                    ///< equal only for equal bytes; empty without an input
  std::string text;                        ///< as a job shows it
  /// The file's status may still change without a trace (it was modified a moment ago): serve, but do not keep.
  bool settling = false;
  /// The identity comes from the file's status, so it must be asked again after the job.
  bool by_status = false;
};

/// An object's bytes as a file opened for reading alone, from offset 0. Errors: io, out_of_memory.
[[nodiscard]] Result<std::shared_ptr<const FileHandle>> file_of(const Object& object);

/// Opens inputs. Threads: any. Calls are a few system calls each, but for objects that have to be read.
class InputOpener {
 public:
  /// Errors: not_found and io name the root that cannot be opened.
  [[nodiscard]] static Result<InputOpener> open(const std::vector<std::filesystem::path>& roots,
                                                const host::Clock& clock);

  /// Errors: not_found, outside_root, denied, invalid_argument (a directory, a device, no such kind of input), io.
  [[nodiscard]] Result<ResolvedInput> resolve(const Input& input, Cache& cache) const;

  /// Whether the file still is what `resolve` saw. Errors: input_changed, io.
  [[nodiscard]] static Result<void> check_unchanged(const ResolvedInput& input);

 private:
  struct Root {
    std::filesystem::path path;
    std::shared_ptr<const FileHandle> directory;
  };

  [[nodiscard]] Result<ResolvedInput> resolve_path(const std::string& path) const;
  [[nodiscard]] Result<ResolvedInput> from_file(std::shared_ptr<const FileHandle> file, std::string text) const;

  std::vector<Root> roots_;
  const host::Clock* clock_ = nullptr;
};

}  // namespace hotwell::engine

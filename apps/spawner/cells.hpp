/// Cells: wardens in namespaces of their own that wait for a worker. Making a process and its namespace is the larger
/// part of what a small worker's start costs; here it is done before anybody waits for it.
///
/// Invariants: a cell holds nothing but its own socket and the way to the spawner, and ends with the spawner, as every
/// warden does. A cell whose spawner lets go of it without a word ends.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "wire/spawn.hpp"
#include "worker/warden.hpp"

namespace hotwell::spawner {

/// What a warden does with the worker that it was made for; called in the warden, does not return.
using Begin = void (*)(const worker::Ward& ward, const wire::SpawnRequest& request,
                       const std::vector<int>& descriptors);

class Cells {
 public:
  static constexpr std::size_t kept = 2;
  struct Cell {
    pid_t warden = 0;
    int pidfd = -1;
    int socket = -1;  ///< where its worker's request goes, once
  };

  explicit Cells(Begin begin) : begin_(begin) {}

  [[nodiscard]] bool full() const { return cells_.size() >= kept; }
  /// Makes one, for whatever worker comes; `ward` has no id yet. Nothing where it cannot be made.
  void add(worker::Ward ward);
  /// Hands a request to a cell; none where there is no cell. The caller owns what is left of it.
  [[nodiscard]] std::optional<Cell> take(std::string_view request, const std::vector<int>& descriptors);
  /// A child ended; false where it is no cell.
  bool ended(pid_t pid);

 private:
  Begin begin_;
  std::vector<Cell> cells_;
};

}  // namespace hotwell::spawner

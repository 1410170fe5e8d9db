/// The workers that there are, each behind its warden.
///
/// Invariants: `exited` is said to the pool exactly once for every worker that `spawned` was said for without an error,
/// after its warden, and with it the last process of its tree, is gone.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "apps/spawner/cells.hpp"
#include "wire/spawn.hpp"
#include "worker/warden.hpp"

namespace hotwell::spawner {

class Workers {
 public:
  struct Place {
    int pool = -1;          ///< the socket to the pool
    bool enclosed = false;  ///< workers live in PID namespaces of their own
    std::string cgroup{};   ///< the folder that theirs are in; empty: they have none
  };
  explicit Workers(Place place);

  /// By exec. `datagram` is the request as it came.
  void spawn(const wire::SpawnRequest& request, std::string_view datagram, const std::vector<int>& descriptors);
  /// One that a template forked; `pidfd` is its warden's, negative where there is none.
  void add(const wire::Forked& forked, int pidfd);
  void refuse(std::uint32_t id, int error) const;
  void signal(std::uint32_t id, int signal) const;
  /// Takes what the wardens have said.
  void read_reports();
  /// A child ended: a warden, or (false) something else.
  bool ended(pid_t pid, int status);
  /// Best effort alone: asks every warden to kill its tree.
  void kill_all() const;

  /// Whether there is something to get ready for the workers to come, and doing so, a step at a time.
  [[nodiscard]] bool can_prepare() const { return wants_cells_ && !cells_.full(); }
  void prepare() { cells_.add(ward(0)); }

  [[nodiscard]] bool enclosed() const { return place_.enclosed; }
  [[nodiscard]] const std::string& cgroup() const { return place_.cgroup; }
  [[nodiscard]] int reports() const { return reports_read_; }
  /// What wardens are handed to report on.
  [[nodiscard]] int reports_end() const { return reports_write_; }

 private:
  struct Worker {
    pid_t warden = 0;
    std::optional<wire::Exited> report;
  };

  [[nodiscard]] worker::Ward ward(std::uint32_t id) const;
  void began(std::uint32_t id, pid_t warden, int pidfd);
  void tell_exit(std::uint32_t id, const Worker& worker, int warden_status);

  Place place_;
  Cells cells_;
  bool wants_cells_ = false;  ///< workers are exec'ed here, into namespaces
  int reports_read_ = -1;
  int reports_write_ = -1;
  std::map<std::uint32_t, Worker> workers_;
  std::map<pid_t, int> unknown_;  ///< children that ended before a template said who they were
};

}  // namespace hotwell::spawner

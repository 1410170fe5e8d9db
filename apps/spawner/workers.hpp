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

#include "wire/spawn.hpp"

namespace hotwell::spawner {

class Workers {
 public:
  struct Place {
    int pool = -1;          ///< the socket to the pool
    bool enclosed = false;  ///< workers live in PID namespaces of their own
    std::string cgroup{};   ///< the folder that theirs are in; empty: they have none
  };
  explicit Workers(Place place);

  /// By exec.
  void spawn(const wire::SpawnRequest& request, const std::vector<int>& descriptors);
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

  void tell_exit(std::uint32_t id, const Worker& worker, int warden_status);

  Place place_;
  int reports_read_ = -1;
  int reports_write_ = -1;
  std::map<std::uint32_t, Worker> workers_;
  std::map<pid_t, int> unknown_;  ///< children that ended before a template said who they were
};

}  // namespace hotwell::spawner

/// The warden: the process that stands between the spawner and one worker, as init of the worker's PID namespace (or as
/// its sub-reaper where namespaces are refused). The spawner makes it for a program that is exec'ed, a template for a
/// worker that is forked from it.
///
/// Invariants: nothing that the worker started outlives its warden, and the warden does not outlive the spawner. Its
/// report is sent before it ends. Needs no library but libc, so that the spawner stays a small static program.
#pragma once

#include <csignal>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

#include "wire/spawn.hpp"

namespace hotwell::worker {

/// To a warden without a namespace: kill the tree. It is its death signal too.
inline constexpr int kill_tree_signal = SIGUSR1;

struct Ward {
  std::uint32_t id = 0;
  bool enclosed = false;  ///< the warden is init of a PID namespace of its own
  pid_t spawner = 0;      ///< whose child the warden is
  int reports = -1;       ///< where its wire::Exited goes
  std::string cgroup{};   ///< the folder for a control group of its own; empty: it has none
};

/// Makes the warden: a copy of this process, the spawner's child even where a template makes it. Answers as fork(2);
/// `pidfd` is the warden's.
[[nodiscard]] pid_t fork_warden(const Ward& ward, int& pidfd);
/// In the warden, first: from here on it ends with the spawner.
void become_warden(const Ward& ward);
/// In the warden: waits for `program` (negative: it could not be forked), passes signals on, reports, ends.
[[noreturn]] void guard(const Ward& ward, pid_t program, const int& start_error);

/// In the worker, first: a session of its own that ends with its warden.
void become_ward();
/// In the worker: every descriptor at the number that it is to have, then the limits. False with errno.
[[nodiscard]] bool install(std::span<const int> descriptors, const std::vector<std::uint32_t>& numbers,
                           const std::vector<wire::ResourceLimit>& limits);

/// Everything from 3 on but `kept`.
void close_all_but(std::vector<std::uint32_t> kept);
/// Gives up every capability, for good where no_new_privs is set.
void drop_capabilities();

}  // namespace hotwell::worker

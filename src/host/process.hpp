/// Processes as descriptors. A pidfd is the only name by which a process is known here: it cannot be recycled, and it
/// becomes readable when the process has ended.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <hotwell/body.hpp>
#include <hotwell/result.hpp>

namespace hotwell::host {

struct Launch {
  std::string program;                           ///< a path; not searched for
  std::vector<std::string> argv;                 ///< with argv[0]
  std::vector<std::string> env;                  ///< NAME=VALUE, nothing else is inherited
  std::vector<std::pair<int, int>> descriptors;  ///< (ours, the child's): only these and what is not close-on-exec
};

struct Launched {
  pid_t pid = -1;
  FileHandle pidfd;
};

/// Starts a program in a session of its own, with default signals. Costs the same however large this process is (no
/// page table is copied). Errors: not_found, denied, io; that the program is no executable shows here too.
[[nodiscard]] Result<Launched> launch(const Launch& what);

/// Errors: io; not_found where no such process is left.
[[nodiscard]] Result<FileHandle> open_pidfd(pid_t pid);
/// The process's number as this process would see it; 0 once it was waited for.
[[nodiscard]] pid_t pid_of(int pidfd);
/// False where the process has already ended.
bool signal_process(int pidfd, int signal);

/// How a process ended, from its wait status: "exited with status 3", "was killed by signal 9 (Killed)".
[[nodiscard]] std::string describe_exit(int wait_status);

}  // namespace hotwell::host

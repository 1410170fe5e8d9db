#include "apps/spawner/enclosure.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "apps/spawner/cgroup.hpp"

namespace hotwell::spawner {
namespace {

bool write_file(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return done;
}

}  // namespace

Enclosure enclose() {
  if (::unshare(CLONE_NEWPID) == 0) return {true, {}, "PID namespaces"};
  const int refused = errno;
  const auto uid = std::to_string(::getuid());
  const auto gid = std::to_string(::getgid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0) {
    // Unmapped ids would still be enclosed, but could not open their own files.
    write_file("/proc/self/setgroups", "deny");
    if (write_file("/proc/self/uid_map", uid + " " + uid + " 1") &&
        write_file("/proc/self/gid_map", gid + " " + gid + " 1"))
      return {true, {}, "PID namespaces inside a user namespace"};
    return {true, {}, "PID namespaces inside a user namespace without its own ids"};
  }
  return best_effort(std::string{"PID namespaces are refused here ("} + std::strerror(refused) +
                     "; in a user namespace: " + std::strerror(errno) + ")");
}

Enclosure best_effort(std::string why) {
  std::string cgroup = make_cgroup();
  why += cgroup.empty() ? ": sub-reapers, process groups and rescans" : ": sub-reapers and cgroup.kill";
  return {false, std::move(cgroup), std::move(why)};
}

}  // namespace hotwell::spawner

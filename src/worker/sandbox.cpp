#include "worker/sandbox.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/warden.hpp"

#ifdef __SANITIZE_ADDRESS__
// The leak check at exit traces its own process, which is one of the things that end here.
extern "C" int __lsan_is_turned_off() { return 1; }
#endif

namespace hotwell::worker {
namespace {

/// Whatever their arguments: they touch this process, or descriptors that it has.
constexpr std::array harmless{
    // descriptors
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
    SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(close),
    SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fstat), SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate), SCMP_SYS(fadvise64), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(copy_file_range),
    SCMP_SYS(sendfile), SCMP_SYS(splice), SCMP_SYS(memfd_create), SCMP_SYS(pipe2), SCMP_SYS(eventfd2),
    SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg),
    SCMP_SYS(shutdown), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    // memory; what maps it is below
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(membarrier), SCMP_SYS(mincore),
    // threads and signals within
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min), SCMP_SYS(getcpu), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(pause),
    SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
    // time and who we are
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrusage), SCMP_SYS(getrandom), SCMP_SYS(getpid),
    SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(uname), SCMP_SYS(sysinfo)};

constexpr std::array<scmp_datum_t, 9> descriptor_commands{F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,
                                                          F_SETFL, F_ADD_SEALS,     F_GET_SEALS, F_SETPIPE_SZ};

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release) {}

  template <class... Comparisons>
  void allow(int call, Comparisons... comparisons) {
    add(SCMP_ACT_ALLOW, call, comparisons...);
  }
  void answer(int call, int error) { add(SCMP_ACT_ERRNO(static_cast<std::uint32_t>(error)), call); }

  Result<void> load() {
    if (context_) {
      keep(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1));     // whatever threads there are
      keep(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));  // a tree: tens of calls are in it
      if (error_ == 0) keep(seccomp_load(context_.get()));
    }
    if (context_ && error_ == 0) return {};
    return fail(Code::unavailable, std::string{"a worker cannot be confined: system calls cannot be filtered here: "} +
                                       std::strerror(context_ ? -error_ : ENOMEM));
  }

 private:
  template <class... Comparisons>
  void add(std::uint32_t action, int call, Comparisons... comparisons) {
    if (!context_) return;
    const std::array<scmp_arg_cmp, sizeof...(comparisons)> list{comparisons...};
    keep(seccomp_rule_add_array(context_.get(), action, call, sizeof...(comparisons), list.data()));
  }
  void keep(int result) {
    if (result < 0 && error_ == 0) error_ = result;
  }

  std::unique_ptr<void, decltype(&seccomp_release)> context_;
  int error_ = 0;
};

scmp_arg_cmp equals(unsigned argument, scmp_datum_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

Result<void> filter_system_calls() {
  Filter filter;
  for (const int call : harmless) filter.allow(call);
  // Threads, but no processes: clone3 hides its flags in memory, and libc falls back to clone.
  constexpr auto kind = CLONE_THREAD | CLONE_VM | CLONE_VFORK | CLONE_PTRACE | CLONE_NEWNS | CLONE_NEWCGROUP |
                        CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  filter.allow(SCMP_SYS(clone), masked(0, kind, CLONE_THREAD | CLONE_VM));
  filter.answer(SCMP_SYS(clone3), ENOSYS);
  // Memory, but none that becomes code.
  filter.allow(SCMP_SYS(mmap), masked(2, PROT_EXEC, 0));
  filter.allow(SCMP_SYS(mprotect), masked(2, PROT_EXEC, 0));
  for (const auto command : descriptor_commands) filter.allow(SCMP_SYS(fcntl), equals(1, command));
  filter.answer(SCMP_SYS(ioctl), ENOTTY);                                            // what isatty() asks
  filter.allow(SCMP_SYS(newfstatat), masked(3, AT_EMPTY_PATH, AT_EMPTY_PATH));       // libc's fstat
  filter.allow(SCMP_SYS(tgkill), equals(0, static_cast<scmp_datum_t>(::getpid())));  // abort()
  filter.allow(SCMP_SYS(prlimit64), equals(0, 0), equals(2, 0));                     // asks alone
  filter.allow(SCMP_SYS(prctl), equals(0, PR_SET_NAME));
  filter.allow(SCMP_SYS(prctl), equals(0, PR_GET_NAME));
  return filter.load();
}

/// No path, no port, no signal to others: a second lock on the same doors, where the kernel has it.
void restrict_paths() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version <= 0) return;
  // As the kernel counts them, which may be newer than the headers: file system, TCP, scopes.
  struct {
    std::uint64_t files, ports, scopes;
  } ruleset{};
  constexpr std::array<unsigned, 6> file_rights{0, 13, 14, 15, 15, 16};
  ruleset.files = (std::uint64_t{1} << file_rights[static_cast<std::size_t>(std::min<long>(version, 5))]) - 1;
  if (version >= 4) ruleset.ports = 3;
  if (version >= 6) ruleset.scopes = 3;
  const std::size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const auto rules = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &ruleset, size, 0));
  if (rules < 0) return;
  ::syscall(SYS_landlock_restrict_self, rules, 0);
  ::close(rules);
}

/// Private writable memory that this process has already: RLIMIT_DATA counts it.
std::uint64_t data_size() {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/status", "re"), &std::fclose);
  char line[256];
  unsigned long long kib = 0;
  while (file && std::fgets(line, sizeof line, file.get()) != nullptr)
    if (std::sscanf(line, "VmData: %llu", &kib) == 1) break;
  return std::uint64_t{kib} << 10;
}

Result<void> bound(__rlimit_resource resource, std::uint64_t value, const char* what) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  limit.rlim_cur = limit.rlim_max = std::min<rlim_t>(value, limit.rlim_max);
  if (::setrlimit(resource, &limit) == 0) return {};
  return system_fail(errno, std::string{"limiting a worker's "} + what);
}

}  // namespace

Result<void> confine(const Sandbox& sandbox) {
  constexpr auto no_limit = std::numeric_limits<std::uint64_t>::max();
  const auto seconds =
      sandbox.processor_time ? std::chrono::ceil<std::chrono::seconds>(*sandbox.processor_time).count() : 0;
  for (const auto& done :
       {bound(RLIMIT_DATA, sandbox.memory.count == 0 ? no_limit : data_size() + sandbox.memory.count, "memory"),
        bound(RLIMIT_CPU, seconds > 0 ? static_cast<std::uint64_t>(seconds) : no_limit, "processor time"),
        bound(RLIMIT_NOFILE, sandbox.descriptors, "descriptors"),
        bound(RLIMIT_FSIZE, sandbox.file_size.count == 0 ? no_limit : sandbox.file_size.count, "files"),
        bound(RLIMIT_CORE, 0, "core files")})
    if (!done) return done;
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is an error of its writer
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_fail(errno, "confining a worker");
  drop_capabilities();
  restrict_paths();
  return filter_system_calls();
}

}  // namespace hotwell::worker

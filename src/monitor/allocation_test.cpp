// Recording is free of allocations and system calls: a counting allocator and the kernel's strictest filter say so.
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include <gtest/gtest.h>

#include <hotwell/monitor.hpp>

#include "tests/support/allocations.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view routes[] = {"GET /media/thumbnail", "GET /v1/cache", "POST /v1/jobs"};

void record_all(Monitor& monitor, int rounds) {
  for (int i = 0; i < rounds; ++i)
    for (const auto route : routes) monitor.track_request(Duration{i * 1000}, i % 10 != 0, route);
}

TEST(Recording, AllocatesNothingOnceTheEndpointIsKnown) {
  Monitor monitor;
  const std::uint64_t at_first = test::allocations();
  record_all(monitor, 1);
  EXPECT_GT(test::allocations(), at_first) << "the counter counts";
  const std::uint64_t before = test::allocations();
  record_all(monitor, 10'000);
  EXPECT_EQ(test::allocations(), before);
  EXPECT_EQ(monitor.metrics().requests.total, 30'003U);
}

TEST(Recording, MakesNoSystemCallOnceTheEndpointIsKnown) {
#ifdef __SANITIZE_THREAD__
  // Strict mode lets one thread end, not the process: the sanitizer's own thread would stay.
  GTEST_SKIP() << "the thread sanitizer keeps a thread of its own in the child";
#endif
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Monitor monitor;
    record_all(monitor, 1);
    // From here on anything but read, write and exit kills this process.
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(77);
    record_all(monitor, 10'000);
    syscall(SYS_exit, 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "this kernel has no strict seccomp mode";
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
      << "ended by signal " << (WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

}  // namespace
}  // namespace hotwell

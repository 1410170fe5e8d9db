#include "monitor/system.hpp"

#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"

namespace hotwell::monitor {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// A small /proc and /sys in a directory of its own.
class Tree {
 public:
  Tree() {
    processors("0-3");
    write("proc/meminfo", "MemTotal:       8000 kB\nMemFree:   10 kB\nMemAvailable:   6000 kB\n");
    busy_of_each(0, 0);
  }

  Tree& write(const fs::path& path, std::string_view text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
    return *this;
  }
  void processors(std::string_view list) {
    write("proc/self/status",
          std::string("Name:\thotwell\nCpus_allowed:\tf\nCpus_allowed_list:\t") + std::string(list) + "\n");
  }
  /// /proc/stat of four processors: 0 and 1 are busy for `first` of 100 ticks, 2 and 3 for `second`, in all.
  void busy_of_each(int first, int second, int passed = 0) {
    std::string text = "cpu  1 2 3 4 5 6 7 8 9 10\n";
    for (int n = 0; n < 4; ++n) {
      const int busy = n < 2 ? first : second;
      text += "cpu" + std::to_string(n) + " " + std::to_string(1000 + busy) + " 0 10 " +
              std::to_string(5000 + passed - busy) + " 70 0 0 0 3 0\n";
    }
    write("proc/stat", text + "ctxt 1\nbtime 1700000000\n");
  }
  [[nodiscard]] const fs::path& root() const { return root_; }

 private:
  test::TempDir directory_;
  const fs::path& root_ = directory_.path();
};

constexpr std::string_view v2_mounts =
    "22 1 8:1 / / rw - ext4 /dev/vda rw\n"
    "30 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
constexpr std::string_view v1_mounts =
    "30 22 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "34 30 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
constexpr host::MonoTime t0{1000s};

TEST(System, WithoutGroupsMeasuresTheMachine) {
  Tree tree;
  System system(tree.root());
  const auto first = system.sample(t0);
  EXPECT_FALSE(first.cpu.has_value()) << "one sample tells nothing";
  ASSERT_TRUE(first.memory.has_value());
  EXPECT_DOUBLE_EQ(*first.memory, 0.25);
  EXPECT_EQ(first.memory_used, 2000U * 1024);
  EXPECT_EQ(first.memory_limit, 8000U * 1024);
  EXPECT_EQ(first.cpu_count, 4U);
  tree.busy_of_each(60, 20, 100);
  EXPECT_DOUBLE_EQ(system.sample(t0 + 1s).cpu.value(), 0.4);
  tree.busy_of_each(60, 20, 200);
  EXPECT_DOUBLE_EQ(system.sample(t0 + 2s).cpu.value(), 0.0) << "since the sample before, not since boot";
}

TEST(Regression, CpuWasTheLoadAverage) {
  Tree tree;
  tree.write("proc/loadavg", "37.20 36.00 35.00 9/900 4242\n");
  System system(tree.root());
  (void)system.sample(t0);
  tree.busy_of_each(10, 10, 100);
  EXPECT_DOUBLE_EQ(system.sample(t0 + 1s).cpu.value(), 0.1);
}

TEST(System, CountsOnlyTheProcessorsThatThisProcessMayUse) {
  Tree tree;
  tree.processors("0,1");
  System system(tree.root());
  EXPECT_EQ(system.sample(t0).cpu_count, 2U);
  tree.busy_of_each(90, 0, 100);
  EXPECT_DOUBLE_EQ(system.sample(t0 + 1s).cpu.value(), 0.9);
  tree.processors("2-3");
  System other(tree.root());
  (void)other.sample(t0);
  tree.busy_of_each(180, 10, 200);
  EXPECT_DOUBLE_EQ(other.sample(t0 + 1s).cpu.value(), 0.1);
}

TEST(System, VersionTwoQuotaAndLimit) {
  Tree tree;
  tree.write("proc/self/mountinfo", v2_mounts).write("proc/self/cgroup", "0::/app.slice/hotwell.service\n");
  const std::string group = "sys/fs/cgroup/app.slice/hotwell.service/";
  tree.write(group + "cpu.max", "150000 100000\n")
      .write(group + "cpu.stat", "usage_usec 1000000\nuser_usec 1\n")
      .write(group + "memory.max", "4194304\n")
      .write(group + "memory.current", "3145728\n")
      .write(group + "memory.stat", "anon 9\ninactive_file 1048576\n")
      .write("sys/fs/cgroup/app.slice/memory.max", "max\n")
      .write("sys/fs/cgroup/app.slice/cpu.max", "max 100000\n");
  System system(tree.root());
  const auto first = system.sample(t0);
  EXPECT_EQ(first.cpu_count, 2U);
  EXPECT_DOUBLE_EQ(first.processors, 1.5);
  EXPECT_DOUBLE_EQ(first.memory.value(), 0.5) << "the working set is without inactive page cache";
  tree.write(group + "cpu.stat", "usage_usec 1750000\n");
  EXPECT_DOUBLE_EQ(system.sample(t0 + 1s).cpu.value(), 0.5);
}

TEST(System, ALimitOnAGroupAboveCounts) {
  Tree tree;
  tree.write("proc/self/mountinfo", v2_mounts).write("proc/self/cgroup", "0::/tight/loose\n");
  tree.write("sys/fs/cgroup/tight/loose/memory.max", "4194304\n")
      .write("sys/fs/cgroup/tight/loose/memory.current", "1048576\n")
      .write("sys/fs/cgroup/tight/memory.max", "2097152\n")
      .write("sys/fs/cgroup/tight/memory.current", "1887436\n")
      .write("sys/fs/cgroup/tight/loose/cpu.max", "max 100000\n")
      .write("sys/fs/cgroup/tight/cpu.max", "100000 100000\n")
      .write("sys/fs/cgroup/tight/cpu.stat", "usage_usec 0\n");
  System system(tree.root());
  const auto reading = system.sample(t0);
  EXPECT_NEAR(reading.memory.value(), 0.9, 1e-3);
  EXPECT_EQ(reading.memory_limit, 2097152U);
  EXPECT_EQ(reading.cpu_count, 1U);
}

TEST(System, InsideAContainerTheMountIsTheGroup) {
  Tree tree;
  // The namespace hides the host's path, and version 1 without one names a path that is not there.
  tree.write("proc/self/mountinfo",
             "40 22 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
             "41 22 0:28 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
             "42 22 0:29 /docker/abc /sys/fs/cgroup/cpuacct ro - cgroup cgroup rw,cpuacct\n")
      .write("proc/self/cgroup", "4:memory:/docker/abc\n2:cpuacct:/docker/abc\n1:cpu:/docker/abc\n");
  tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "2097152\n")
      .write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n")
      .write("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 524288\n")
      .write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n")
      .write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
      .write("sys/fs/cgroup/cpuacct/cpuacct.usage", "1000000000\n");
  System system(tree.root());
  const auto first = system.sample(t0);
  EXPECT_DOUBLE_EQ(first.memory.value(), 0.25);
  EXPECT_DOUBLE_EQ(first.processors, 0.5);
  EXPECT_EQ(first.cpu_count, 1U);
  tree.write("sys/fs/cgroup/cpuacct/cpuacct.usage", "1400000000\n");
  EXPECT_DOUBLE_EQ(system.sample(t0 + 1s).cpu.value(), 0.8);
}

TEST(System, VersionOneWithControllersOnOneMount) {
  Tree tree;
  tree.write("proc/self/mountinfo", v1_mounts)
      .write("proc/self/cgroup", "11:memory:/svc\n4:cpu,cpuacct:/svc\n1:name=systemd:/svc\n");
  tree.write("sys/fs/cgroup/memory/svc/memory.limit_in_bytes", "4194304\n")
      .write("sys/fs/cgroup/memory/svc/memory.usage_in_bytes", "1048576\n")
      .write("sys/fs/cgroup/memory/svc/memory.stat", "total_inactive_file 0\n")
      .write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
      .write("sys/fs/cgroup/memory/memory.usage_in_bytes", "99999999\n")
      .write("sys/fs/cgroup/cpu,cpuacct/svc/cpu.cfs_quota_us", "-1\n")
      .write("sys/fs/cgroup/cpu,cpuacct/svc/cpuacct.usage", "5\n");
  System system(tree.root());
  const auto reading = system.sample(t0);
  EXPECT_DOUBLE_EQ(reading.memory.value(), 0.25);
  EXPECT_EQ(reading.cpu_count, 4U) << "-1 is no quota";
}

TEST(System, HybridWithAnEmptyVersionTwoReadsVersionOne) {
  Tree tree;
  tree.write("proc/self/mountinfo",
             std::string(v1_mounts) + "40 30 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
      .write("proc/self/cgroup", "4:memory:/job\n1:cpu,cpuacct:/job\n0::/\n")
      .write("sys/fs/cgroup/unified/cgroup.controllers", "\n");
  tree.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2097152\n")
      .write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1048576\n")
      .write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "200000\n")
      .write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n")
      .write("sys/fs/cgroup/cpu,cpuacct/job/cpuacct.usage", "0\n");
  System system(tree.root());
  const auto reading = system.sample(t0);
  EXPECT_DOUBLE_EQ(reading.memory.value(), 0.5);
  EXPECT_EQ(reading.cpu_count, 2U);
}

TEST(System, AnUnlimitedGroupLeavesTheMachineToSpeak) {
  Tree tree;
  tree.write("proc/self/mountinfo", v1_mounts).write("proc/self/cgroup", "4:memory:/\n1:cpu,cpuacct:/\n");
  tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
      .write("sys/fs/cgroup/memory/memory.usage_in_bytes", "4096\n");
  System system(tree.root());
  EXPECT_DOUBLE_EQ(system.sample(t0).memory.value(), 0.25);
}

TEST(System, AQuotaThatChangesBeginsANewMeasurement) {
  Tree tree;
  tree.write("proc/self/mountinfo", v2_mounts).write("proc/self/cgroup", "0::/a\n");
  tree.write("sys/fs/cgroup/a/cpu.max", "100000 100000\n").write("sys/fs/cgroup/a/cpu.stat", "usage_usec 0\n");
  System system(tree.root());
  (void)system.sample(t0);
  tree.write("sys/fs/cgroup/a/cpu.stat", "usage_usec 250000\n");
  EXPECT_DOUBLE_EQ(system.sample(t0 + 1s).cpu.value(), 0.25);
  tree.write("sys/fs/cgroup/a/cpu.max", "200000 100000\n");
  tree.write("sys/fs/cgroup/a/cpu.stat", "usage_usec 1000000\n");
  EXPECT_DOUBLE_EQ(system.sample(t0 + 2s).cpu.value(), 0.25) << "the last value stands";
  tree.write("sys/fs/cgroup/a/cpu.stat", "usage_usec 3000000\n");
  EXPECT_DOUBLE_EQ(system.sample(t0 + 3s).cpu.value(), 1.0);
}

TEST(System, OfBrokenFilesNothingIsBelieved) {
  Tree tree;
  tree.write("proc/self/mountinfo", "garbage\n30 22 - cgroup2\n").write("proc/self/cgroup", "nonsense\n:::\n");
  tree.write("proc/self/status", "Cpus_allowed_list:\tx-\n");
  tree.write("proc/stat", "cpu0\ncpuX 1 2 3 4 5 6\n").write("proc/meminfo", "MemTotal: lots\n");
  System system(tree.root());
  (void)system.sample(t0);
  const auto reading = system.sample(t0 + 1s);
  EXPECT_FALSE(reading.cpu.has_value());
  EXPECT_FALSE(reading.memory.has_value());
  EXPECT_EQ(reading.cpu_count, 1U);
  const System nothing("/nonexistent");
  EXPECT_EQ(read_process("/nonexistent").resident, 0U);
}

TEST(System, ThisMachineIsRead) {
  System system;
  (void)system.sample(t0);
  const auto reading = system.sample(t0 + 1s);
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  EXPECT_GE(reading.cpu_count, 1U);
  EXPECT_LE(reading.cpu_count, static_cast<unsigned>(CPU_COUNT(&allowed)));
  ASSERT_TRUE(reading.memory.has_value());
  EXPECT_GT(*reading.memory, 0);
  EXPECT_LT(*reading.memory, 1);
  const auto process = read_process();
  EXPECT_GT(process.resident, 1'000'000U);
  EXPECT_GE(process.virtual_size, process.resident);
  EXPECT_GE(process.open_descriptors, 3U);
  EXPECT_GE(process.max_descriptors, process.open_descriptors);
  EXPECT_GE(process.threads, 1U);
  const auto wall = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LE(process.start_time, wall + 1);
  EXPECT_GT(process.start_time, wall - 3600);
}

TEST(System, ProcessesWithOddNamesAreRead) {
  Tree tree;
  tree.write(
      "proc/self/stat",
      "77 (a) b (c) S 1 77 77 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 12300 1048576 25 18446744073709551615 1\n");
  const auto process = read_process(tree.root());
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(process.cpu_seconds, 300 / ticks);
  EXPECT_EQ(process.threads, 9U);
  EXPECT_EQ(process.virtual_size, 1048576U);
  EXPECT_EQ(process.resident, 25U * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  EXPECT_DOUBLE_EQ(process.start_time, 1700000000 + 12300 / ticks);
}

}  // namespace
}  // namespace hotwell::monitor

/// What the machine or container gives this process, and how much of it is in use.
///
/// A limit of a control group counts first (v2, then v1; hybrid machines have both), on whichever level between the
/// process's group and the mount it is tightest; without one, /proc speaks for the machine:
///  - CPU is the busy part, since the sample before, of the processors that this process may run on; under a quota
///    it is the group's use of its quota. It is never the load average.
///  - Memory is the working set (use without inactive page cache) of the limited group, else what /proc/meminfo calls
///    not available.
/// Source: kernel documentation cgroup-v2.rst, cgroup-v1/memory.rst, proc(5).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/clock.hpp"

namespace hotwell::monitor {

struct SystemReading {
  std::optional<double> cpu;       ///< 0..1; empty before the second sample and where nothing can be read
  std::optional<double> memory;    ///< 0..1
  std::uint64_t memory_used = 0;   ///< bytes
  std::uint64_t memory_limit = 0;  ///< bytes; 0 where nothing can be read
  double processors = 1;           ///< that may be used at once: the quota, else the affinity's size
  unsigned cpu_count = 1;          ///< `processors` rounded up
  double throttled = 0;            ///< 0..1: of the quota's periods since the sample before, those that ran out
  /// 0..1: of the last ten seconds, when something of the group (else of the machine) waited. Source: kernel
  /// documentation, accounting/psi.rst, "some avg10".
  double pressure_cpu = 0, pressure_memory = 0, pressure_io = 0;
};

/// Threads: one at a time.
class System {
 public:
  /// `root` stands before every path that is read: "/" but in tests.
  explicit System(std::filesystem::path root = "/");

  /// CPU is judged from the sample before to this one.
  [[nodiscard]] SystemReading sample(host::MonoTime now);

 private:
  /// A control group and those above it, the process's own first.
  using Levels = std::vector<std::filesystem::path>;
  struct Used {
    std::string source;  ///< what was measured: two samples of different sources are not compared
    double busy = 0;     ///< seconds, or ticks
    double capacity = 0;
  };

  [[nodiscard]] Levels levels(std::string_view file_system, std::string_view controller) const;
  [[nodiscard]] std::vector<unsigned> allowed_processors() const;
  /// The tightest quota, in processors, and the time used so far by the group that has it.
  struct Quota {
    double processors;
    double used_seconds;
    std::string group;
    double periods = 0;
    double throttled = 0;
  };
  [[nodiscard]] std::optional<Quota> quota() const;
  [[nodiscard]] Used machine_use(const std::vector<unsigned>& processors) const;
  void read_memory(SystemReading& reading) const;
  void read_pressure(SystemReading& reading) const;

  std::filesystem::path root_;
  Levels v2_, v1_cpu_, v1_cpuacct_, v1_memory_;
  std::optional<Used> before_;
  std::optional<Quota> quota_before_;
  std::optional<double> cpu_;
};

/// The file system that holds a directory; nothing where it cannot be asked.
struct DiskReading {
  std::uint64_t size = 0;  ///< bytes
  std::uint64_t free = 0;  ///< that an unprivileged process may still write
};
[[nodiscard]] DiskReading read_disk(const std::filesystem::path& directory);

/// What this process itself uses. Zeros where it cannot be read.
struct ProcessReading {
  std::uint64_t resident = 0;  ///< bytes
  std::uint64_t virtual_size = 0;
  double cpu_seconds = 0;
  std::uint64_t open_descriptors = 0;
  std::uint64_t max_descriptors = 0;
  std::uint64_t threads = 0;
  double start_time = 0;  ///< seconds since 1970
};
[[nodiscard]] ProcessReading read_process(const std::filesystem::path& root = "/");

}  // namespace hotwell::monitor

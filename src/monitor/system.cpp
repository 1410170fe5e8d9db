#include "monitor/system.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include <fmt/format.h>

namespace hotwell::monitor {
namespace {

namespace fs = std::filesystem;

/// Empty where the file cannot be read: every reader here has something else to fall back to.
std::string read_text(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  return std::move(text).str();
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; (at = text.find_first_not_of(separators, at)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end;
  }
  return parts;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}
std::optional<double> read_number(const fs::path& file) {
  const std::string text = read_text(file);
  const auto words = split(text, " \n");
  return words.empty() ? std::nullopt : number(words.front());
}
/// The number behind a key that begins a line ("inactive_file 4096", "MemTotal:  16 kB").
std::optional<double> keyed_number(std::string_view text, std::string_view key) {
  for (const auto line : split(text, "\n")) {
    const auto words = split(line, " \t:");
    if (words.size() >= 2 && words[0] == key) return number(words[1]);
  }
  return std::nullopt;
}

bool lists(std::string_view commas, std::string_view item) {
  const auto items = split(commas, ",");
  return std::find(items.begin(), items.end(), item) != items.end();
}

constexpr double none = std::numeric_limits<double>::infinity();

}  // namespace

System::System(std::filesystem::path root) : root_(std::move(root)) {
  v2_ = levels("cgroup2", "");
  v1_cpu_ = levels("cgroup", "cpu");
  v1_cpuacct_ = levels("cgroup", "cpuacct");
  v1_memory_ = levels("cgroup", "memory");
}

System::Levels System::levels(std::string_view file_system, std::string_view controller) const {
  const std::string groups = read_text(root_ / "proc/self/cgroup");
  std::string_view own;  // "/docker/abc", from "4:memory:/docker/abc" or "0::/docker/abc"
  for (const auto line : split(groups, "\n")) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : lists(controllers, controller)) own = line.substr(second + 1);
  }
  const std::string mounts = read_text(root_ / "proc/self/mountinfo");
  for (const auto line : split(mounts, "\n")) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    const auto head = split(line.substr(0, dash), " ");
    const auto tail = split(line.substr(dash + 3), " ");
    if (head.size() < 5 || tail.size() < 3 || tail[0] != file_system) continue;
    if (!controller.empty() && !lists(tail[2], controller)) continue;
    const std::string_view mount_root = head[3];
    const fs::path top = root_ / fs::path(head[4]).relative_path();
    // A container may see its own group at the mount while /proc/self/cgroup names it from the host's root.
    std::string_view below = own;
    if (mount_root != "/") below = own.starts_with(mount_root) ? own.substr(mount_root.size()) : std::string_view{};
    fs::path group = (top / fs::path(below).relative_path()).lexically_normal();
    std::error_code ignored;
    if (below.find("..") != std::string_view::npos || !fs::is_directory(group, ignored)) group = top;
    Levels all;
    for (; group != top && group.has_relative_path(); group = group.parent_path())
      if (group.has_filename()) all.push_back(group);
    all.push_back(top);
    return all;
  }
  return {};
}

std::vector<unsigned> System::allowed_processors() const {
  std::vector<unsigned> processors;
  const std::string status = read_text(root_ / "proc/self/status");
  for (const auto line : split(status, "\n")) {
    if (!line.starts_with("Cpus_allowed_list:")) continue;
    for (const auto range : split(line.substr(18), " \t,")) {
      const auto ends = split(range, "-");
      const auto first = number(ends.front());
      const auto last = number(ends.back());
      if (!first || !last) continue;
      for (auto n = static_cast<unsigned>(*first); n <= static_cast<unsigned>(*last); ++n) processors.push_back(n);
    }
  }
  return processors;
}

std::optional<System::Quota> System::quota() const {
  std::optional<Quota> tightest;
  const auto consider = [&](double processors, std::optional<double> used_seconds, const fs::path& group,
                            std::string_view stat) {
    if (used_seconds && processors > 0 && (!tightest || processors < tightest->processors))
      tightest = Quota{processors, *used_seconds, group.string(), keyed_number(stat, "nr_periods").value_or(0),
                       keyed_number(stat, "nr_throttled").value_or(0)};
  };
  for (const fs::path& group : v2_) {
    const std::string text = read_text(group / "cpu.max");
    const auto words = split(text, " \n");
    if (words.size() < 2 || words[0] == "max") continue;
    const std::string stat = read_text(group / "cpu.stat");
    const auto used = keyed_number(stat, "usage_usec");
    consider(number(words[0]).value_or(0) / number(words[1]).value_or(100'000),
             used ? std::optional(*used / 1e6) : used, group, stat);
  }
  for (std::size_t i = 0; i < v1_cpu_.size() && !v1_cpuacct_.empty(); ++i) {
    const auto limit = read_number(v1_cpu_[i] / "cpu.cfs_quota_us");
    if (!limit || *limit <= 0) continue;
    const auto used = read_number(v1_cpuacct_[std::min(i, v1_cpuacct_.size() - 1)] / "cpuacct.usage");
    consider(*limit / read_number(v1_cpu_[i] / "cpu.cfs_period_us").value_or(100'000),
             used ? std::optional(*used / 1e9) : used, v1_cpu_[i], read_text(v1_cpu_[i] / "cpu.stat"));
  }
  return tightest;
}

System::Used System::machine_use(const std::vector<unsigned>& processors) const {
  Used used{"/proc/stat", 0, 0};
  const std::string stat = read_text(root_ / "proc/stat");
  for (const auto line : split(stat, "\n")) {
    if (!line.starts_with("cpu") || line.starts_with("cpu ")) continue;
    const auto words = split(line, " ");
    const auto processor = number(words[0].substr(3));
    if (!processor || words.size() < 6) continue;
    if (std::find(processors.begin(), processors.end(), static_cast<unsigned>(*processor)) == processors.end())
      continue;
    // user nice system idle iowait irq softirq steal; what follows is contained in user and nice.
    for (std::size_t i = 1; i < std::min<std::size_t>(words.size(), 9); ++i) {
      const double ticks = number(words[i]).value_or(0);
      used.capacity += ticks;
      if (i != 4 && i != 5) used.busy += ticks;
    }
  }
  return used;
}

void System::read_memory(SystemReading& reading) const {
  const std::string meminfo = read_text(root_ / "proc/meminfo");
  const auto total = keyed_number(meminfo, "MemTotal");
  const auto available = keyed_number(meminfo, "MemAvailable");
  const double machine = total ? *total * 1024 : none;
  const auto consider = [&](double used, double limit) {
    if (limit <= 0 || (reading.memory && used / limit <= *reading.memory)) return;
    reading.memory = std::clamp(used / limit, 0.0, 1.0);
    reading.memory_used = static_cast<std::uint64_t>(used);
    reading.memory_limit = static_cast<std::uint64_t>(limit);
  };
  const auto group = [&](const Levels& levels, const char* limit_file, const char* used_file, const char* inactive) {
    for (const fs::path& level : levels) {
      const auto limit = read_number(level / limit_file);  // "max" is no number
      const auto used = read_number(level / used_file);
      if (!limit || !used || *limit >= machine) continue;
      const double cold = keyed_number(read_text(level / "memory.stat"), inactive).value_or(0);
      consider(std::max(*used - cold, 0.0), *limit);
    }
  };
  group(v2_, "memory.max", "memory.current", "inactive_file");
  if (!reading.memory) group(v1_memory_, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
  if (!reading.memory && total && available) consider((*total - *available) * 1024, machine);
}

void System::read_pressure(SystemReading& reading) const {
  // "some avg10=1.23 avg60=..."
  const auto average = [](const std::string& text) -> std::optional<double> {
    for (const auto line : split(text, "\n")) {
      const auto words = split(line, " ");
      if (words.size() > 1 && words[0] == "some" && words[1].starts_with("avg10="))
        if (const auto percent = number(words[1].substr(6))) return std::clamp(*percent / 100, 0.0, 1.0);
    }
    return std::nullopt;
  };
  const auto read = [&](const char* what) {
    if (!v2_.empty())
      if (const auto own = average(read_text(v2_.front() / fmt::format("{}.pressure", what)))) return *own;
    return average(read_text(root_ / "proc/pressure" / what)).value_or(0);
  };
  reading.pressure_cpu = read("cpu");
  reading.pressure_memory = read("memory");
  reading.pressure_io = read("io");
}

DiskReading read_disk(const std::filesystem::path& directory) {
  struct statvfs found{};
  if (directory.empty() || ::statvfs(directory.c_str(), &found) != 0) return {};
  // What is reserved for root counts as used, and as not there: an unprivileged writer meets the end before it.
  const std::uint64_t reserved = found.f_bfree - found.f_bavail;
  return {(found.f_blocks - reserved) * found.f_frsize, found.f_bavail * found.f_frsize};
}

SystemReading System::sample(host::MonoTime now) {
  SystemReading reading;
  const auto processors = allowed_processors();
  reading.processors = processors.empty() ? 1 : static_cast<double>(processors.size());
  Used used = machine_use(processors);
  const auto limited = quota();
  if (limited && quota_before_ && limited->group == quota_before_->group && limited->periods > quota_before_->periods)
    reading.throttled = std::clamp(
        (limited->throttled - quota_before_->throttled) / (limited->periods - quota_before_->periods), 0.0, 1.0);
  quota_before_ = limited;
  if (limited && limited->processors < reading.processors) {
    reading.processors = limited->processors;
    const double clock = std::chrono::duration<double>(now.time_since_epoch()).count();
    // A changed quota begins anew, as another group does.
    used = {fmt::format("{} {}", limited->group, limited->processors), limited->used_seconds,
            clock * limited->processors};
  }
  reading.cpu_count = std::max(1U, static_cast<unsigned>(std::ceil(reading.processors)));
  if (before_ && before_->source == used.source) {
    const double capacity = used.capacity - before_->capacity;
    if (capacity > 0) cpu_ = std::clamp((used.busy - before_->busy) / capacity, 0.0, 1.0);
  }
  reading.cpu = cpu_;
  before_ = std::move(used);
  read_memory(reading);
  read_pressure(reading);
  return reading;
}

ProcessReading read_process(const std::filesystem::path& root) {
  ProcessReading reading;
  const fs::path self = root / "proc/self";
  // The second field is the program's name in parentheses and may hold anything: count from behind it.
  const std::string stat = read_text(self / "stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return reading;
  const auto fields = split(std::string_view(stat).substr(name_end + 1), " \n");  // the first is number 3, the state
  const auto field = [&](std::size_t n) { return n - 3 < fields.size() ? number(fields[n - 3]).value_or(0) : 0; };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  reading.cpu_seconds = (field(14) + field(15)) / ticks;
  reading.threads = static_cast<std::uint64_t>(field(20));
  reading.virtual_size = static_cast<std::uint64_t>(field(23));
  reading.resident = static_cast<std::uint64_t>(field(24)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const auto boot = keyed_number(read_text(root / "proc/stat"), "btime");
  if (boot) reading.start_time = *boot + field(22) / ticks;
  std::error_code ignored;
  for (auto entry = fs::directory_iterator(self / "fd", ignored); entry != fs::directory_iterator();
       entry.increment(ignored))
    ++reading.open_descriptors;
  const std::string limits = read_text(self / "limits");
  for (const auto line : split(limits, "\n"))
    if (line.starts_with("Max open files"))
      reading.max_descriptors = static_cast<std::uint64_t>(number(split(line.substr(14), " ").front()).value_or(0));
  return reading;
}

}  // namespace hotwell::monitor

#include "pool/footprint.hpp"

#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <hotwell/body.hpp>

namespace hotwell::pool {
namespace {

constexpr std::size_t most_processes = 64;

/// The numbers in a small file of /proc, from behind a program's name in parentheses; none where the process is gone.
std::optional<std::vector<std::uint64_t>> numbers_in(const std::string& path) {
  const FileHandle file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.get() < 0) return std::nullopt;
  std::array<char, 1024> buffer;
  const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
  if (size < 0) return std::nullopt;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  const auto name_end = text.rfind(')');
  std::vector<std::uint64_t> numbers;
  const char* at = text.data() + (name_end == std::string_view::npos ? 0 : name_end);
  const char* const end = text.data() + text.size();
  while (at != end) {
    std::uint64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error == std::errc{}) numbers.push_back(number);
    at = error == std::errc{} ? next : at + 1;
  }
  return numbers;
}

/// Calls visit(pid) for a process and everything below it.
template <class F>
void for_tree(pid_t root, F visit) {
  std::vector<std::uint64_t> tree{static_cast<std::uint64_t>(root)};
  for (std::size_t i = 0; i < tree.size() && i < most_processes; ++i) {
    if (!visit(tree[i])) continue;
    if (const auto children = numbers_in(fmt::format("/proc/{0}/task/{0}/children", tree[i])))
      tree.insert(tree.end(), children->begin(), children->end());
  }
}

}  // namespace

std::optional<std::uint64_t> private_memory(pid_t root) {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::optional<std::uint64_t> pages;
  for_tree(root, [&](std::uint64_t process) {
    // size resident shared text lib data dirty
    const auto sizes = numbers_in(fmt::format("/proc/{}/statm", process));
    if (!sizes || sizes->size() < 3) return false;
    pages = pages.value_or(0) + (*sizes)[1] - (*sizes)[2];
    return true;
  });
  if (!pages) return std::nullopt;
  return *pages * page;
}

std::optional<Duration> processor_time(pid_t root) {
  static const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  // Behind the name stand the state, a letter, and the fields from the fourth on: utime, stime, cutime and cstime are
  // numbers 14 to 17.
  constexpr std::size_t first = 14 - 4;
  std::optional<std::uint64_t> used;
  for_tree(root, [&](std::uint64_t process) {
    const auto fields = numbers_in(fmt::format("/proc/{}/stat", process));
    if (!fields || fields->size() < first + 4) return false;
    for (std::size_t i = first; i < first + 4; ++i) used = used.value_or(0) + (*fields)[i];
    return true;
  });
  if (!used) return std::nullopt;
  return std::chrono::nanoseconds{std::chrono::seconds{1}} * *used / ticks;
}

}  // namespace hotwell::pool

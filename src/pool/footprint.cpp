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

/// The numbers in a small file of /proc; none where the process is gone.
std::optional<std::vector<std::uint64_t>> numbers_in(const std::string& path) {
  const FileHandle file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.get() < 0) return std::nullopt;
  std::array<char, 1024> buffer;
  const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
  if (size < 0) return std::nullopt;
  std::vector<std::uint64_t> numbers;
  const char* at = buffer.data();
  const char* const end = at + size;
  while (at != end) {
    std::uint64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error == std::errc{}) numbers.push_back(number);
    at = error == std::errc{} ? next : at + 1;
  }
  return numbers;
}

}  // namespace

std::optional<std::uint64_t> private_memory(pid_t root) {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<std::uint64_t> tree{static_cast<std::uint64_t>(root)};
  std::optional<std::uint64_t> pages;
  for (std::size_t i = 0; i < tree.size() && i < most_processes; ++i) {
    // size resident shared text lib data dirty
    const auto sizes = numbers_in(fmt::format("/proc/{}/statm", tree[i]));
    if (!sizes || sizes->size() < 3) continue;
    pages = pages.value_or(0) + (*sizes)[1] - (*sizes)[2];
    if (const auto children = numbers_in(fmt::format("/proc/{0}/task/{0}/children", tree[i])))
      tree.insert(tree.end(), children->begin(), children->end());
  }
  if (!pages) return std::nullopt;
  return *pages * page;
}

}  // namespace hotwell::pool

#include "pool/job_id.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>

namespace hotwell::pool {
namespace {

constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t id_length = 13;

std::atomic<std::uint64_t> last_number{0};

}  // namespace

std::uint64_t next_job_number() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()).time_since_epoch();
  const auto earliest = static_cast<std::uint64_t>(now.count()) << 20;
  std::uint64_t before = last_number.load(std::memory_order_relaxed);
  std::uint64_t mine;
  do mine = std::max(before + 1, earliest);
  while (!last_number.compare_exchange_weak(before, mine, std::memory_order_relaxed));
  return mine;
}

void job_numbers_after(std::uint64_t number) {
  std::uint64_t before = last_number.load(std::memory_order_relaxed);
  while (before < number && !last_number.compare_exchange_weak(before, number, std::memory_order_relaxed)) {
  }
}

std::string to_job_id(std::uint64_t number) {
  std::string id(id_length, '0');
  for (auto digit = id.rbegin(); digit != id.rend(); ++digit, number >>= 5) *digit = digits[number & 31];
  return id;
}

std::optional<std::uint64_t> parse_job_id(std::string_view id) {
  if (id.size() != id_length || digits.find(id.front()) > 15) return std::nullopt;  // 65 bits would be too many
  std::uint64_t number = 0;
  for (const char c : id) {
    const auto digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    number = number << 5 | digit;
  }
  return number;
}

}  // namespace hotwell::pool

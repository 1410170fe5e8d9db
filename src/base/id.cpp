#include "base/id.hpp"

#include <algorithm>
#include <atomic>

namespace hotwell::base {

std::string next_id(WallTime now) {
  static std::atomic<std::uint64_t> last{0};
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const auto from_clock = static_cast<std::uint64_t>(millis) << 20;
  std::uint64_t seen = last.load(std::memory_order_relaxed);
  std::uint64_t next = 0;
  do {
    next = std::max(seen + 1, from_clock);
  } while (!last.compare_exchange_weak(seen, next, std::memory_order_relaxed));
  constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string text(13, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, next >>= 5) *digit = digits[next & 31];
  return text;
}

}  // namespace hotwell::base

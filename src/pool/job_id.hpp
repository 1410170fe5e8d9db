/// Job ids: numbers that grow with time, written as 13 characters that sort like them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hotwell::pool {

/// Milliseconds since 1970 in the upper bits, a sequence in the lower 20: unique in this process, and across restarts
/// as long as the clock does not go back. Threads: any.
[[nodiscard]] std::uint64_t next_job_number();

/// Every number from here on is larger than `last`, wherever the clock stands. Threads: any.
void job_numbers_after(std::uint64_t last);

/// Crockford's base 32, lower case. Source: https://www.crockford.com/base32.html
[[nodiscard]] std::string to_job_id(std::uint64_t number);
[[nodiscard]] std::optional<std::uint64_t> parse_job_id(std::string_view id);

}  // namespace hotwell::pool

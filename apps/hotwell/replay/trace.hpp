/// Recorded requests of other systems, read one after the other. Files that are compressed by gzip or xz are read as
/// they are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <hotwell/result.hpp>

namespace hotwell::replay {

struct TraceRequest {
  std::uint64_t key = 0;   ///< the number itself, or a digest of the text
  std::uint64_t size = 1;  ///< in bytes; 1 where the format has none
};

struct TraceFormat {
  enum class Kind : std::uint8_t {
    oracle_general,  ///< libCacheSim: 24-byte little-endian records: u32 time, u64 key, u32 size, i64 next access
    arc,             ///< lines `start count ...`: `count` blocks one after the other
    lirs,            ///< a block number a line; lines of `*` are marks
    u32be,           ///< big-endian keys, one a request
    u64be,
    access_log,  ///< common or combined log of a web server: the target asked for, and the bytes sent
    columns,     ///< lines of fields between commas, tabs or spaces
  };
  Kind kind = Kind::oracle_general;
  unsigned key_column = 0;                ///< from 1
  std::optional<unsigned> size_column{};  ///< from 1

  [[nodiscard]] bool has_sizes() const noexcept {
    return kind == Kind::oracle_general || kind == Kind::access_log || (kind == Kind::columns && size_column);
  }
};

/// "oracleGeneral", "arc", "lirs", "u32be", "u64be", "access-log", "columns:KEY[,SIZE]". Errors: invalid_argument.
[[nodiscard]] Result<TraceFormat> parse_trace_format(std::string_view text);

/// Calls `visit` for every request in order. Errors: not_found and io (the file), corrupt_input (what is in it: says
/// at which line or byte, and what was expected there).
[[nodiscard]] Result<void> read_trace(const std::filesystem::path& file, const TraceFormat& format,
                                      const std::function<void(const TraceRequest&)>& visit);

}  // namespace hotwell::replay

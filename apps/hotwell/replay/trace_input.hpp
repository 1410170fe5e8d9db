/// The bytes of a trace's file, unpacked where it is compressed.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <hotwell/result.hpp>

namespace hotwell::replay {

/// Threads: one.
class TraceInput {
 public:
  /// Looks at the first bytes, not at the name. Errors: not_found, io.
  [[nodiscard]] static Result<TraceInput> open(const std::filesystem::path& file);
  TraceInput(TraceInput&&) noexcept;
  TraceInput& operator=(TraceInput&&) = delete;
  ~TraceInput();

  /// Up to `size` bytes; fewer only at the end. Errors: io, corrupt_input (a broken or cut off archive).
  Result<std::size_t> read(char* into, std::size_t size);
  /// The next line without its end; false behind the last. Errors: as read(), and a line over a mebibyte.
  Result<bool> read_line(std::string& line);
  /// Where it is, in unpacked bytes.
  [[nodiscard]] std::uint64_t offset() const;

 private:
  struct Streams;
  explicit TraceInput(std::unique_ptr<Streams> streams);
  std::unique_ptr<Streams> streams_;
};

}  // namespace hotwell::replay

/// Results that their job's owner has no sink for: they are kept in memory and handed over as a Buffer.
/// Invariants: no result is longer than the limit; a file in memory is mapped, not copied, and only after it can
/// neither shrink nor be written by whoever else still holds it.
#pragma once

#include <hotwell/body.hpp>
#include <hotwell/units.hpp>

namespace hotwell::pool {

/// The first `size` bytes of a file in memory.
/// Errors: too_large over the limit; internal where the file is shorter, or of a kind that could change under the
/// mapping; io.
[[nodiscard]] Result<Buffer> map_result(const FileHandle& file, std::uint64_t size, Bytes limit);

/// For workers that write to a descriptor or through the pool.
class MemorySink final : public Sink {
 public:
  /// Errors: io, out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<MemorySink>> make(Bytes limit);

  [[nodiscard]] int fd() const override { return file_.get(); }
  Result<void> write(ByteView bytes) override;
  Result<void> advance(std::uint64_t size) override;
  void set_content_type(std::string) override {}
  Result<void> seal(std::uint64_t size) override;
  void abandon(Error) override {}

  /// Precondition: sealed.
  [[nodiscard]] Buffer take() { return std::move(buffer_); }

 private:
  MemorySink(FileHandle file, Bytes limit) : file_(std::move(file)), limit_(limit) {}

  FileHandle file_;
  const Bytes limit_;
  std::uint64_t written_ = 0;
  Buffer buffer_;
};

}  // namespace hotwell::pool

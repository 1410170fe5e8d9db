/// The sink of a job that has none of its own: its result is handed over as a Buffer.
/// Invariant: a result that came inline never touches the file; otherwise the file is mapped, not copied.
#pragma once

#include <string>

#include <hotwell/body.hpp>

namespace hotwell::pool {

class MemorySink final : public Sink {
 public:
  /// Errors: io, out_of_memory.
  [[nodiscard]] static Result<std::unique_ptr<MemorySink>> make();

  [[nodiscard]] int fd() const override { return file_.get(); }
  Result<void> write(ByteView bytes) override;
  Result<void> advance(std::uint64_t) override { return {}; }
  void set_content_type(std::string) override {}
  Result<void> seal(std::uint64_t size) override;
  void abandon(Error) override {}

  /// Precondition: sealed.
  [[nodiscard]] Buffer take() { return std::move(buffer_); }

 private:
  explicit MemorySink(FileHandle file) : file_(std::move(file)) {}

  FileHandle file_;
  std::uint64_t written_ = 0;
  Buffer buffer_;
};

}  // namespace hotwell::pool

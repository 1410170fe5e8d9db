/// A draft where there is no directory: an unnamed file in memory, counted against the memory tier's cap.
#pragma once

#include <memory>

#include "cache/draft.hpp"
#include "cache/memory/memory_tier.hpp"

namespace hotwell::cache {

class MemoryDraft final : public Draft {
 public:
  [[nodiscard]] static Result<std::unique_ptr<MemoryDraft>> make(MemoryTier& tier);

  [[nodiscard]] const std::shared_ptr<const FileHandle>& file() const override { return file_; }
  Result<void> write(std::uint64_t offset, ByteView bytes, Removals& removed) override;
  Result<void> advance(std::uint64_t n, Removals& removed) override;
  Result<void> reserve(std::uint64_t n, Removals& removed) override;
  Result<void> let_go(std::uint64_t n) override;
  Result<void> finish(std::uint64_t size, Removals& removed) override;
  /// The whole of a finished draft. Its bytes are counted anew by whoever keeps them, so the draft's own count ends:
  /// its file lives on only as long as followers read it.
  [[nodiscard]] Result<Buffer> take();

 private:
  MemoryDraft(MemoryTier& tier, FileHandle file);

  MemoryTier& tier_;
  const std::shared_ptr<Charge> charge_;
  const std::shared_ptr<const FileHandle> file_;
  std::uint64_t gone_ = 0;  ///< bytes that were let go
  std::uint64_t size_ = 0;
};

}  // namespace hotwell::cache

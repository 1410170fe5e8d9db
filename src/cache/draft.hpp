/// A draft: the file that one attempt is written into before it becomes an object. The writer moves it on; the tier
/// that made it turns it into an object or lets it go.
#pragma once

#include <memory>

#include "cache/tier.hpp"

namespace hotwell::cache {

/// Ownership: its file; what was not committed is gone with it. Threads: one at a time.
/// Errors of all: too_large, overloaded, disk_full, io.
class Draft {
 public:
  virtual ~Draft() = default;
  [[nodiscard]] virtual const std::shared_ptr<const FileHandle>& file() const = 0;
  /// Makes room in the tier, then writes.
  virtual Result<void> write(std::uint64_t offset, ByteView bytes, Removals& removed) = 0;
  /// Bytes [0, n) are there and final: counts them, and checksums what is whole.
  virtual Result<void> advance(std::uint64_t n, Removals& removed) = 0;
  /// Makes room for `n` bytes in sum, without writing any.
  virtual Result<void> reserve(std::uint64_t n, Removals& removed) = 0;
  /// Gives up bytes [0, n), which were counted and checksummed, and the room that they took: no object comes of it any
  /// more. Precondition: `n` is a multiple of chunk_size and never falls.
  virtual Result<void> let_go(std::uint64_t n) = 0;
  /// The object is `size` bytes long: cuts off what is beyond.
  virtual Result<void> finish(std::uint64_t size, Removals& removed) = 0;
};

}  // namespace hotwell::cache

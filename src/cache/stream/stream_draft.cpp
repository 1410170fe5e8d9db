#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "cache/stream/files.hpp"
#include "cache/stream/stream_tier.hpp"

namespace hotwell::cache {

StreamDraft::StreamDraft(StreamTier& tier, std::string name, std::filesystem::path path, FileHandle file,
                         std::shared_ptr<Charge> space)
    : tier_(tier),
      name_(std::move(name)),
      path_(std::move(path)),
      space_(std::move(space)),
      file_(share(std::move(file), space_)) {}

StreamDraft::~StreamDraft() {
  if (!path_.empty()) (void)tier_.disk_.remove(path_);
}

Result<void> StreamDraft::write(std::uint64_t offset, ByteView bytes, Removals& removed) {
  if (auto room = reserve(offset + bytes.size(), removed); !room) return room;
  for (int rounds = 0;; ++rounds) {
    auto written = tier_.disk_.write(*file_, offset, bytes);
    if (written || written.error().code != Code::disk_full) return written;
    // The disk is fuller than the limit says: older objects make room. Not all of them: if that does not help, somebody
    // else takes what they leave.
    if (rounds == 3 || !tier_.free_on_disk(bytes.size(), removed)) return written;
  }
}

Result<void> StreamDraft::advance(std::uint64_t n, Removals& removed) {
  if (auto room = reserve(n, removed); !room) return room;
  while (n - checked_ >= chunk_size)
    if (auto summed = checksum_next(chunk_size); !summed) return summed;
  return {};
}

Result<void> StreamDraft::finish(std::uint64_t size, Removals& removed) {
  HOTWELL_ASSERT(size >= checked_);
  if (auto advanced = advance(size, removed); !advanced) return advanced;
  auto status = tier_.disk_.status(*file_);
  if (!status) return std::unexpected(status.error());
  if (status->size < size)
    return fail(Code::io,
                fmt::format("a result of {} bytes was announced but only {} were written", size, status->size));
  if (status->size > size)
    if (auto cut = tier_.disk_.resize(*file_, size); !cut) return cut;
  if (size > checked_)
    if (auto summed = checksum_next(size - checked_); !summed) return summed;
  size_ = size;
  space_->shrink_to(on_disk(size) - gone_);  // has_room() may have taken more
  chunk_.reset();
  return {};
}

Result<void> StreamDraft::reserve(std::uint64_t n, Removals& removed) {
  return tier_.reserve(*space_, on_disk(n) - gone_, removed);
}

Result<void> StreamDraft::let_go(std::uint64_t n) {
  HOTWELL_ASSERT(n <= checked_ && n % chunk_size == 0);
  if (auto given = tier_.disk_.punch(*file_, gone_, n - gone_); !given) return given;
  space_->shrink_to(space_->bytes() - (n - gone_));
  gone_ = n;
  return {};
}

Result<void> StreamDraft::checksum_next(std::uint64_t length) {
  if (!chunk_) chunk_ = std::make_unique_for_overwrite<std::byte[]>(length);
  auto count = tier_.disk_.read(*file_, checked_, {chunk_.get(), length});
  if (!count) return std::unexpected(count.error());
  if (*count != length)
    return fail(Code::io, fmt::format("bytes up to {} were announced but the file ends at {}", checked_ + length,
                                      checked_ + *count));
  checksums_.push_back(base::xxh3_64({chunk_.get(), length}));
  checked_ += length;
  return {};
}

}  // namespace hotwell::cache

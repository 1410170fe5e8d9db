#include "cache/stream/stream_object.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"

namespace hotwell::cache {
namespace {

constexpr std::uint64_t bits = 64;

Manifest& whole(Manifest& manifest) {
  HOTWELL_ASSERT(manifest.checksums.size() == chunks_of(manifest.size));
  return manifest;
}

}  // namespace

std::shared_ptr<const FileHandle> share(FileHandle file, std::shared_ptr<const Charge> space) {
  // Let go of here: a weak pointer to the handle keeps the deleter itself.
  return {new FileHandle(std::move(file)), [space = std::move(space)](const FileHandle* open) mutable {
            delete open;
            space.reset();
          }};
}

StreamObject::StreamObject(host::Disk& disk, Manifest manifest, std::filesystem::path path,
                           std::shared_ptr<const Charge> space, Trust trust)
    : disk_(disk),
      size_(whole(manifest).size),
      checksums_(std::move(manifest.checksums)),
      path_(std::move(path)),
      space_(std::move(space)),
      verified_(checksums_.size() / bits + 1) {
  assign(*this, std::move(manifest.details));
  if (trust == Trust::made_now)
    for (auto& word : verified_) word.store(~std::uint64_t{0}, std::memory_order_relaxed);
}

Result<std::shared_ptr<const FileHandle>> StreamObject::file() const {
  const std::lock_guard lock(mutex_);
  if (auto open = open_.lock()) return open;
  if (path_.empty()) return fail(Code::not_found, "the file of a private object is gone with its last reader");
  auto opened = disk_.open(path_);
  if (!opened) return std::unexpected(opened.error());
  auto shared = share(std::move(*opened), space_);
  open_ = shared;
  return shared;
}

void StreamObject::adopt(const std::shared_ptr<const FileHandle>& file) const {
  const std::lock_guard lock(mutex_);
  open_ = file;
}

Result<Buffer> StreamObject::read(const FileHandle& open) const {
  std::shared_ptr<std::byte[]> bytes = std::make_shared_for_overwrite<std::byte[]>(size_);
  auto count = disk_.read(open, 0, {bytes.get(), size_});
  if (!count) return std::unexpected(count.error());
  const ByteView content{bytes.get(), *count};
  for (std::uint64_t chunk = 0; chunk < checksums_.size(); ++chunk) {
    const auto begin = std::min<std::uint64_t>(chunk * chunk_size, *count);
    if (auto good = check(chunk, content.subview(begin, std::min(chunk_size, *count - begin))); !good)
      return std::unexpected(good.error());
  }
  return Buffer::wrap(std::move(bytes), content);
}

Result<void> StreamObject::verify(std::uint64_t offset, std::uint64_t length) const {
  HOTWELL_ASSERT(offset <= size_ && length <= size_ - offset);
  if (length == 0) return {};
  std::shared_ptr<const FileHandle> open;
  std::unique_ptr<std::byte[]> bytes;
  for (auto chunk = offset / chunk_size; chunk < chunks_of(offset + length); ++chunk) {
    if (verified(chunk)) continue;
    if (!open) {
      auto opened = file();
      if (!opened) return std::unexpected(opened.error());
      open = std::move(*opened);
      bytes = std::make_unique_for_overwrite<std::byte[]>(chunk_size);
    }
    const auto wanted = std::min(chunk_size, size_ - chunk * chunk_size);
    auto count = disk_.read(*open, chunk * chunk_size, {bytes.get(), wanted});
    if (!count) return std::unexpected(count.error());
    if (auto good = check(chunk, {bytes.get(), *count}); !good) return good;
  }
  return {};
}

Result<void> StreamObject::check(std::uint64_t chunk, ByteView bytes) const {
  const auto expected = std::min(chunk_size, size_ - chunk * chunk_size);
  if (bytes.size() != expected)
    return fail(Code::io,
                fmt::format("{} is damaged: it ends {} bytes into chunk {}", path_.string(), bytes.size(), chunk));
  if (verified(chunk)) return {};
  if (base::xxh3_64(bytes) != checksums_[chunk])
    return fail(Code::io, fmt::format("{} is damaged: chunk {} is not what was stored", path_.string(), chunk));
  verified_[chunk / bits].fetch_or(std::uint64_t{1} << (chunk % bits), std::memory_order_relaxed);
  return {};
}

bool StreamObject::verified(std::uint64_t offset, std::uint64_t length) const noexcept {
  const auto end = length == 0 ? 0 : chunks_of(offset + length);
  for (auto chunk = offset / chunk_size; chunk < end; ++chunk)
    if (!verified(chunk)) return false;
  return true;
}

std::shared_ptr<const FileHandle> StreamObject::open_file() const {
  const std::lock_guard lock(mutex_);
  return open_.lock();
}

bool StreamObject::verified(std::uint64_t chunk) const noexcept {
  return (verified_[chunk / bits].load(std::memory_order_relaxed) >> (chunk % bits) & 1) != 0;
}

}  // namespace hotwell::cache

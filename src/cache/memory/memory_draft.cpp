#include "cache/memory/memory_draft.hpp"

#include <fmt/format.h>

#include "host/disk.hpp"

namespace hotwell::cache {

Result<std::unique_ptr<MemoryDraft>> MemoryDraft::make(MemoryTier& tier) {
  auto file = host::memory_file("hotwell-draft");
  if (!file) return std::unexpected(file.error());
  return std::unique_ptr<MemoryDraft>(new MemoryDraft(tier, std::move(*file)));
}

MemoryDraft::MemoryDraft(MemoryTier& tier, FileHandle file)
    : tier_(tier),
      charge_(tier.charge()),
      file_(new FileHandle(std::move(file)), [charge = charge_](const FileHandle* open) { delete open; }) {}

Result<void> MemoryDraft::write(std::uint64_t offset, ByteView bytes, Removals& removed) {
  if (auto room = reserve(offset + bytes.size(), removed); !room) return room;
  return host::system_disk().write(*file_, offset, bytes);
}

Result<void> MemoryDraft::advance(std::uint64_t n, Removals& removed) { return reserve(n, removed); }

Result<void> MemoryDraft::reserve(std::uint64_t n, Removals& removed) {
  return tier_.reserve(*charge_, n - gone_, removed);
}

Result<void> MemoryDraft::let_go(std::uint64_t n) {
  if (auto given = host::system_disk().punch(*file_, gone_, n - gone_); !given) return given;
  charge_->shrink_to(charge_->bytes() - (n - gone_));
  gone_ = n;
  return {};
}

Result<void> MemoryDraft::finish(std::uint64_t size, Removals& removed) {
  if (auto room = reserve(size, removed); !room) return room;
  auto status = host::system_disk().status(*file_);
  if (!status) return std::unexpected(status.error());
  if (status->size < size)
    return fail(Code::io,
                fmt::format("a result of {} bytes was announced but only {} were written", size, status->size));
  size_ = size;
  return status->size > size ? host::system_disk().resize(*file_, size) : Result<void>{};
}

Result<Buffer> MemoryDraft::take() {
  std::shared_ptr<std::byte[]> bytes = std::make_shared_for_overwrite<std::byte[]>(size_);
  auto count = host::system_disk().read(*file_, 0, {bytes.get(), size_});
  if (!count) return std::unexpected(count.error());
  if (*count != size_) return fail(Code::io, "a file in memory was cut short by its writer");
  charge_->set(0);
  const ByteView view{bytes.get(), size_};
  return Buffer::wrap(std::move(bytes), view);
}

}  // namespace hotwell::cache

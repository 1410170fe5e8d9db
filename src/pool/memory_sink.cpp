#include "pool/memory_sink.hpp"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/fd.hpp"

namespace hotwell::pool {
namespace {

std::unexpected<Error> too_long_for(Bytes limit) {
  return fail(Code::too_large, fmt::format("the result is longer than the {} that are kept in memory for a job without "
                                           "a sink",
                                           to_string(limit)));
}

}  // namespace

Result<Buffer> map_result(const FileHandle& file, std::uint64_t size, Bytes limit) {
  if (size > limit.count) return too_long_for(limit);
  if (size == 0) return Buffer{};
  // The worker may still hold the file: a read beyond its end would be the end of this process, and what is handed over
  // is immutable. Mappings that the worker made earlier stay writable, which harms nobody but its own result.
  constexpr int seals = F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE;
  ::fcntl(file.get(), F_ADD_SEALS, seals);
  const int sealed = ::fcntl(file.get(), F_GET_SEALS);
  if (sealed < 0 || (sealed & F_SEAL_SHRINK) == 0 || (sealed & (F_SEAL_FUTURE_WRITE | F_SEAL_WRITE)) == 0)
    return fail(Code::internal, "the worker's result is not a file in memory that can be sealed");
  const auto there = host::file_size(file.get());
  if (!there) return std::unexpected(there.error());
  if (*there < size)
    return fail(Code::internal, fmt::format("the worker claimed a result of {} bytes but wrote {}", size, *there));
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) return system_fail(errno, "mapping a result");
  std::shared_ptr<const void> owner{mapped, [size](const void* p) { ::munmap(const_cast<void*>(p), size); }};
  return Buffer::wrap(std::move(owner), ByteView{mapped, size});
}

Result<std::unique_ptr<MemorySink>> MemorySink::make(Bytes limit) {
  auto file = host::memory_file("hotwell-result");
  if (!file) return std::unexpected(file.error());
  return std::unique_ptr<MemorySink>(new MemorySink(std::move(*file), limit));
}

Result<void> MemorySink::write(ByteView bytes) {
  if (bytes.size() > limit_.count - written_) return too_long_for(limit_);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(file_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(written_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_fail(errno, "keeping a result in memory");
    done += static_cast<std::size_t>(n);
    written_ += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> MemorySink::advance(std::uint64_t size) {
  if (size > limit_.count) return too_long_for(limit_);
  return {};
}

Result<void> MemorySink::seal(std::uint64_t size) {
  auto mapped = map_result(file_, size, limit_);
  if (!mapped) return std::unexpected(mapped.error());
  buffer_ = std::move(*mapped);
  return {};
}

}  // namespace hotwell::pool

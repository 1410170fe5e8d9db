#include "pool/memory_sink.hpp"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/fd.hpp"

namespace hotwell::pool {

Result<std::unique_ptr<MemorySink>> MemorySink::make() {
  auto file = host::memory_file("hotwell-result");
  if (!file) return std::unexpected(file.error());
  return std::unique_ptr<MemorySink>(new MemorySink(std::move(*file)));
}

Result<void> MemorySink::write(ByteView bytes) {
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

Result<void> MemorySink::seal(std::uint64_t size) {
  const auto there = host::file_size(file_.get());
  if (!there) return std::unexpected(there.error());
  if (*there < size)
    return fail(Code::internal, fmt::format("the worker claimed a result of {} bytes but wrote {}", size, *there));
  if (size == 0) return {};
  // A private mapping of a file that the worker might still hold: it must not be able to shrink it under our feet.
  ::fcntl(file_.get(), F_ADD_SEALS, F_SEAL_SHRINK);
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file_.get(), 0);
  if (mapped == MAP_FAILED) return system_fail(errno, "mapping a result");
  std::shared_ptr<const void> owner{mapped, [size](const void* p) { ::munmap(const_cast<void*>(p), size); }};
  buffer_ = Buffer::wrap(std::move(owner), ByteView{mapped, size});
  return {};
}

}  // namespace hotwell::pool

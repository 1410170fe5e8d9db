#include "cache/reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include <unistd.h>

namespace hotwell::cache {
namespace {

Result<std::size_t> read_fd(int fd, std::uint64_t offset, std::span<std::byte> into) {
  for (;;) {
    const auto count = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (count > 0) return static_cast<std::size_t>(count);
    if (count == 0) return fail(Code::io, "a file is shorter than its object");
    if (errno != EINTR) return system_fail(errno, "reading an object's file");
  }
}

std::span<std::byte> at_most(std::span<std::byte> into, std::uint64_t count) {
  return into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), count)));
}

Result<std::size_t> read_buffer(const Buffer& buffer, std::uint64_t offset, std::span<std::byte> into) {
  if (offset >= buffer.size()) return 0;
  const auto part = at_most(into, buffer.size() - offset);
  std::memcpy(part.data(), buffer.view().data() + offset, part.size());
  return part.size();
}

Result<std::size_t> read_slice(const FileSlice& slice, std::uint64_t offset, std::span<std::byte> into) {
  if (offset >= slice.length) return 0;
  return read_fd(slice.file->get(), slice.offset + offset, at_most(into, slice.length - offset));
}

Result<Buffer> read_whole(const FileSlice& slice) {
  std::shared_ptr<std::byte[]> bytes = std::make_shared_for_overwrite<std::byte[]>(slice.length);
  for (std::uint64_t done = 0; done < slice.length;) {
    auto count = read_slice(slice, done, {bytes.get() + done, slice.length - done});
    if (!count) return std::unexpected(count.error());
    done += *count;
  }
  const ByteView view{bytes.get(), slice.length};
  return Buffer::wrap(std::move(bytes), view);
}

void wait_beyond(Growing& growing, std::uint64_t offset) {
  struct Wait {
    std::mutex mutex;
    std::condition_variable changed;
    bool over = false;
  };
  const auto wait = std::make_shared<Wait>();
  growing.on_change(offset, [wait] {
    const std::lock_guard lock(wait->mutex);
    wait->over = true;
    wait->changed.notify_one();
  });
  std::unique_lock lock(wait->mutex);
  wait->changed.wait(lock, [&] { return wait->over; });
}

Result<std::size_t> read_growing(Growing& growing, std::uint64_t offset, std::span<std::byte> into) {
  wait_beyond(growing, offset);
  if (growing.state() == Growing::State::abandoned) return std::unexpected(growing.error());
  const auto reached = growing.watermark();
  if (offset >= reached) return 0;
  auto count = read_fd(growing.fd(), offset, at_most(into, reached - offset));
  if (offset < growing.begin()) return fail(Code::result_gone, "a result that is more than is kept was read too late");
  growing.passed(offset + count.value_or(0));
  return count;
}

}  // namespace

Result<std::size_t> read_at(const Body& body, std::uint64_t offset, std::span<std::byte> into) {
  if (into.empty()) return 0;
  if (const auto* buffer = std::get_if<Buffer>(&body)) return read_buffer(*buffer, offset, into);
  if (const auto* slice = std::get_if<FileSlice>(&body)) return read_slice(*slice, offset, into);
  return read_growing(*std::get<std::shared_ptr<Growing>>(body), offset, into);
}

Result<Buffer> read_all(const Body& body) {
  if (const auto* buffer = std::get_if<Buffer>(&body)) return *buffer;
  if (const auto* slice = std::get_if<FileSlice>(&body)) return read_whole(*slice);
  std::string all;
  std::array<std::byte, 64 << 10> part;
  for (;;) {
    auto count = read_at(body, all.size(), part);
    if (!count) return std::unexpected(count.error());
    if (*count == 0) return Buffer::of(std::move(all));
    all.append(reinterpret_cast<const char*>(part.data()), *count);
  }
}

}  // namespace hotwell::cache

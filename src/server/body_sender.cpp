#include "server/body_sender.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "cache/object.hpp"

namespace hotwell::server {
namespace {

/// Bytes of a file that somebody may let go of once they are passed: copied, since what sendfile() lends to the network
/// is zeroed with them. Through one buffer a thread, so that a thousand followers of a stream take no memory of their
/// own.
std::int64_t send_copy(int socket, int fd, std::uint64_t offset, std::uint64_t length, int flags) {
  constexpr std::size_t size = 128 << 10;
  thread_local const auto buffer = std::make_unique_for_overwrite<std::byte[]>(size);
  const auto wanted = std::min<std::uint64_t>(size, length);
  const auto there = ::pread(fd, buffer.get(), wanted, static_cast<off_t>(offset));
  if (there <= 0) return there;
  const auto more = static_cast<std::uint64_t>(there) < length ? MSG_MORE : 0;
  return ::send(socket, buffer.get(), static_cast<std::size_t>(there), MSG_NOSIGNAL | MSG_DONTWAIT | flags | more);
}

bool in_memory(const Part& part) { return !std::holds_alternative<FilePart>(part); }

constexpr std::uint64_t page_size = 4096;

/// How many pages of the file's part the kernel has in memory, those included that are on their way there. None before
/// Linux 6.5.
std::optional<std::uint64_t> cached_pages(int fd, std::uint64_t offset, std::uint64_t length) {
  constexpr long cachestat = 451;  // Debian 12's headers do not know it; a tenth of what a mapping for mincore costs
  struct {
    std::uint64_t offset, length;
  } range{offset, length};
  struct {
    std::uint64_t cached, dirty, in_writeback, evicted, recently_evicted;
  } counts{};
  if (::syscall(cachestat, fd, &range, &counts, 0) != 0) return std::nullopt;
  return counts.cached;
}

/// Whether the kernel has these pages of a file in memory. False also where it does not say.
bool is_resident(int fd, std::uint64_t offset, std::uint64_t length) {
  constexpr std::uint64_t most_pages = BodySender::max_step / page_size + 1;
  const auto begin = offset / page_size * page_size;
  const auto size = offset + length - begin;
  if (const auto cached = cached_pages(fd, begin, size)) return *cached >= (size + page_size - 1) / page_size;
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(begin));
  if (mapped == MAP_FAILED) return false;
  std::array<unsigned char, most_pages> pages;
  const bool told = ::mincore(mapped, size, pages.data()) == 0;
  ::munmap(mapped, size);
  const auto count = static_cast<std::ptrdiff_t>((size + page_size - 1) / page_size);
  return told &&
         std::all_of(pages.begin(), pages.begin() + count, [](unsigned char flags) { return (flags & 1) != 0; });
}

ByteView memory_of(const Part& part) {
  if (const auto* text = std::get_if<std::string>(&part)) return ByteView(*text);
  return std::get<Buffer>(part).view();
}

}  // namespace

void BodySender::start(Answer answer, Send what) {
  parts_.clear();
  source_.reset();
  if (what == Send::all) {
    parts_ = std::move(answer.parts);
    source_ = std::move(answer.follow);
  }
  piece_ = {};
  tail_ = {};
  index_ = 0;
  offset_ = ready_ = sent_ = 0;
  ended_ = false;
}

BodySender::Step BodySender::step(int socket) {
  // The head, then the parts: index_ 0 is the head.
  if (index_ <= parts_.size()) {
    if (index_ > 0)
      if (auto* file = std::get_if<FilePart>(&parts_[index_ - 1])) return send_file(socket, *file);
    return send_memory(socket);
  }
  if (!source_) return Step::done;
  return send_chunk(socket);
}

BodySender::Step BodySender::send_chunk(int socket) {
  if (offset_ < piece_.text.size()) {
    const auto sent = after_sending(::send(socket, piece_.text.data() + offset_, piece_.text.size() - offset_,
                                           MSG_NOSIGNAL | MSG_DONTWAIT | (piece_.length > 0 ? MSG_MORE : 0)));
    if (sent != Step::yielded) return sent;
  } else if (piece_.length > 0) {
    const auto before = sent_;
    const auto sent = after_sending(send_copy(socket, piece_.fd, piece_.offset, piece_.length, MSG_MORE));
    piece_.offset += sent_ - before;
    piece_.length -= sent_ - before;
    if (sent != Step::yielded) return sent;
    if (piece_.length == 0) {
      piece_.text = tail_;
      offset_ = 0;
    }
    return Step::yielded;
  } else if (!ended_) {
    return next_chunk();  // sent by the next step
  }
  return ended_ && piece_.length == 0 && offset_ == piece_.text.size() ? Step::done : Step::yielded;
}

BodySender::Step BodySender::after_sending(std::int64_t sent) {
  if (sent < 0) return errno == EAGAIN || errno == EINTR ? Step::blocked : Step::broken;
  if (sent == 0) return Step::broken;  // a file that is shorter than it was said to be
  offset_ += static_cast<std::uint64_t>(sent);
  sent_ += static_cast<std::uint64_t>(sent);
  return Step::yielded;
}

bool BodySender::is_ending() const {
  if (source_) return ended_ && piece_.length == 0;
  const auto next = parts_.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(index_, 1) - 1);
  if (std::all_of(next, parts_.end(), in_memory)) return true;
  const auto* file = next + 1 == parts_.end() && index_ > 0 ? std::get_if<FilePart>(&*next) : nullptr;
  if (file == nullptr || (file->content_begins && ready_ <= offset_)) return false;
  return file->length - offset_ <= max_step;
}

BodySender::Step BodySender::send_memory(int socket) {
  std::array<iovec, 16> pieces;
  std::size_t count = 0;
  std::size_t wanted = 0;
  std::size_t end = index_;
  const auto add = [&](ByteView bytes) {
    const auto skip = end == index_ ? offset_ : 0;
    // sendmsg does not write through iov_base.
    pieces[count++] = {const_cast<std::byte*>(bytes.data()) + skip, bytes.size() - skip};
    wanted += bytes.size() - skip;
    ++end;
  };
  if (index_ == 0) add(ByteView(head_));
  while (end <= parts_.size() && count < pieces.size() && wanted < max_step && in_memory(parts_[end - 1]))
    add(memory_of(parts_[end - 1]));
  const bool more = end <= parts_.size();
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  auto sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
  if (sent < 0) return errno == EAGAIN || errno == EINTR ? Step::blocked : Step::broken;
  sent_ += static_cast<std::uint64_t>(sent);
  auto left = static_cast<std::size_t>(sent);
  for (std::size_t i = 0; i < count && left >= pieces[i].iov_len; ++i) {
    left -= pieces[i].iov_len;
    ++index_;
    offset_ = 0;
  }
  offset_ += left;
  if (index_ < end) return Step::blocked;
  return index_ > parts_.size() && !source_ ? Step::done : Step::yielded;
}

BodySender::Step BodySender::send_file(int socket, FilePart& file) {
  auto wanted = next_step(file);
  if (file.content_begins && wanted > 0) {
    if (ready_ <= offset_) {
      if (!is_ready(file)) return Step::unready;
      made_ready();
    }
    wanted = std::min(wanted, ready_ - offset_);
  }
  if (wanted > 0) {
    auto position = static_cast<off_t>(file.offset + offset_);
    const auto sent = after_sending(file.content_begins ? ::sendfile(socket, file.fd, &position, wanted)
                                                        : send_copy(socket, file.fd, file.offset + offset_, wanted, 0));
    if (sent != Step::yielded) return sent;
  }
  if (offset_ < file.length) return Step::yielded;
  ++index_;
  offset_ = ready_ = 0;
  return index_ > parts_.size() ? Step::done : Step::yielded;
}

bool BodySender::is_ready(const FilePart& file) const {
  const auto in_file = file.offset + offset_;
  const auto length = next_step(file);
  const auto& description = file.object.description();
  return description && description->verified(in_file - *file.content_begins, length) &&
         is_resident(file.fd, in_file, length);
}

BodySender::Unready BodySender::unready() const {
  const auto& file = std::get<FilePart>(parts_[index_ - 1]);
  const auto in_file = file.offset + offset_;
  return {file.object, file.fd, in_file, in_file - *file.content_begins, next_step(file)};
}

void BodySender::made_ready() { ready_ = offset_ + next_step(std::get<FilePart>(parts_[index_ - 1])); }

BodySender::Step BodySender::next_chunk() {
  piece_ = {};
  tail_ = {};
  offset_ = 0;
  const auto taken = source_->take(piece_, chunk_size);
  if (taken == ChunkSource::Taken::broken) return Step::broken;
  ended_ = taken == ChunkSource::Taken::end;
  const auto size = piece_.length + piece_.text.size();
  const std::string_view end = !ended_ ? "" : "0\r\n\r\n";
  if (piece_.length > 0) {
    piece_.text = fmt::format("{:x}\r\n", size);
    tail_ = ended_ ? "\r\n0\r\n\r\n" : "\r\n";
  } else if (size > 0) {
    piece_.text = fmt::format("{:x}\r\n{}\r\n{}", size, piece_.text, end);
  } else {
    piece_.text = end;
  }
  return size == 0 && !ended_ ? Step::starved : Step::yielded;
}

}  // namespace hotwell::server

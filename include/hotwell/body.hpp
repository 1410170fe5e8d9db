/// Bytes and how they travel: views, ref-counted buffers, slices of files, and results that still grow.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell {

/// A borrowed run of bytes. Converts from strings, spans and vectors of byte-sized elements.
/// Ownership: none; whatever it was made from must outlive it.
class ByteView {
 public:
  constexpr ByteView() = default;
  constexpr ByteView(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  ByteView(const void* data, std::size_t size) : data_(static_cast<const std::byte*>(data)), size_(size) {}
  ByteView(const char* text) : ByteView(std::string_view(text)) {}
  template <class R>
    requires std::ranges::contiguous_range<const R> && std::ranges::sized_range<const R> &&
                 (sizeof(std::ranges::range_value_t<const R>) == 1) &&
                 std::is_trivially_copyable_v<std::ranges::range_value_t<const R>>
  ByteView(const R& range)
      : data_(reinterpret_cast<const std::byte*>(std::ranges::data(range))), size_(std::ranges::size(range)) {}

  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] const std::byte* begin() const noexcept { return data_; }
  [[nodiscard]] const std::byte* end() const noexcept { return data_ + size_; }
  [[nodiscard]] ByteView subview(std::size_t offset, std::size_t count) const { return {data_ + offset, count}; }
  [[nodiscard]] std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
  [[nodiscard]] std::span<const std::byte> span() const noexcept { return {data_, size_}; }

  friend bool operator==(ByteView a, ByteView b) { return a.text() == b.text(); }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Who lends bytes to Buffers in its own way: a cache, whose readers must not all count in one place.
/// A loan is a word whose meaning is the lender's. Threads: any. It outlives its loans.
class Lender {
 public:
  /// Another loan of the same bytes, while `loan` lasts.
  [[nodiscard]] virtual std::uintptr_t lend_again(std::uintptr_t loan) const noexcept = 0;
  virtual void take_back(std::uintptr_t loan) const noexcept = 0;

 protected:
  ~Lender() = default;
};

/// Immutable bytes with shared ownership; copies share. Threads: as shared_ptr.
class Buffer {
 public:
  Buffer() = default;
  [[nodiscard]] static Buffer copy_of(ByteView bytes);
  [[nodiscard]] static Buffer of(std::string&& bytes);
  /// Bytes that live as long as `owner` does (a mapping, another library's object). Without an owner: as long as
  /// whoever passes them on says.
  [[nodiscard]] static Buffer wrap(std::shared_ptr<const void> owner, ByteView bytes);
  /// Bytes that live until `loan`, which this takes over, is taken back.
  [[nodiscard]] static Buffer lent(const Lender& lender, std::uintptr_t loan, ByteView bytes) noexcept {
    Buffer buffer;
    buffer.loan_.lender = &lender;
    buffer.loan_.word = loan;
    buffer.view_ = bytes;
    return buffer;
  }

  [[nodiscard]] ByteView view() const noexcept { return view_; }
  [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
  [[nodiscard]] std::string_view text() const noexcept { return view_.text(); }
  /// The same bytes' part; shares ownership.
  [[nodiscard]] Buffer slice(std::size_t offset, std::size_t count) const {
    Buffer part = *this;
    part.view_ = view_.subview(offset, count);
    return part;
  }
  /// Whether it keeps its bytes alive.
  [[nodiscard]] bool owns() const noexcept { return owner_ != nullptr || loan_.lender != nullptr || size() == 0; }

 private:
  struct Loan {
    const Lender* lender = nullptr;
    std::uintptr_t word = 0;

    Loan() = default;
    Loan(const Loan& other) noexcept
        : lender(other.lender), word(lender != nullptr ? lender->lend_again(other.word) : 0) {}
    Loan(Loan&& other) noexcept : lender(std::exchange(other.lender, nullptr)), word(other.word) {}
    Loan& operator=(Loan other) noexcept {
      std::swap(lender, other.lender);
      std::swap(word, other.word);
      return *this;
    }
    ~Loan() {
      if (lender != nullptr) lender->take_back(word);
    }
  };

  std::shared_ptr<const void> owner_;
  Loan loan_;
  ByteView view_;
};

/// An open file descriptor, closed with its last owner.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) noexcept : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    // What was held is closed now, not when `other` goes.
    const FileHandle old(std::exchange(fd_, std::exchange(other.fd_, -1)));
    return *this;
  }
  ~FileHandle();

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  /// A second descriptor for the same open file (close-on-exec).
  [[nodiscard]] Result<FileHandle> duplicate() const;

 private:
  int fd_ = -1;
};

/// A part of an open file whose bytes never change while it is held; holding it keeps the bytes readable even
/// after the cache evicted the object.
struct FileSlice {
  std::shared_ptr<const FileHandle> file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// One attempt's output while it is made: bytes below the watermark are final and may be read from `fd()`.
/// Readers never see bytes of another attempt: a retry is another Growing.
/// Of a result that is larger than what may be kept, bytes that all its readers have passed are let go while it grows.
/// Threads: every member may be called from any thread.
class Growing {
 public:
  enum class State : std::uint8_t { growing, sealed, abandoned };

  virtual ~Growing() = default;
  [[nodiscard]] virtual std::uint64_t generation() const = 0;
  [[nodiscard]] virtual std::uint64_t watermark() const = 0;
  [[nodiscard]] virtual State state() const = 0;
  /// Why it was abandoned; meaningless otherwise.
  [[nodiscard]] virtual Error error() const = 0;
  [[nodiscard]] virtual std::string content_type() const = 0;
  /// For pread and sendfile between begin() and the watermark. Owned by the Growing.
  [[nodiscard]] virtual int fd() const = 0;
  /// The first byte that was not let go.
  [[nodiscard]] virtual std::uint64_t begin() const { return 0; }
  /// The same Growing for one reader: bytes from `from` on stay until it has passed() them or is gone. Null where some
  /// of them were let go already.
  [[nodiscard]] virtual std::shared_ptr<Growing> reader(std::uint64_t from) = 0;
  /// A reader needs nothing below `offset` any more; of `everything` it gives up what it was promised. Without a
  /// meaning for who is no reader().
  virtual void passed(std::uint64_t offset) { (void)offset; }
  static constexpr std::uint64_t everything = UINT64_MAX;
  /// Calls `wake` exactly once, as soon as the watermark is above `seen` or the state is final: at once on this
  /// thread if that already holds, else later on the producer's thread. `wake` must not block.
  virtual void on_change(std::uint64_t seen, std::function<void()> wake) = 0;
};

using Body = std::variant<Buffer, FileSlice, std::shared_ptr<Growing>>;

/// What a result is, told when it is sealed.
struct ContentInfo {
  std::string content_type = "application/octet-stream";
};

/// Where one attempt's output goes. Exactly one of seal and abandon ends it; destruction without either abandons.
/// Threads: one producer; its readers are elsewhere.
class Sink {
 public:
  virtual ~Sink() = default;
  /// A seekable descriptor opened for writing, for a process or library that writes by itself.
  [[nodiscard]] virtual int fd() const = 0;
  /// Appends behind everything written by this call so far, and advances. Errors: disk_full, io, too_large.
  virtual Result<void> write(ByteView bytes) = 0;
  /// Bytes [0, n) are final and may be read by followers. n never falls.
  virtual Result<void> advance(std::uint64_t n) = 0;
  static constexpr std::size_t most_moved = 256 << 10;
  /// False where there is no room for `most_moved` more bytes before a reader has read on: then `wake` is called once,
  /// from any thread, when to ask again. For producers that can be held up; where others go on, advance() fails.
  [[nodiscard]] virtual bool has_room(std::function<void()> wake) {
    (void)wake;
    return true;
  }
  /// The type of what is being written, for followers that are answered before the end.
  virtual void set_content_type(std::string content_type) = 0;
  /// Complete: the object exists from here on. `size` bytes are final. Errors: disk_full, io.
  virtual Result<void> seal(std::uint64_t size) = 0;
  /// Nothing of this attempt may be served; followers are cut off with `error`.
  virtual void abandon(Error error) = 0;
  /// Whether a result of `size` bytes can be written and sealed without waiting for a disk: then the pool does it on
  /// its own thread.
  [[nodiscard]] virtual bool is_quick(std::uint64_t) const { return false; }
};

}  // namespace hotwell

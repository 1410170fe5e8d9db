/// What an Object is made of: its description, which is immutable once published and shared by every look-up.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <hotwell/cache.hpp>

namespace hotwell::cache {

/// The texts and times of one generation of one object. Tiers derive from it to keep what belongs to the bytes (a
/// memory entry its buffer, a file its checksums), so that one reference keeps both.
/// Threads: immutable once an Object was made of it, but for what derived classes guard themselves.
class Description {
 public:
  Description() = default;
  virtual ~Description() = default;
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;

  std::string key;  ///< empty for private objects
  std::uint64_t generation = 0;
  std::string content_type;
  std::string type;
  Metadata metadata;
  WallTime created{};
  WallTime expires{};

  /// An Object whose texts are views into `description`, which it keeps.
  [[nodiscard]] static Object object(std::shared_ptr<const Description> description, Level level, Body body);

  /// Checks the stored bytes [offset, offset + length) against their checksums, each chunk once.
  /// Errors: io, where they are not what was stored. Precondition: within the object.
  [[nodiscard]] virtual Result<void> verify(std::uint64_t offset, std::uint64_t length) const;
  /// Whether verify() would have nothing left to read. Never blocks.
  [[nodiscard]] virtual bool verified(std::uint64_t offset, std::uint64_t length) const noexcept;
};

/// The bytes of a file's object in memory, mapped when first asked for. Shared by the copies of one look-up's object.
class Mapping {
 public:
  Mapping() = default;
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  /// Throws Failure where there is no room for a mapping. Precondition: not empty; the same slice each time.
  [[nodiscard]] ByteView bytes(const FileSlice& slice);

 private:
  std::once_flag once_;
  void* address_ = nullptr;
  std::size_t length_ = 0;
  std::size_t before_ = 0;  ///< of the mapping, before the object begins
};

/// Where a description needs nothing but itself: growing objects, tests.
struct Details {
  std::string key;
  std::uint64_t generation = 0;
  std::string content_type = "application/octet-stream";
  std::string type;
  Metadata metadata;
  WallTime created{};
  WallTime expires{};
};
void assign(Description& description, Details details);
[[nodiscard]] std::shared_ptr<Description> describe(Details details);

}  // namespace hotwell::cache

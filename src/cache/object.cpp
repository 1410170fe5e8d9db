#include "cache/object.hpp"

#include <cerrno>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.hpp"

namespace hotwell {

const Metadata& MetadataView::map() const {
  static const Metadata none;
  return map_ != nullptr ? *map_ : none;
}

std::optional<std::uint64_t> Object::size() const {
  if (const auto* buffer = std::get_if<Buffer>(&body)) return buffer->size();
  if (const auto* slice = std::get_if<FileSlice>(&body)) return slice->length;
  return std::nullopt;
}

ByteView Object::bytes() const {
  if (const auto* buffer = std::get_if<Buffer>(&body)) return buffer->view();
  const auto* slice = std::get_if<FileSlice>(&body);
  HOTWELL_ASSERT(slice != nullptr && "a growing object has no bytes() yet");
  if (slice->length == 0) return {};
  HOTWELL_ASSERT(mapping_ != nullptr && "made by Description::object");
  return mapping_->bytes(*slice);
}

std::string Object::etag() const { return fmt::format("\"{:x}\"", generation); }

namespace cache {

Mapping::~Mapping() {
  if (address_ != nullptr) ::munmap(address_, length_);
}

ByteView Mapping::bytes(const FileSlice& slice) {
  std::call_once(once_, [&] {
    HOTWELL_ASSERT(slice.file != nullptr && "for_each() shows objects without their files");
    // Mappings begin at pages; an object may begin anywhere in its file.
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    before_ = slice.offset % page;
    const auto length = before_ + slice.length;
    void* address =
        ::mmap(nullptr, length, PROT_READ, MAP_SHARED, slice.file->get(), static_cast<off_t>(slice.offset - before_));
    if (address == MAP_FAILED) throw Failure(system_error(errno, "mapping an object's file"));
    address_ = address;
    length_ = length;
  });
  return ByteView{address_, length_}.subview(before_, length_ - before_);
}

Object Description::object(std::shared_ptr<const Description> description, Level level, Body body) {
  Object object;
  object.key = description->key;
  object.generation = description->generation;
  object.content_type = description->content_type;
  object.type = description->type;
  object.metadata = MetadataView(&description->metadata);
  object.created = description->created;
  object.expires = description->expires;
  object.level = level;
  if (std::holds_alternative<FileSlice>(body)) object.mapping_ = std::make_shared<Mapping>();
  object.body = std::move(body);
  object.description_ = std::move(description);
  return object;
}

Result<void> Description::verify(std::uint64_t, std::uint64_t) const { return {}; }
bool Description::verified(std::uint64_t, std::uint64_t) const noexcept { return true; }

void assign(Description& description, Details details) {
  description.key = std::move(details.key);
  description.generation = details.generation;
  description.content_type = std::move(details.content_type);
  description.type = std::move(details.type);
  description.metadata = std::move(details.metadata);
  description.created = details.created;
  description.expires = details.expires;
}

std::shared_ptr<Description> describe(Details details) {
  auto made = std::make_shared<Description>();
  assign(*made, std::move(details));
  return made;
}

}  // namespace cache
}  // namespace hotwell

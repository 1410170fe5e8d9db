#include "cache/stream/manifest.hpp"

#include <bit>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"

namespace hotwell::cache {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and so is this code");

constexpr std::string_view magic = "HOTWOBJ\n";
constexpr std::uint32_t version = 1;

class Encoder {
 public:
  template <class T>
    requires std::is_integral_v<T>
  void number(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }
  void raw(std::string_view bytes) { out_.append(bytes); }
  [[nodiscard]] std::string& out() { return out_; }

 private:
  std::string out_;
};

/// Reads what is there; once something was not, every further read is empty and `ok()` false.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  template <class T>
    requires std::is_integral_v<T>
  [[nodiscard]] T number() {
    T value{};
    const auto bytes = raw(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  [[nodiscard]] std::string text() { return std::string(raw(number<std::uint32_t>())); }
  [[nodiscard]] std::string_view raw(std::size_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::unexpected<Error> damaged(std::string_view why) {
  return fail(Code::io, fmt::format("a damaged manifest: {}", why));
}

}  // namespace

std::string encode(const Manifest& manifest) {
  HOTWELL_ASSERT(manifest.checksums.size() == chunks_of(manifest.size));
  const auto& details = manifest.details;
  Encoder encoder;
  encoder.raw(magic);
  encoder.number(version);
  encoder.number(std::uint32_t{0});  // the whole length, known below
  encoder.number(details.generation);
  encoder.number(manifest.size);
  encoder.number(static_cast<std::int64_t>(details.created.time_since_epoch().count()));
  encoder.number(static_cast<std::int64_t>(details.expires.time_since_epoch().count()));
  encoder.text(details.key);
  encoder.text(details.content_type);
  encoder.text(details.type);
  encoder.number(static_cast<std::uint32_t>(details.metadata.size()));
  for (const auto& [name, value] : details.metadata) {
    encoder.text(name);
    encoder.text(value);
  }
  for (const auto checksum : manifest.checksums) encoder.number(checksum);
  auto& out = encoder.out();
  const auto length = static_cast<std::uint32_t>(out.size() + sizeof(std::uint64_t));
  std::memcpy(out.data() + magic.size() + sizeof version, &length, sizeof length);
  encoder.number(base::xxh3_64(out));
  return std::move(out);
}

Result<Manifest> decode_manifest(ByteView bytes) {
  Decoder decoder(bytes.text());
  if (decoder.raw(magic.size()) != magic) return damaged("it does not begin as one");
  if (const auto found = decoder.number<std::uint32_t>(); found != version)
    return fail(Code::invalid_argument, fmt::format("a manifest of version {}; this program knows {}", found, version));
  const auto length = decoder.number<std::uint32_t>();
  if (!decoder.ok() || length != bytes.size()) return damaged("its length is not what it says");
  std::uint64_t checksum = 0;
  const auto covered = bytes.size() - sizeof checksum;
  std::memcpy(&checksum, bytes.data() + covered, sizeof checksum);
  if (checksum != base::xxh3_64(bytes.subview(0, covered))) return damaged("its checksum does not match");

  Manifest manifest;
  auto& details = manifest.details;
  details.generation = decoder.number<std::uint64_t>();
  manifest.size = decoder.number<std::uint64_t>();
  details.created = WallTime{WallTime::duration{decoder.number<std::int64_t>()}};
  details.expires = WallTime{WallTime::duration{decoder.number<std::int64_t>()}};
  details.key = decoder.text();
  details.content_type = decoder.text();
  details.type = decoder.text();
  const auto pairs = decoder.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < pairs && decoder.ok(); ++i) {
    auto name = decoder.text();
    details.metadata.insert_or_assign(std::move(name), decoder.text());
  }
  if (!decoder.ok() || decoder.left() < sizeof checksum) return damaged("it ends in its middle");
  const auto count = (decoder.left() - sizeof checksum) / sizeof checksum;
  // Compared without the sum that chunks_of would make of an absurd size.
  if (manifest.size / chunk_size + (manifest.size % chunk_size != 0 ? 1 : 0) != count ||
      (decoder.left() % sizeof checksum) != 0)
    return damaged("it has not one checksum for each chunk");
  manifest.checksums.reserve(count);
  for (std::size_t i = 0; i < count; ++i) manifest.checksums.push_back(decoder.number<std::uint64_t>());
  return manifest;
}

}  // namespace hotwell::cache

#include "cache/stream/manifest.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/digest.hpp"

namespace hotwell::cache {
namespace {

Manifest sample() {
  return {{.key = "a key",
           .generation = 42,
           .content_type = "video/mp4",
           .type = "tag",
           .metadata = {{"a", "1"}, {"b", ""}},
           .created = WallTime{std::chrono::seconds{1}},
           .expires = WallTime{std::chrono::seconds{2}}},
          2 * chunk_size + 1,
          {1, 2, 3}};
}

void expect_equal(const Manifest& a, const Manifest& b) {
  EXPECT_EQ(a.details.key, b.details.key);
  EXPECT_EQ(a.details.generation, b.details.generation);
  EXPECT_EQ(a.details.content_type, b.details.content_type);
  EXPECT_EQ(a.details.type, b.details.type);
  EXPECT_EQ(a.details.metadata, b.details.metadata);
  EXPECT_EQ(a.details.created, b.details.created);
  EXPECT_EQ(a.details.expires, b.details.expires);
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.checksums, b.checksums);
}

TEST(Manifest, ComesBackAsItWas) {
  const auto decoded = decode_manifest(encode(sample()));
  ASSERT_TRUE(decoded);
  expect_equal(*decoded, sample());
}

TEST(Manifest, HasTheDocumentedLayout) {
  const auto bytes = encode({{.key = "k", .generation = 7, .content_type = "t", .type = ""}, 1, {0x1122334455667788}});
  EXPECT_EQ(bytes.substr(0, 8), "HOTWOBJ\n");
  EXPECT_EQ(bytes.substr(8, 4), std::string("\1\0\0\0", 4));
  EXPECT_EQ(static_cast<unsigned char>(bytes[12]), bytes.size());
  EXPECT_EQ(bytes[16], 7);
  EXPECT_EQ(bytes[24], 1);
  EXPECT_EQ(bytes.substr(48, 5), std::string("\1\0\0\0k", 5));
  EXPECT_EQ(bytes.size(), 48U + 5 + 5 + 4 + 4 + 8 + 8);
}

TEST(Manifest, AnUnknownVersionIsNamed) {
  auto bytes = encode(sample());
  bytes[8] = 9;
  const auto refused = decode_manifest(bytes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_NE(refused.error().message.find('9'), std::string::npos);
}

RC_GTEST_PROP(ManifestProperty, AnyDescriptionComesBack,
              (const std::string& key, const std::string& type, const Metadata& metadata, std::uint64_t generation)) {
  Manifest manifest = sample();
  manifest.details.key = key;
  manifest.details.type = type;
  manifest.details.metadata = metadata;
  manifest.details.generation = generation;
  const auto decoded = decode_manifest(encode(manifest));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->details.key == key);
  RC_ASSERT(decoded->details.type == type);
  RC_ASSERT(decoded->details.metadata == metadata);
  RC_ASSERT(decoded->details.generation == generation);
}

RC_GTEST_PROP(ManifestProperty, AnyOtherByteAndAnyOtherLengthIsNoticed, ()) {
  const auto good = encode(sample());
  auto altered = good;
  const auto at = *rc::gen::inRange<std::size_t>(0, good.size());
  altered[at] = static_cast<char>(altered[at] ^ *rc::gen::inRange(1, 256));
  RC_ASSERT(!decode_manifest(altered).has_value());
  RC_ASSERT(!decode_manifest(good.substr(0, at)).has_value());
  RC_ASSERT(!decode_manifest(good + altered.substr(0, at + 1)).has_value());
}

RC_GTEST_PROP(ManifestProperty, NoBytesDisturbTheDecoder, (std::string tail)) {
  // With a true length and checksum, so that what lies behind them is reached too.
  (void)decode_manifest(tail);
  const auto good = encode(sample());
  auto forged = good.substr(0, 16) + tail;
  const auto length = static_cast<std::uint32_t>(forged.size() + 8);
  std::memcpy(forged.data() + 12, &length, sizeof length);
  const auto sum = base::xxh3_64(forged);
  forged.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  const auto decoded = decode_manifest(forged);
  if (decoded) RC_ASSERT(decoded->checksums.size() == chunks_of(decoded->size));
}

}  // namespace
}  // namespace hotwell::cache

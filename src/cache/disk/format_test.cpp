// The disk tier's codecs: what was written is read, and nothing else is.
#include "cache/disk/format.hpp"

#include <random>

#include <gtest/gtest.h>

#include "tests/support/seed.hpp"

namespace hotwell::cache {
namespace {

using namespace std::chrono_literals;

constexpr RegionHeader test_region{7, 64 << 10, 0x1234567890abcdefULL};

Details some_details() {
  return {.key = "a key",
          .generation = 42,
          .content_type = "image/jpeg",
          .type = "thumbnail",
          .metadata = {{"width", "320"}, {"", ""}},
          .created = WallTime{5s},
          .expires = WallTime{9s}};
}

TEST(DiskFormat, HeadersAndEntriesComeBackAsTheyWere) {
  const auto header = decode_region_header(encode(test_region));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->id, test_region.id);
  EXPECT_EQ(header->size, test_region.size);
  EXPECT_EQ(header->salt, test_region.salt);

  const auto head = head_of(some_details(), 99, 1000);
  ASSERT_TRUE(head);
  std::string texts;
  append_texts(some_details(), texts);
  EXPECT_EQ(texts.size(), head->texts_size());
  const auto bytes = encode(*head, test_region.salt);
  EXPECT_EQ(bytes.size(), unit);
  const auto again = decode_head(bytes, test_region.salt);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->hash, 99U);
  EXPECT_EQ(again->value_size, 1000U);
  const auto found = decode_texts(*again, texts);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key, "a key");
  EXPECT_EQ(found->generation, 42U);
  EXPECT_EQ(found->content_type, "image/jpeg");
  EXPECT_EQ(found->type, "thumbnail");
  EXPECT_EQ(found->metadata, some_details().metadata);
  EXPECT_EQ(found->created, WallTime{5s});
  EXPECT_EQ(found->expires, WallTime{9s});
}

TEST(DiskFormat, AnIndexComesBackInOrder) {
  const std::vector<IndexItem> items{{1, WallTime{1s}, 1, 2}, {2, WallTime{2s}, 3, 10}, {3, WallTime{3s}, 40, 2}};
  const auto sealed = encode(test_region, items, 77);
  const auto footer = decode_footer(test_region, sealed.footer);
  ASSERT_TRUE(footer);
  EXPECT_EQ(footer->items, 3U);
  EXPECT_EQ(footer->last_generation, 77U);
  const auto found = decode_index(test_region, *footer, sealed.index);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 3U);
  EXPECT_EQ(found->at(1).slot, 3U);
  EXPECT_EQ(found->at(1).units, 10U);
  EXPECT_EQ(found->at(2).expires, WallTime{3s});
}

TEST(DiskFormat, NoFlippedBitIsRead) {
  const auto header = encode(test_region);
  const auto head = encode(*head_of(some_details(), 99, 1000), test_region.salt);
  const auto sealed = encode(test_region, {{1, WallTime{1s}, 1, 2}, {2, WallTime{2s}, 3, 10}}, 5);
  const auto flipped = [](std::string bytes, std::size_t bit) {
    bytes[bit / 8] = static_cast<char>(static_cast<unsigned char>(bytes[bit / 8]) ^ (1U << bit % 8));
    return bytes;
  };
  for (std::size_t bit = 0; bit < unit * 8; ++bit) {
    EXPECT_FALSE(decode_region_header(flipped(header, bit))) << bit;
    EXPECT_FALSE(decode_head(flipped(head, bit), test_region.salt)) << bit;
    EXPECT_FALSE(decode_footer(test_region, flipped(sealed.footer, bit))) << bit;
  }
  const auto footer = decode_footer(test_region, sealed.footer).value();
  for (std::size_t bit = 0; bit < sealed.index.size() * 8; ++bit)
    EXPECT_FALSE(decode_index(test_region, footer, flipped(sealed.index, bit))) << bit;
  // One or two flipped bits neither kill nor revive.
  EXPECT_FALSE(is_dead(std::byte{0x41}));
  EXPECT_TRUE(is_dead(std::byte{0xbe}));
}

TEST(DiskFormat, WhatAnotherRegionWroteIsNoEntry) {
  const auto head = encode(*head_of(some_details(), 99, 1000), test_region.salt);
  EXPECT_FALSE(decode_head(head, test_region.salt + 1));
}

TEST(DiskFormat, AnUnknownVersionIsToldFromDamage) {
  EXPECT_EQ(decode_region_header("").error().code, Code::io);
  EXPECT_EQ(decode_region_header(std::string(64, 'x')).error().code, Code::io);
}

TEST(DiskFormat, RandomBytesAreNothing) {
  std::mt19937_64 random(test::seed());
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 200, '\0');
    for (auto& c : bytes) c = static_cast<char>(random());
    EXPECT_FALSE(decode_region_header(bytes));
    EXPECT_FALSE(decode_head(bytes, test_region.salt));
    EXPECT_FALSE(decode_footer(test_region, bytes));
    EntryHead head;
    head.key_size = static_cast<std::uint16_t>(random() % 50);
    head.metadata_size = static_cast<std::uint32_t>(bytes.size());
    (void)decode_texts(head, bytes);
  }
}

}  // namespace
}  // namespace hotwell::cache

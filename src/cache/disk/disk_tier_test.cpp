// The disk tier over restarts, evictions, damage and a disk that fails. What every tier promises is in tests/contract.
#include "cache/disk/disk_tier.hpp"

#include <cstring>
#include <fstream>
#include <future>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "sim/disk.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::cache {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;
namespace fs = std::filesystem;

constexpr WallTime first_day{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr std::uint64_t region_bytes = 64 << 10;

class DiskTierTest : public ::testing::Test {
 protected:
  DiskTierTest() { reopen(); }

  void reopen(Bytes limit = 1_MiB) {
    tier_.reset();
    auto opened =
        DiskTier::open(disk_, {.directory = directory_.path(), .limit = limit, .region_size = region_bytes}, first_day);
    ASSERT_TRUE(opened) << to_string(opened.error());
    tier_ = std::move(*opened);
  }
  Result<Object> put(std::string key, std::string_view bytes, WallTime expires = first_day + 1h) {
    return tier_->put({.key = std::move(key), .generation = ++generation_, .created = first_day, .expires = expires},
                      Buffer::copy_of(bytes), removed_);
  }
  std::optional<std::string> get(std::string_view key, WallTime now = first_day) {
    auto found = tier_->find(key, now, {}, removed_);
    EXPECT_TRUE(found) << to_string(found.error());
    if (!found || !*found) return std::nullopt;
    return std::string((*found)->object.bytes().text());
  }
  [[nodiscard]] std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(directory_.path())) all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    return all;
  }
  static void damage(const fs::path& path, std::uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const auto was = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(was ^ 0x10));
  }

  test::TempDir directory_;
  sim::LossyDisk disk_{{}, 0};
  std::unique_ptr<DiskTier> tier_;
  std::uint64_t generation_ = 0;
  Removals removed_;
};

TEST_F(DiskTierTest, EverythingIsBackAfterARestartSealedOrNot) {
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(put("key" + std::to_string(i), std::string(1000, static_cast<char>('a' + i % 26))));
  for (int i = 0; i < 300; i += 3) ASSERT_TRUE(tier_->erase("key" + std::to_string(i), first_day, removed_).value());
  for (int i = 1; i < 300; i += 3) ASSERT_TRUE(put("key" + std::to_string(i), "new"));
  for (int round = 0; round < 2; ++round) {
    reopen();
    EXPECT_EQ(tier_->recovery().objects, 200U);
    EXPECT_EQ(tier_->recovery().damaged, 0U);
    EXPECT_GE(tier_->recovery().last_generation, 400U);
    for (int i = 0; i < 300; ++i) {
      const auto found = get("key" + std::to_string(i));
      if (i % 3 == 0) {
        EXPECT_FALSE(found) << i;
      }
      if (i % 3 == 1) {
        EXPECT_EQ(found, "new") << i;
      }
      if (i % 3 == 2) {
        EXPECT_EQ(found, std::string(1000, static_cast<char>('a' + i % 26))) << i;
      }
    }
  }
  EXPECT_EQ(tier_->stats().entries, 200U);
}

TEST_F(DiskTierTest, TheYoungestRegionIsWrittenOn) {
  ASSERT_TRUE(put("a", "one"));
  reopen();
  ASSERT_TRUE(put("b", "two"));
  EXPECT_EQ(files().size(), 1U);
  reopen();
  EXPECT_EQ(get("a"), "one");
  EXPECT_EQ(get("b"), "two");
}

TEST_F(DiskTierTest, ADeletedObjectStaysDeletedWhateverIsEvictedFirst) {
  std::mt19937_64 random(test::seed());
  std::map<std::string, std::string> model;
  for (int i = 0; i < 4000; ++i) {
    const auto key = "key" + std::to_string(random() % 150);
    switch (random() % 5) {
      case 0:
        (void)tier_->erase(key, first_day, removed_).value();
        model.erase(key);
        break;
      case 1: {
        const auto found = get(key);
        if (found) {
          EXPECT_EQ(*found, model.at(key));
        }
        break;
      }
      case 2:
        if (random() % 40 == 0) reopen();
        break;
      default: {
        auto value = std::to_string(i) + std::string(random() % 20000, 'v');
        ASSERT_TRUE(put(key, value));
        model[key] = std::move(value);
      }
    }
    ASSERT_LE(tier_->space(), (1_MiB).count);
  }
  reopen();
  std::uint64_t there = 0;
  for (int i = 0; i < 150; ++i) {
    const auto key = "key" + std::to_string(i);
    const auto found = get(key);
    if (!found) continue;
    ++there;
    ASSERT_TRUE(model.contains(key)) << key << " came back";
    EXPECT_EQ(*found, model[key]);
  }
  EXPECT_GT(there, 10U);
}

TEST_F(DiskTierTest, WhatWasAskedForIsSavedFromEviction) {
  ASSERT_TRUE(put("hot", "hot bytes"));
  ASSERT_TRUE(put("cold", "cold bytes"));
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(put("other" + std::to_string(i), std::string(9000, 'x')));
  ASSERT_TRUE(get("hot"));
  // All regions but the one that is written on must go.
  tier_->set_limit(Bytes{region_bytes}, removed_);
  EXPECT_EQ(get("hot"), "hot bytes");
  EXPECT_FALSE(get("cold"));
  tier_->set_limit(1_MiB, removed_);
  reopen();
  EXPECT_EQ(get("hot"), "hot bytes");
  EXPECT_FALSE(get("cold"));
}

TEST_F(DiskTierTest, SavingWhatIsHotNeverWritesMuchMoreThanWasStored) {
  std::mt19937_64 random(test::seed());
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(put("key" + std::to_string(i), std::string(3000, 'x')));
    // Everything young is hot.
    (void)get("key" + std::to_string(i - static_cast<int>(random() % 300)));
  }
  const auto traffic = tier_->traffic();
  EXPECT_GT(traffic.reinserted, 0U);
  EXPECT_LE(static_cast<double>(traffic.written), 1.3 * static_cast<double>(traffic.stored));
}

TEST_F(DiskTierTest, AHitIsTakenForAHitOfTheKeyThatWasAskedFor) {
  ASSERT_TRUE(put("key", "bytes"));
  for (unsigned i = 1; i < 40; ++i) EXPECT_EQ(tier_->find("key", first_day, {}, removed_).value()->hits, i);
  tier_->forget_hits("key");
  EXPECT_EQ(tier_->find("key", first_day, {}, removed_).value()->hits, 1U);
  tier_->sweep(first_day, removed_);
  tier_->sweep(first_day + 2h - 1us - 1h, removed_);
  EXPECT_EQ(tier_->find("key", first_day, {}, removed_).value()->hits, 2U);
}

TEST_F(DiskTierTest, WhatTheKernelHasInMemoryIsFoundWithoutWaiting) {
  reopen(8_MiB);
  const std::string large(40'000, 'l');
  ASSERT_TRUE(put("small", "bytes"));
  ASSERT_TRUE(put("large", large));
  ASSERT_TRUE(put("brief", "gone soon", first_day + 1min));
  const auto found = tier_->try_find("small", first_day, 3);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->object.bytes().text(), "bytes");
  EXPECT_EQ(found->hits, 1U);
  EXPECT_EQ(tier_->try_find("large", first_day, 3)->object.bytes().text(), large);
  EXPECT_FALSE(tier_->try_find("brief", first_day + 2min, 3));
  EXPECT_FALSE(tier_->try_find("absent", first_day, 3));
  EXPECT_EQ(tier_->stats().hits, 2U);
  EXPECT_EQ(tier_->stats().misses, 0U) << "find() is asked next, and counts";

  EXPECT_TRUE(tier_->try_find("small", first_day, 2));
  EXPECT_FALSE(tier_->try_find("small", first_day, 2)) << "who is to promote it finds it";
  disk_.resident = false;
  EXPECT_FALSE(tier_->try_find("large", first_day, 3)) << "it would have to wait";
  EXPECT_EQ(get("large"), large);
}

TEST_F(DiskTierTest, LargeValuesComeAsSlicesAndStayReadable) {
  tier_.reset();
  auto opened =
      DiskTier::open(disk_, {.directory = directory_.path(), .limit = 4_MiB, .region_size = 512 << 10}, first_day);
  ASSERT_TRUE(opened);
  tier_ = std::move(*opened);
  const std::string value(300000, 'v');
  ASSERT_TRUE(put("small first", "x"));
  ASSERT_TRUE(put("large", value));
  auto found = tier_->find("large", first_day, {.check = Check::later}, removed_).value();
  ASSERT_TRUE(found);
  EXPECT_TRUE(std::holds_alternative<FileSlice>(found->object.body));
  EXPECT_TRUE(found->object.description()->verify(0, 300000));
  ASSERT_TRUE(tier_->clear(removed_));
  EXPECT_EQ(found->object.bytes().text(), value);
  EXPECT_EQ(tier_->space(), 512U << 10) << "a region that is read takes its space until the reader lets go";
  found.reset();
  EXPECT_EQ(tier_->space(), 0U);
}

TEST_F(DiskTierTest, DamagedBytesAreAMissAndTold) {
  ASSERT_TRUE(put("one", std::string(500, '1')));
  ASSERT_TRUE(put("two", std::string(500, '2')));
  damage(files()[0], 64 + 200);       // in the first value
  damage(files()[0], 64 + 640 + 20);  // in the second head
  EXPECT_FALSE(get("one"));
  EXPECT_FALSE(get("two"));
  ASSERT_EQ(removed_.size(), 2U);
  EXPECT_EQ(removed_[0].cause, Cause::damaged);
  EXPECT_EQ(tier_->stats().entries, 0U);
  reopen();
  EXPECT_FALSE(get("one"));
  ASSERT_TRUE(put("one", "again"));
  EXPECT_EQ(get("one"), "again");
}

TEST_F(DiskTierTest, ADamagedIndexIsMadeAgainFromTheEntries) {
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(put("key" + std::to_string(i), std::string(1000, 'x')));
  ASSERT_TRUE(tier_->erase("key0", first_day, removed_).value());
  tier_.reset();
  const RegionShape shape{region_bytes};
  damage(files()[0], shape.index_offset(1) + 3);
  damage(files()[1], shape.footer_offset() + 9);
  reopen();
  EXPECT_EQ(tier_->recovery().damaged, 2U);
  EXPECT_EQ(tier_->recovery().objects, 199U);
  EXPECT_FALSE(get("key0"));
  for (int i = 1; i < 200; ++i) EXPECT_TRUE(get("key" + std::to_string(i))) << i;
}

TEST_F(DiskTierTest, WhatAUserStoredIsNeverTakenForAnEntry) {
  // The image of an entry as another region would have it, at every place where a scan looks.
  Details forged{.key = "forged", .generation = 1, .expires = first_day + 1h};
  auto head = head_of(forged, 1, 10).value();
  std::string image;
  append_texts(forged, image);
  image = encode(head, 0) + image;
  image.resize(128);
  std::string value;
  while (value.size() < 20000) value += image;
  ASSERT_TRUE(put("key", value));
  tier_.reset();
  damage(files()[0], 64 + 7);  // its head: the scan walks through the value
  reopen();
  EXPECT_EQ(tier_->recovery().objects, 0U);
  EXPECT_FALSE(get("forged"));
}

TEST_F(DiskTierTest, AnUnknownVersionIsRefusedAndLeftAlone) {
  ASSERT_TRUE(put("key", "bytes"));
  tier_.reset();
  std::string text(region_bytes, '\0');
  {
    auto header = encode(RegionHeader{9, region_bytes, 1});
    const std::uint32_t version = 2;
    std::memcpy(header.data() + 8, &version, sizeof version);
    const auto sum = base::xxh3_64(std::string_view(header).substr(0, 56));
    std::memcpy(header.data() + 56, &sum, sizeof sum);
    text.replace(0, header.size(), header);
    std::ofstream(directory_.path() / region_name(9), std::ios::binary) << text;
  }
  // Something that is no region at all lies there too, and stays as well.
  std::ofstream(directory_.path() / region_name(3), std::ios::binary) << "garbage";
  const auto before = files().size();
  const auto opened = DiskTier::open(disk_, {.directory = directory_.path(), .limit = 1_MiB}, first_day);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::invalid_argument);
  EXPECT_NE(opened.error().message.find("version 2"), std::string::npos);
  EXPECT_EQ(files().size(), before);
  fs::remove(directory_.path() / region_name(9));
  reopen();
  EXPECT_EQ(get("key"), "bytes");
  EXPECT_EQ(tier_->recovery().left_overs, 1U);
}

TEST_F(DiskTierTest, ALowerLimitAtStartEvicts) {
  for (int i = 0; i < 800; ++i) ASSERT_TRUE(put("key" + std::to_string(i), std::string(1000, 'x')));
  reopen(512_KiB);
  EXPECT_LE(tier_->space(), 512U << 10);
  EXPECT_TRUE(get("key799"));
  EXPECT_FALSE(get("key0"));
}

TEST_F(DiskTierTest, WholeRegionsGoWhenAllInThemHasExpired) {
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(put("key" + std::to_string(i), std::string(1000, 'x'), first_day + 5s));
  for (int i = 0; i < 6; ++i) tier_->sweep(first_day + 5s, removed_);
  EXPECT_EQ(tier_->stats().entries, 0U);
  EXPECT_LE(tier_->space(), region_bytes) << "the one that is written on";
  EXPECT_EQ(removed_.size(), 500U);
  for (const auto& one : removed_) EXPECT_EQ(one.cause, Cause::expired);
}

TEST_F(DiskTierTest, ADeathThatCannotBeWrittenIsPaidBeforeAnythingElse) {
  ASSERT_TRUE(put("key", "old"));
  // The new entry is written; the byte that kills the old one is not.
  disk_.set_faults_after(1, {.io_error = 1});
  ASSERT_TRUE(put("key", "new"));
  EXPECT_EQ(get("key"), "new");
  EXPECT_FALSE(tier_->erase("key", first_day, removed_)) << "an acknowledged delete could be undone";
  EXPECT_EQ(get("key"), "new");
  disk_.heal();
  EXPECT_TRUE(tier_->erase("key", first_day, removed_).value());
  reopen();
  EXPECT_FALSE(get("key"));
}

TEST_F(DiskTierTest, AFailedPutNeverComesBack) {
  ASSERT_TRUE(put("key", "old"));
  disk_.set_faults({.capacity = 64 + 20});  // a part of the entry is written
  EXPECT_FALSE(put("key", std::string(5000, 'n')));
  EXPECT_EQ(get("key"), "old");
  disk_.heal();
  ASSERT_TRUE(put("other", "bytes"));
  EXPECT_TRUE(tier_->erase("key", first_day, removed_).value());
  reopen();
  EXPECT_FALSE(get("key"));
  EXPECT_EQ(get("other"), "bytes");
  ASSERT_TRUE(put("third", "bytes"));
  reopen();
  EXPECT_EQ(get("third"), "bytes");
}

TEST_F(DiskTierTest, WhatWasSyncedOutlivesALossOfPower) {
  std::mt19937_64 random(test::seed());
  for (int round = 0; round < 20; ++round) {
    const auto key = [&](int i) { return std::to_string(round) + "/" + std::to_string(i); };
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(put(key(i), std::string(1000, 's')));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(tier_->erase(key(i), first_day, removed_).value());
    ASSERT_TRUE(tier_->sync());
    for (int i = 50; i < 60; ++i) ASSERT_TRUE(put(key(i), std::string(1000, 'n')));
    for (int i = 60; i < 90; ++i) ASSERT_TRUE(put(key(i), std::string(1000, 'n')));
    tier_.reset();
    disk_.lose_power(directory_.path());
    reopen();
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(get(key(i))) << "a deletion that was synced is undone";
    for (int i = 10; i < 50; ++i) EXPECT_EQ(get(key(i)), std::string(1000, 's'));
    for (int i = 50; i < 90; ++i) {
      const auto found = get(key(i));
      if (found) {
        EXPECT_EQ(found->find_first_not_of(found->front()), std::string::npos);
      }
    }
    ASSERT_TRUE(tier_->clear(removed_));
  }
}

TEST(DiskTierSpeed, APutDoesFewSystemCalls) {
  // One write for a small entry, one more for the death of what it replaces.
  test::TempDir directory;
  sim::LossyDisk disk({}, 0);
  auto tier = DiskTier::open(disk, {.directory = directory.path(), .limit = 1_MiB}, first_day).value();
  Removals removed;
  const auto put = [&](std::uint64_t generation) {
    ASSERT_TRUE(tier->put({.key = "key", .generation = generation, .created = first_day, .expires = first_day + 1h},
                          Buffer::copy_of("bytes"), removed));
  };
  put(1);
  auto before = disk.steps();
  put(2);
  EXPECT_EQ(disk.steps() - before, 2U);
  before = disk.steps();
  EXPECT_TRUE(tier->erase("key", first_day, removed).value());
  EXPECT_EQ(disk.steps() - before, 1U);
}

/// A tier of several regions that is opened again and stops finding them after the first, until go_on().
class WhileRecovering : public DiskTierTest {
 protected:
  static constexpr int keys = 400;
  WhileRecovering() {
    for (int i = 0; i < keys; ++i) EXPECT_TRUE(put("key" + std::to_string(i), std::string(500, 'v')));
    tier_.reset();
    disk_.on_read = [this, deaths = 0](std::uint64_t, std::uint64_t size) mutable {
      if (size == RegionShape{region_bytes}.deaths_size() && ++deaths == 2) going_on_.get_future().wait();
    };
    auto opened = DiskTier::open(
        disk_, {.directory = directory_.path(), .limit = 1_MiB, .region_size = region_bytes, .opens = Opens::serving},
        first_day);
    EXPECT_TRUE(opened) << to_string(opened.error());
    tier_ = std::move(*opened);
  }
  ~WhileRecovering() override {
    go_on();
    tier_.reset();
  }
  void go_on() {
    if (!std::exchange(gone_on_, true)) going_on_.set_value();
  }
  template <class Ask>
  auto ask(Ask ask) {
    return std::async(std::launch::async, std::move(ask));
  }

 private:
  std::promise<void> going_on_;
  bool gone_on_ = false;
};

TEST_F(WhileRecovering, WhatIsFoundAlreadyIsAHitAndWhatIsNotYetIsNoMiss) {
  EXPECT_EQ(get("key" + std::to_string(keys - 1)), std::string(500, 'v'));
  EXPECT_FALSE(tier_->whole());
  auto oldest = ask([&] {
    Removals removed;
    return tier_->find("key0", first_day, {}, removed).value().has_value();
  });
  auto absent = ask([&] { return tier_->generation("never stored", first_day).has_value(); });
  EXPECT_FALSE(tier_->whole());
  go_on();
  EXPECT_TRUE(oldest.get());
  EXPECT_FALSE(absent.get());
  EXPECT_TRUE(tier_->whole());
  EXPECT_EQ(tier_->recovery().objects, static_cast<std::uint64_t>(keys));
}

TEST_F(WhileRecovering, AnErasureOfWhatIsNotFoundYetErasesIt) {
  auto erased = ask([&] {
    Removals removed;
    return tier_->erase("key0", first_day, removed).value();
  });
  auto stored = ask([&] {
    Removals removed;
    return tier_
        ->put({.key = "key1", .generation = 1000, .created = first_day, .expires = first_day + 1h},
              Buffer::copy_of("new"), removed)
        .has_value();
  });
  go_on();
  EXPECT_TRUE(erased.get());
  EXPECT_TRUE(stored.get());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(get("key0"), std::nullopt);
    EXPECT_EQ(get("key1"), "new");
    disk_.on_read = nullptr;
    reopen();
  }
}

TEST_F(WhileRecovering, ATierThatGoesBeforeItIsWholeLosesNothing) {
  auto gone = ask([&] { tier_.reset(); });
  go_on();
  gone.get();
  disk_.on_read = nullptr;
  reopen();
  EXPECT_EQ(tier_->recovery().objects, static_cast<std::uint64_t>(keys));
}

}  // namespace
}  // namespace hotwell::cache

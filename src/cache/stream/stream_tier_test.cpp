#include "cache/stream/stream_tier.hpp"

#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/stream/files.hpp"
#include "sim/disk.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::cache {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;
namespace fs = std::filesystem;

constexpr WallTime year_begin{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

class StreamTierTest : public ::testing::Test {
 protected:
  StreamTierTest() { reopen(); }

  void reopen(Bytes limit = 16_MiB) {
    tier_.reset();
    auto opened = StreamTier::open(disk_, {.directory = directory_.path(), .limit = limit}, year_begin);
    ASSERT_TRUE(opened) << to_string(opened.error());
    tier_ = std::move(*opened);
  }
  Result<Object> put(std::string key, std::string_view bytes) {
    return tier_->put(
        {.key = std::move(key), .generation = ++generation_, .created = year_begin, .expires = year_begin + 1h},
        Buffer::copy_of(bytes), removed_);
  }
  std::optional<Object> get(std::string_view key, Check check = Check::whole) {
    auto found = tier_->find(key, year_begin, {.check = check}, removed_);
    EXPECT_TRUE(found.has_value());
    return found && *found ? std::optional((*found)->object) : std::nullopt;
  }
  [[nodiscard]] std::vector<fs::path> files(std::string_view suffix = "") const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path()))
      if (entry.is_regular_file() && entry.path().string().ends_with(suffix)) found.push_back(entry.path());
    return found;
  }
  static void flip_byte(const fs::path& path, std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }

  test::TempDir directory_;
  sim::LossyDisk disk_{{}, test::seed()};
  std::unique_ptr<StreamTier> tier_;
  std::uint64_t generation_ = 0;
  Removals removed_;
};

TEST_F(StreamTierTest, EverythingIsThereAfterReopening) {
  ASSERT_TRUE(put("small", "bytes"));
  ASSERT_TRUE(put("large", std::string(3 << 20, 'x')));
  ASSERT_TRUE(put("small", "newer"));
  ASSERT_TRUE(tier_->touch("large", year_begin, year_begin + 9h).value());
  const auto size = tier_->stats().size;
  reopen();
  EXPECT_EQ(tier_->recovery().objects, 2U);
  EXPECT_EQ(tier_->recovery().left_overs, 0U);
  EXPECT_EQ(tier_->recovery().last_generation, 3U);
  EXPECT_EQ(tier_->stats().size, size);
  EXPECT_EQ(get("small")->bytes().text(), "newer");
  const auto large = get("large");
  EXPECT_EQ(large->bytes().text(), std::string(3 << 20, 'x'));
  EXPECT_EQ(large->expires, year_begin + 9h);
}

TEST_F(StreamTierTest, ADeletedObjectStaysDeletedAfterReopening) {
  ASSERT_TRUE(put("key", "bytes"));
  ASSERT_TRUE(tier_->erase("key", year_begin, removed_).value());
  EXPECT_TRUE(files().empty());
  reopen();
  EXPECT_FALSE(get("key"));
}

TEST(Regression, KeysWereUsedAsFileNames) {
  test::TempDir outer;
  auto tier =
      StreamTier::open(host::system_disk(), {.directory = outer.path() / "in" / "side", .limit = 1_MiB}, year_begin)
          .value();
  Removals removed;
  const std::string key = "../../escaped";
  ASSERT_TRUE(tier->put({.key = key, .generation = 1, .created = year_begin, .expires = year_begin + 1h},
                        Buffer::copy_of("bytes"), removed));
  EXPECT_FALSE(fs::exists(outer.path() / "escaped"));
  for (const auto& entry : fs::recursive_directory_iterator(outer.path() / "in" / "side"))
    EXPECT_TRUE(entry.is_directory() || entry.path().filename().string().starts_with(name_of(key)));
}

TEST_F(StreamTierTest, LeftOversAreRemovedAtStartAndOthersFilesAreNot) {
  ASSERT_TRUE(put("key", "bytes"));
  const auto folder = files()[0].parent_path();
  const std::string name(name_length, 'a');
  for (const auto& file : {data_name(name, 7), name + "-0000000000000007.new"}) std::ofstream(folder / file) << "half";
  std::ofstream(folder / "a person's file.data") << "mine";
  reopen();
  EXPECT_EQ(tier_->recovery().left_overs, 2U);
  EXPECT_EQ(files().size(), 3U);
  EXPECT_TRUE(fs::exists(folder / "a person's file.data"));
  EXPECT_TRUE(get("key"));
}

TEST_F(StreamTierTest, ADraftIsNotAnObjectUntilItIsCommitted) {
  auto draft = tier_->draft("key", 1, removed_);
  ASSERT_TRUE(draft);
  ASSERT_TRUE((*draft)->write(0, "half", removed_));
  EXPECT_FALSE(get("key"));
  EXPECT_GT(tier_->stats().size, 0_B);
  draft->reset();
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(tier_->stats().size, 0_B);
}

TEST_F(StreamTierTest, AnotherProgramMayWriteThroughTheDescriptor) {
  const std::string bytes(2 << 20, 'y');
  {
    auto early = tier_->draft("key", 2, removed_);
    EXPECT_FALSE((*early)->advance(chunk_size, removed_)) << "nothing is there";
    EXPECT_FALSE((*early)->finish(1, removed_)) << "nothing is there";
  }
  auto draft = tier_->draft("key", 1, removed_);
  ASSERT_TRUE(draft);
  ASSERT_EQ(::pwrite((*draft)->file()->get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  ASSERT_TRUE((*draft)->advance(chunk_size + 5, removed_));
  ASSERT_TRUE((*draft)->finish(bytes.size() - 10, removed_));
  ASSERT_TRUE(tier_->commit(**draft, {.key = "key", .generation = 1, .expires = year_begin + 1h}, removed_));
  draft->reset();
  reopen();
  EXPECT_EQ(get("key")->bytes().text(), bytes.substr(10));
}

TEST_F(StreamTierTest, ADraftGivesBackTheRoomOfWhatItLetsGo) {
  reopen(4_MiB);
  const std::string chunk(chunk_size, 'y');
  auto draft = tier_->draft("key", 1, removed_);
  ASSERT_TRUE(draft);
  for (std::uint64_t at = 0; at < 4 * chunk_size; at += chunk_size)
    ASSERT_TRUE((*draft)->write(at, chunk, removed_) && (*draft)->advance(at + chunk_size, removed_));
  EXPECT_EQ(tier_->stats().size, 4_MiB);
  EXPECT_EQ((*draft)->reserve(5 * chunk_size, removed_).error().code, Code::too_large);
  ASSERT_TRUE((*draft)->let_go(2 * chunk_size));
  EXPECT_EQ(tier_->stats().size, 2_MiB);
  struct stat told{};
  ASSERT_EQ(::fstat((*draft)->file()->get(), &told), 0);
  EXPECT_LE(told.st_blocks * 512, 2 << 20) << "the file system has it back";
  for (std::uint64_t at = 4 * chunk_size; at < 6 * chunk_size; at += chunk_size)
    ASSERT_TRUE((*draft)->write(at, chunk, removed_) && (*draft)->advance(at + chunk_size, removed_));
  EXPECT_EQ(tier_->stats().size, 4_MiB);
  draft->reset();
  EXPECT_EQ(tier_->stats().size, 0_B);
}

TEST_F(StreamTierTest, AShortenedFileIsDroppedAtStartAndReported) {
  ASSERT_TRUE(put("key", "some bytes"));
  ASSERT_TRUE(put("other", "bytes"));
  for (const auto& path : files(".data"))
    if (path.filename().string().starts_with(name_of("key"))) fs::resize_file(path, 4);
  reopen();
  EXPECT_EQ(tier_->recovery().damaged, 1U);
  EXPECT_FALSE(get("key"));
  EXPECT_TRUE(get("other"));
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(StreamTierTest, AnAlteredManifestIsDroppedAtStart) {
  ASSERT_TRUE(put("key", "bytes"));
  flip_byte(files(".manifest")[0], 20);
  reopen();
  EXPECT_EQ(tier_->recovery().damaged, 1U);
  EXPECT_FALSE(get("key"));
  EXPECT_TRUE(files().empty());
}

TEST_F(StreamTierTest, AManifestUnderAnotherKeysNameIsNotBelieved) {
  ASSERT_TRUE(put("key", "bytes"));
  const auto manifest = files(".manifest")[0];
  auto folder = directory_.path() / name_of("victim").substr(0, 2);
  fs::create_directories(folder);
  fs::copy_file(manifest, folder / (name_of("victim") + ".manifest"));
  reopen();
  EXPECT_FALSE(get("victim"));
  EXPECT_TRUE(get("key"));
}

TEST_F(StreamTierTest, AlteredBytesAreNeverServed) {
  ASSERT_TRUE(put("small", "some bytes"));
  ASSERT_TRUE(put("large", std::string(3 << 20, 'x')));
  for (const auto& path : files(".data"))
    flip_byte(path, path.filename().string().starts_with(name_of("small")) ? 3 : (2 << 20) + 17);
  reopen();
  EXPECT_FALSE(get("small"));
  const auto stats = tier_->stats();
  EXPECT_EQ(stats.hits, 0U);
  EXPECT_EQ(stats.misses, 1U);

  // A part that is whole is served, the altered one is not.
  const auto large = get("large", Check::later);
  ASSERT_TRUE(large);
  EXPECT_TRUE(large->description()->verify(0, 2 << 20));
  const auto altered = large->description()->verify((2 << 20) + 100, 10);
  ASSERT_FALSE(altered);
  EXPECT_EQ(altered.error().code, Code::io);
  EXPECT_FALSE(get("large"));
  ASSERT_EQ(removed_.size(), 2U);
  EXPECT_EQ(removed_[1].cause, Cause::damaged);
  EXPECT_TRUE(files().empty());
}

TEST_F(StreamTierTest, EachChunkIsCheckedOnceSinceStart) {
  ASSERT_TRUE(put("large", std::string(2 << 20, 'x')));
  reopen();
  ASSERT_TRUE(get("large", Check::later)->description()->verify(0, 1));
  // Altered after it was found good: nobody reads it again. The other chunk was not looked at yet.
  flip_byte(files(".data")[0], 5);
  flip_byte(files(".data")[0], (1 << 20) + 5);
  EXPECT_TRUE(get("large", Check::later)->description()->verify(0, 1 << 20));
  EXPECT_FALSE(get("large", Check::later)->description()->verify(1 << 20, 1));
}

TEST_F(StreamTierTest, AFileRemovedFromOutsideIsAMiss) {
  ASSERT_TRUE(put("key", "bytes"));
  fs::remove(files(".data")[0]);
  EXPECT_FALSE(get("key"));
  EXPECT_EQ(tier_->stats().entries, 0U);
}

TEST_F(StreamTierTest, ReadersShareOneDescriptor) {
  ASSERT_TRUE(put("large", std::string(2 << 20, 'x')));
  const auto first = get("large");
  const auto second = get("large");
  EXPECT_EQ(std::get<FileSlice>(first->body).file, std::get<FileSlice>(second->body).file);
}

TEST_F(StreamTierTest, ALowerLimitAtStartEvicts) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(1 << 20, 'x')));
  reopen(4_MiB);
  EXPECT_LE(tier_->stats().size, 4_MiB);
  EXPECT_GE(tier_->stats().entries, 2U);
}

TEST_F(StreamTierTest, WhatALevelAboveUsesOutlastsItsPlaceInTheOrder) {
  tier_.reset();
  tier_ = StreamTier::open(disk_,
                           {.directory = directory_.path(),
                            .limit = 1_MiB,
                            .used_above = [](std::string_view key) { return key == "hot"; }},
                           year_begin)
              .value();
  ASSERT_TRUE(put("hot", std::string(100000, 'h')));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(100000, 'x')));
  EXPECT_TRUE(tier_->generation("hot", year_begin));
  EXPECT_FALSE(tier_->generation("0", year_begin));
}

TEST_F(StreamTierTest, AFullDiskMakesOlderObjectsGo) {
  // The simulated disk stays full: some old objects go, then the write fails, and nothing of it is left.
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(100000, 'x')));
  disk_.set_faults({.capacity = 0});
  const auto refused = put("next", std::string(100000, 'y'));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::disk_full);
  disk_.heal();
  EXPECT_FALSE(get("next"));
  EXPECT_FALSE(get("0"));
  EXPECT_TRUE(get("4")) << "one write must not cost the whole cache";
  EXPECT_TRUE(put("next", "bytes"));
  EXPECT_EQ(files().size(), 2 * tier_->stats().entries);
}

TEST_F(StreamTierTest, AnErrorWhileAKeyIsReplacedKeepsTheOldValue) {
  ASSERT_TRUE(put("key", "old"));
  for (int i = 0; i < 50; ++i) {
    disk_.set_faults({.io_error = 0.5});
    const auto stored = put("key", "new" + std::to_string(i));
    disk_.heal();
    const auto object = get("key");
    ASSERT_TRUE(object);
    if (stored) break;
    EXPECT_EQ(object->bytes().text(), "old");
  }
  reopen();
  EXPECT_TRUE(get("key"));
}

TEST_F(StreamTierTest, HitsAreCountedForAnEntryAndFadeWithTime) {
  ASSERT_TRUE(put("key", "bytes"));
  const auto hits_at = [&](WallTime now) { return (*tier_->find("key", now, {}, removed_))->hits; };
  ASSERT_TRUE(tier_->touch("key", year_begin, year_begin + 100h).value());
  for (unsigned i = 1; i <= 8; ++i) EXPECT_EQ(hits_at(year_begin), i);
  EXPECT_EQ(hits_at(year_begin + 2h), 3U);
  tier_->forget_hits("key");
  EXPECT_EQ(hits_at(year_begin + 2h), 1U);
}

TEST_F(StreamTierTest, ARangeReadsOnlyTheChunksItTouchesAndEachOnce) {
  std::string bytes(6 * chunk_size + 5, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += chunk_size) bytes[i] = static_cast<char>('a' + i / chunk_size);
  ASSERT_TRUE(put("key", bytes));
  reopen();
  std::map<std::uint64_t, int> reads;  // by chunk
  disk_.on_read = [&](std::uint64_t offset, std::uint64_t size) {
    EXPECT_LE(size, chunk_size);
    ++reads[offset / chunk_size];
  };
  const auto object = get("key", Check::later);
  ASSERT_TRUE(object);
  EXPECT_TRUE(reads.empty()) << "a look-up that checks later reads nothing";
  ASSERT_TRUE(object->description()->verify(2 * chunk_size + 10, chunk_size));
  EXPECT_EQ(reads, (std::map<std::uint64_t, int>{{2, 1}, {3, 1}}));
  ASSERT_TRUE(object->description()->verify(3 * chunk_size, 1));
  ASSERT_TRUE(object->description()->verify(6 * chunk_size, 5));
  EXPECT_EQ(reads, (std::map<std::uint64_t, int>{{2, 1}, {3, 1}, {6, 1}}));
}

}  // namespace
}  // namespace hotwell::cache

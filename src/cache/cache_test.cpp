// The whole cache by its public face, and the faults of the original that concern it.
#include <hotwell/cache.hpp>

#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "cache/hot_list.hpp"
#include "cache/reader.hpp"
#include "cache/testing/cache.hpp"
#include "tests/support/allocations.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;
namespace fs = std::filesystem;

using test::CacheTest;

TEST(Cache, TheExampleOfTheInterfaces) {
  test::TempDir directory;
  Cache cache{{.directory = directory.path(), .memory_limit = 100_MiB, .disk_limit = 5_GiB, .max_age = 24h * 7}};
  std::vector<std::string> hits;
  auto subscription = cache.on<CacheHit>([&](const CacheHit& e) { hits.push_back(e.key); });
  ASSERT_TRUE(
      cache.set("video_123", "bytes", {.type = "processed-video", .ttl = 24h, .metadata = {{"resolution", "1080p"}}}));
  auto object = cache.get("video_123").value();
  ASSERT_TRUE(object);
  EXPECT_EQ(object->bytes().text(), "bytes");
  EXPECT_EQ(object->metadata.at("resolution"), "1080p");
  EXPECT_EQ(object->type, "processed-video");
  EXPECT_EQ(hits, std::vector<std::string>{"video_123"});
  auto made = cache.get_or_compute("key", [](Sink& sink) { return sink.write("computed"); });
  ASSERT_TRUE(made);
  EXPECT_EQ(made->bytes().text(), "computed");
  EXPECT_EQ(cache.get("key").value()->bytes().text(), "computed");
  const CacheStats stats = cache.stats();
  EXPECT_EQ(stats.total.hits, 2U);
  EXPECT_EQ(stats.total.misses, 1U);
  EXPECT_EQ(stats.disk.entries, 2U);
}

TEST(Cache, AsksLaterOnItsOwnThread) {
  Cache cache{{}};
  ASSERT_TRUE(cache.set("key", "bytes"));
  const auto ask = [&](std::string key) {
    const auto answer = std::make_shared<std::promise<Result<std::optional<Object>>>>();
    cache.async_get(std::move(key),
                    [answer](Result<std::optional<Object>> found) { answer->set_value(std::move(found)); });
    return answer->get_future().get();
  };
  EXPECT_EQ(ask("key").value()->bytes().text(), "bytes");
  EXPECT_FALSE(ask("absent").value());
}

TEST(Cache, ConstructionThrowsWhatOpeningAnswers) {
  const CacheOptions wrong{.policy = "magic"};
  EXPECT_EQ(Cache::open(wrong).error().code, Code::invalid_argument);
  try {
    const Cache cache{wrong};
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.error().code, Code::invalid_argument);
  }
}

TEST(Cache, ASecondCacheOverTheSameDirectoryIsRefused) {
  test::TempDir directory;
  {
    Cache first{{.directory = directory.path()}};
    const auto second = Cache::open({.directory = directory.path()});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::unavailable);
    EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_TRUE(Cache::open({.directory = directory.path()}));
}

TEST_F(CacheTest, RefusesKeysThatAreNone) {
  open();
  for (const std::string& key : {std::string(), std::string(4097, 'k'), std::string("result:abc")}) {
    EXPECT_EQ(impl_->set(key, "bytes", {}).error().code, Code::invalid_argument);
    EXPECT_EQ(impl_->begin(key, {}).error().code, Code::invalid_argument);
    EXPECT_EQ(impl_->get_or_compute(key, [](Sink&) { return Result<void>{}; }, {}).error().code,
              Code::invalid_argument);
  }
  EXPECT_TRUE(impl_->set(std::string(4096, 'k'), "bytes", {}));
  EXPECT_FALSE(get(""));
}

TEST(Regression, L1WasLostAtRestart) {
  test::TempDir directory;
  const CacheOptions options{.directory = directory.path()};
  {
    Cache cache{options};
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(cache.set("key" + std::to_string(i), std::to_string(i)));
  }
  Cache cache{options};
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(cache.get("key" + std::to_string(i)).value()->bytes().text(), std::to_string(i));
}

TEST(Regression, EntriesWithFewHitsWereDroppedRatherThanDemoted) {
  test::TempDir directory;
  Cache cache{{.directory = directory.path(), .memory_limit = 1_MiB, .policy = "lru"}};
  std::vector<std::string> demoted;
  auto subscription = cache.on<CacheDemotion>([&](const CacheDemotion& e) {
    EXPECT_EQ(e.from, Level::memory);
    EXPECT_EQ(e.to, Level::disk);
    demoted.push_back(e.key);
  });
  ASSERT_TRUE(cache.set("once", "bytes"));
  ASSERT_TRUE(cache.get("once").value());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cache.set("other" + std::to_string(i), std::string(100 << 10, 'x')));
  EXPECT_EQ(demoted.at(0), "once");
  EXPECT_FALSE(cache.try_get("once"));
  const auto object = cache.get("once").value();
  ASSERT_TRUE(object);
  EXPECT_EQ(object->level, Level::disk);
  EXPECT_EQ(object->bytes().text(), "bytes");
}

TEST(Regression, DiskHitsWereNeverCounted) {
  test::TempDir directory;
  const CacheOptions options{.directory = directory.path(), .promote_after = 1000};
  ASSERT_TRUE(Cache(options).set("key", "bytes"));
  std::filesystem::remove(directory.path() / "HOT");  // nothing is brought up before it is asked for
  Cache cache{options};
  for (int i = 0; i < 7; ++i) EXPECT_EQ(cache.get("key").value()->level, Level::disk);
  EXPECT_FALSE(cache.get("absent").value());
  const auto stats = cache.stats();
  EXPECT_EQ(stats.memory.hits, 0U);
  EXPECT_EQ(stats.memory.misses, 8U);
  EXPECT_EQ(stats.disk.hits, 7U);
  EXPECT_EQ(stats.disk.misses, 1U);
  EXPECT_EQ(stats.total.hits, 7U);
  EXPECT_EQ(stats.total.misses, 1U);
  EXPECT_DOUBLE_EQ(stats.disk.hit_rate, 7.0 / 8);
}

TEST(Regression, ACachedNullLookedLikeAMiss) {
  test::TempDir directory;
  const CacheOptions options{.directory = directory.path()};
  for (int run = 0; run < 2; ++run) {
    Cache cache{options};
    if (run == 0) {
      ASSERT_TRUE(cache.set("empty", ""));
    }
    const auto object = cache.get("empty").value();
    ASSERT_TRUE(object);
    EXPECT_EQ(object->size(), 0U);
    EXPECT_TRUE(object->bytes().empty());
    const auto made = cache.get_or_compute("empty", [](Sink& sink) { return sink.write("computed again"); });
    EXPECT_EQ(made->size(), 0U);
  }
}

TEST_F(CacheTest, KeysThatLookLikePathsAreOnlyKeys) {
  open();
  for (const std::string key : {"../../../outside", "/etc/passwd", "a/b/c", "..", "."}) {
    ASSERT_TRUE(impl_->set(key, key, {}));
    EXPECT_EQ(get(key), key);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(CacheTest, MoreThanPromoteAfterHitsOnDiskPromote) {
  open();
  ASSERT_TRUE(impl_->set("key", "bytes", {}));
  open();
  std::vector<std::string> promoted;
  auto subscription = impl_->events().on<CachePromotion>([&](const CachePromotion& e) {
    EXPECT_EQ(e.from, Level::disk);
    EXPECT_EQ(e.to, Level::memory);
    promoted.push_back(e.key);
  });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(level("key"), Level::disk);
  EXPECT_FALSE(impl_->try_get("key"));
  EXPECT_EQ(level("key"), Level::disk);
  EXPECT_EQ(promoted, std::vector<std::string>{"key"});
  EXPECT_EQ(level("key"), Level::memory);
  EXPECT_TRUE(impl_->try_get("key"));
}

TEST_F(CacheTest, LargeObjectsNeverEnterMemory) {
  open();
  ASSERT_TRUE(impl_->set("large", std::string(2 << 20, 'x'), {}));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(level("large"), Level::stream);
  EXPECT_FALSE(impl_->try_get("large"));
  EXPECT_EQ(impl_->stats().memory.entries, 0U);
  // A small value that becomes large must not be found in memory any more.
  ASSERT_TRUE(impl_->set("key", "small", {}));
  ASSERT_TRUE(impl_->set("key", std::string(2 << 20, 'y'), {}));
  EXPECT_FALSE(impl_->try_get("key"));
  EXPECT_EQ(get("key")->size(), 2U << 20);
}

TEST_F(CacheTest, MemoryAloneHoldsWhatFitsAndSaysWhatDoesNot) {
  open({.memory_limit = 4_MiB, .stream_over = 1_MiB});
  ASSERT_TRUE(impl_->set("key", std::string(2 << 20, 'x'), {}));
  EXPECT_EQ(level("key"), Level::memory);
  EXPECT_EQ(impl_->set("huge", std::string(5 << 20, 'x'), {}).error().code, Code::too_large);
  EXPECT_EQ(impl_->stats().stream.entries, 0U);
  auto writer = impl_->begin("pieces", {});
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->write("one "));
  ASSERT_TRUE((*writer)->write("two"));
  EXPECT_FALSE(impl_->contains("pieces"));
  ASSERT_TRUE((*writer)->seal(7));
  EXPECT_EQ(get("pieces"), "one two");
}

TEST_F(CacheTest, EntriesExpireByTheirOwnTimeOrTheCaches) {
  auto given = options();
  given.max_age = 10s;
  open(given);
  std::vector<std::string> expired;
  auto subscription = impl_->events().on<CacheExpiry>([&](const CacheExpiry& e) { expired.push_back(e.key); });
  ASSERT_TRUE(impl_->set("default", "bytes", {}));
  ASSERT_TRUE(impl_->set("short", "bytes", {.ttl = 1s}));
  ASSERT_TRUE(impl_->set("touched", "bytes", {.ttl = 1s}));
  EXPECT_EQ(impl_->touch("touched", 1h), Result<bool>(true));
  EXPECT_EQ(impl_->touch("absent", 1h), Result<bool>(false));
  clock_.advance(1s);
  EXPECT_FALSE(get("short"));
  EXPECT_FALSE(impl_->try_get("short"));
  EXPECT_FALSE(impl_->contains("short"));
  EXPECT_TRUE(get("default"));
  clock_.advance(9s);
  EXPECT_FALSE(get("default"));
  EXPECT_TRUE(get("touched"));
  impl_->sweep();
  EXPECT_EQ(std::count(expired.begin(), expired.end(), "short"), 2) << "once for each level";
  EXPECT_EQ(std::count(expired.begin(), expired.end(), "default"), 2);
  EXPECT_EQ(std::count(expired.begin(), expired.end(), "touched"), 0);
  open(given);
  EXPECT_TRUE(get("touched"));
  EXPECT_EQ(impl_->stats().disk.entries, 1U);
}

TEST_F(CacheTest, WhatHasExpiredIsRemovedInTheBackground) {
  auto opened = Cache::Impl::open({.memory_limit = 4_MiB}, {clock_, disk_, 1ms});
  ASSERT_TRUE(opened);
  const auto expired = std::make_shared<std::promise<std::string>>();
  auto subscription =
      (*opened)->events().on<CacheExpiry>([expired](const CacheExpiry& e) { expired->set_value(e.key); });
  ASSERT_TRUE((*opened)->set("key", "bytes", {.ttl = 1s}));
  clock_.advance(1s);
  auto key = expired->get_future();
  ASSERT_EQ(key.wait_for(30s), std::future_status::ready);
  EXPECT_EQ(key.get(), "key");
}

TEST_F(CacheTest, ATimeToLiveBeyondTheEndOfTimeIsForever) {
  open();
  ASSERT_TRUE(impl_->set("key", "bytes", {.ttl = Duration::max()}));
  clock_.advance(24h * 365 * 100);
  EXPECT_TRUE(get("key"));
}

TEST_F(CacheTest, EraseAndClearReachEveryLevelAndTheNextRun) {
  open();
  std::vector<std::string> deleted;
  auto subscription = impl_->events().on<CacheDelete>([&](const CacheDelete& e) { deleted.push_back(e.key); });
  for (const auto* key : {"a", "b", "c"}) ASSERT_TRUE(impl_->set(key, "bytes", {}));
  EXPECT_EQ(impl_->erase("a"), Result<bool>(true));
  EXPECT_EQ(impl_->erase("a"), Result<bool>(false));
  EXPECT_EQ(deleted, std::vector<std::string>{"a"});
  open();
  EXPECT_FALSE(impl_->contains("a"));
  EXPECT_TRUE(impl_->contains("b"));
  ASSERT_TRUE(impl_->clear());
  open();
  EXPECT_FALSE(impl_->contains("b"));
  EXPECT_EQ(impl_->stats().total.entries, 0U);
}

TEST_F(CacheTest, AnEraseThatTheDiskRefusesIsNotAcknowledged) {
  open();
  ASSERT_TRUE(impl_->set("key", "bytes", {}));
  disk_.set_faults({.io_error = 1});
  const auto erased = impl_->erase("key");
  disk_.heal();
  ASSERT_FALSE(erased);
  EXPECT_EQ(erased.error().code, Code::io);
  EXPECT_TRUE(get("key"));
  EXPECT_EQ(impl_->erase("key"), Result<bool>(true));
}

TEST_F(CacheTest, AFullDiskIsSaidAndNothingOfItIsServed) {
  open();
  disk_.set_faults({.capacity = 100000});
  const auto refused = impl_->set("key", std::string(200000, 'x'), {});
  disk_.heal();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::disk_full);
  EXPECT_FALSE(get("key"));
  open();
  EXPECT_FALSE(get("key"));
  EXPECT_EQ(impl_->recovery().left_overs, 0U);
}

TEST_F(CacheTest, NeverMoreThanTheCaps) {
  auto given = options();
  given.memory_limit = 2_MiB;
  given.disk_limit = 8_MiB;
  given.stream_limit = 8_MiB;
  open(given);
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(impl_->set("key" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 20000, 'x'), {}));
    const auto stats = impl_->stats();
    ASSERT_LE(stats.memory.size, given.memory_limit);
    ASSERT_LE(Bytes{impl_->disk_tier()->space()}, given.disk_limit);
    ASSERT_LE(stats.stream.size, *given.stream_limit);
  }
  EXPECT_EQ(impl_->set("huge", std::string(9 << 20, 'x'), {}).error().code, Code::too_large);
}

TEST_F(CacheTest, AHitInMemoryDoesNotAllocate) {
  open();
  ASSERT_TRUE(impl_->set("a key that is too long to be stored inside of a string", "bytes",
                         {.type = "a tag that is rather long as well", .metadata = {{"name", "value"}}}));
  const auto before = test::allocations();
  const auto object = impl_->try_get("a key that is too long to be stored inside of a string");
  const auto miss = impl_->try_get("absent");
  EXPECT_EQ(test::allocations(), before);
  EXPECT_TRUE(object);
  EXPECT_FALSE(miss);
}

TEST_F(CacheTest, WhatIsHeldStaysReadableWhateverHappens) {
  open();
  ASSERT_TRUE(impl_->set("small", "small bytes", {.metadata = {{"name", "value"}}}));
  ASSERT_TRUE(impl_->set("large", std::string(2 << 20, 'x'), {}));
  const auto small = impl_->get("small").value();
  const auto large = impl_->get("large").value();
  ASSERT_TRUE(impl_->clear());
  EXPECT_GE(impl_->stats().stream.size, 2_MiB) << "an unlinked file takes space as long as it is read";
  impl_.reset();
  EXPECT_EQ(small->bytes().text(), "small bytes");
  EXPECT_EQ(small->metadata.at("name"), "value");
  EXPECT_EQ(large->bytes().text(), std::string(2 << 20, 'x'));
}

TEST_F(CacheTest, ForEachVisitsEveryLevel) {
  open();
  ASSERT_TRUE(impl_->set("small", "bytes", {}));
  ASSERT_TRUE(impl_->set("large", std::string(2 << 20, 'x'), {}));
  std::multiset<std::string> seen;
  impl_->for_each([&](const Object& object) {
    seen.insert(std::string(object.key) + " " + std::string(to_string(object.level)));
    return true;
  });
  EXPECT_EQ(seen, (std::multiset<std::string>{"large stream", "small disk", "small memory"}));
}

TEST_F(CacheTest, ResultsAreWrittenByDescriptorFollowedAndFoundInMemory) {
  open();
  auto writer = impl_->begin_result("result:abc", {});
  ASSERT_TRUE(writer);
  EXPECT_TRUE(std::holds_alternative<std::shared_ptr<Growing>>((*writer)->object().body));
  const auto growing = (*writer)->growing();
  Result<Buffer> followed;
  std::jthread follower([&] { followed = cache::read_all(Body(growing)); });
  ASSERT_EQ(::pwrite((*writer)->fd(), "half ", 5, 0), 5);
  ASSERT_TRUE((*writer)->advance(5));
  ASSERT_EQ(::pwrite((*writer)->fd(), "whole and more", 14, 5), 14);
  EXPECT_FALSE(impl_->contains("result:abc"));
  (*writer)->set_content_type("image/jpeg");
  ASSERT_TRUE((*writer)->seal(10));
  follower.join();
  EXPECT_EQ(followed->text(), "half whole");
  EXPECT_EQ(growing->content_type(), "image/jpeg");

  const auto object = (*writer)->object();
  EXPECT_EQ(object.bytes().text(), "half whole");
  EXPECT_EQ(object.content_type, "image/jpeg");
  EXPECT_EQ(object.generation, growing->generation());
  const auto found = impl_->try_get("result:abc");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->etag(), object.etag());
  writer->reset();
  open();
  EXPECT_EQ(get("result:abc"), "half whole");
}

TEST_F(CacheTest, AnAbandonedAttemptCutsItsFollowersOffAndLeavesNothing) {
  open();
  auto writer = impl_->begin_result("result:abc", {});
  ASSERT_TRUE((*writer)->write("half"));
  const auto growing = (*writer)->growing();
  (*writer)->abandon({Code::crashed, "the worker died"});
  EXPECT_EQ(growing->state(), Growing::State::abandoned);
  EXPECT_EQ(cache::read_all(Body(growing)).error().code, Code::crashed);
  EXPECT_FALSE((*writer)->write("more"));
  EXPECT_FALSE((*writer)->seal(4));
  EXPECT_FALSE(impl_->contains("result:abc"));
  writer->reset();
  writer = impl_->begin_result("result:abc", {});
  const auto dropped = (*writer)->growing();
  writer->reset();
  EXPECT_EQ(dropped->error().code, Code::cancelled);
  open();
  EXPECT_EQ(impl_->recovery().left_overs, 0U);
}

TEST_F(CacheTest, PrivateObjectsAreNeverFoundAndCountWhileTheyAreHeld) {
  for (const bool with_directory : {true, false}) {
    open(with_directory ? options() : CacheOptions{.memory_limit = 4_MiB});
    const auto size = [&] { return impl_->stats().total.size; };
    auto writer = impl_->begin_private({.content_type = "text/plain"});
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write(std::string(100000, 'p')));
    ASSERT_TRUE((*writer)->seal(100000));
    auto object = std::optional((*writer)->object());
    writer->reset();
    EXPECT_EQ(object->bytes().text(), std::string(100000, 'p'));
    EXPECT_TRUE(impl_->verify(*object, 0, 100000));
    EXPECT_EQ(object->content_type, "text/plain");
    EXPECT_GE(size(), Bytes{100000});
    int seen = 0;
    impl_->for_each([&](const Object&) { return ++seen > 0; });
    EXPECT_EQ(seen, 0);
    object.reset();
    EXPECT_EQ(size(), 0_B);
  }
}

TEST_F(CacheTest, AWriterNeverPassesTheLimit) {
  auto given = options();
  given.stream_limit = 4_MiB;
  open(given);
  ASSERT_TRUE(impl_->set("old", std::string(900000, 'x'), {}));
  auto writer = impl_->begin("growing", {});
  ASSERT_TRUE(writer);
  Result<void> written;
  for (int i = 0; i < 10 && written; ++i) {
    written = (*writer)->write(std::string(1 << 20, 'y'));
    EXPECT_LE(impl_->stats().stream.size, *given.stream_limit);
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::too_large);
  EXPECT_FALSE(impl_->contains("growing"));
  writer->reset();
  EXPECT_TRUE(impl_->set("next", std::string(3 << 20, 'z'), {}));
}

TEST_F(CacheTest, PartsOfALargeObjectAreVerifiedAsTheyAreSent) {
  open();
  ASSERT_TRUE(impl_->set("large", std::string(3 << 20, 'x'), {}));
  open();
  const auto object = impl_->lookup("large").value();
  ASSERT_TRUE(object);
  for (std::uint64_t at = 0; at < 3 << 20; at += 1 << 20) EXPECT_TRUE(impl_->verify(*object, at, 1 << 20));
  EXPECT_TRUE(impl_->verify(*object, 3 << 20, 0));
  const auto missing = impl_->look_again("absent");
  EXPECT_FALSE(missing.value());
  EXPECT_EQ(impl_->stats().total.misses, 0U);
}

TEST_F(CacheTest, ADamagedPartDropsTheObject) {
  open();
  ASSERT_TRUE(impl_->set("large", std::string(3 << 20, 'x'), {}));
  open();
  for (const auto& entry : fs::recursive_directory_iterator(directory_.path()))
    if (entry.path().extension() == ".data") {
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp((2 << 20) + 7);
      file.put('?');
    }
  std::vector<std::string> reasons;
  auto subscription = impl_->events().on<CacheEviction>([&](const CacheEviction& e) { reasons.push_back(e.reason); });
  const auto object = impl_->lookup("large").value();
  EXPECT_TRUE(impl_->verify(*object, 0, 2 << 20));
  EXPECT_EQ(impl_->verify(*object, 2 << 20, 10).error().code, Code::io);
  EXPECT_FALSE(impl_->contains("large"));
  EXPECT_EQ(reasons, std::vector<std::string>{"damaged"});
}

TEST_F(CacheTest, ListenersMayUseTheCache) {
  open();
  std::vector<std::string> values;
  auto subscription = impl_->events().on<CacheSet>([&](const CacheSet& e) {
    values.push_back(*get(e.key));
    if (e.key == "derived") return;
    ASSERT_TRUE(impl_->set("derived", "bytes", {}));
  });
  ASSERT_TRUE(impl_->set("key", "value", {}));
  EXPECT_EQ(values, (std::vector<std::string>{"value", "bytes"}));
}

TEST_F(CacheTest, KnobsTurnLimitsAndPromotion) {
  open();
  Knobs knobs;
  impl_->register_knobs(knobs);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(impl_->set("key" + std::to_string(i), std::string(500000, 'x'), {}));
  ASSERT_TRUE(knobs.set("cache.memory_limit", 1 << 20, "test", "to see it shrink"));
  EXPECT_LE(impl_->stats().memory.size, 1_MiB);
  ASSERT_TRUE(knobs.set("cache.disk_limit", 2 << 20, "test", "to see it shrink"));
  EXPECT_LE(Bytes{impl_->disk_tier()->space()}, 2_MiB);
  ASSERT_TRUE(knobs.set("cache.promote_after", 0, "test", "at once"));
  ASSERT_TRUE(knobs.set("cache.disk_limit", 64 << 20, "test", "room for what memory cannot keep"));
  ASSERT_TRUE(impl_->clear());
  ASSERT_TRUE(impl_->set("key", "bytes", {}));
  flood_memory();
  EXPECT_EQ(level("key"), Level::disk);
  EXPECT_EQ(level("key"), Level::memory);
  EXPECT_FALSE(knobs.set("cache.promote_after", -1, "test", "absurd"));
}

TEST_F(CacheTest, WarmBringsUpWhatIsBelowAsFarAsThereIsRoom) {
  open();
  ASSERT_TRUE(impl_->set("a", "bytes a", {}));
  ASSERT_TRUE(impl_->set("b", "bytes b", {}));
  ASSERT_TRUE(impl_->set("large", std::string(2 << 20, 'x'), {}));
  open();
  ASSERT_TRUE(impl_->set("c", "bytes c", {}));
  const std::vector<std::string> keys{"a", "c", "absent", "large", "b"};
  const auto warmed = impl_->warm(keys);
  EXPECT_EQ(warmed.warmed, 2U);
  EXPECT_EQ(warmed.already, 1U);
  EXPECT_EQ(warmed.absent, 1U);
  EXPECT_EQ(warmed.no_room, 1U);
  EXPECT_EQ(impl_->try_get("a")->bytes().text(), "bytes a");
  const auto stats = impl_->stats();
  EXPECT_EQ(stats.disk.hits + stats.disk.misses, 0U);
  // Deleted objects are not brought back by a list that still names them.
  ASSERT_TRUE(impl_->erase("b").value());
  EXPECT_EQ(impl_->warm(keys).absent, 2U);
  EXPECT_FALSE(impl_->try_get("b"));
}

TEST(Cache, WhatMemoryHeldIsBroughtUpAgainByTheNextStart) {
  test::TempDir directory;
  const CacheOptions options{.directory = directory.path(), .memory_limit = 4_MiB};
  {
    Cache cache{options};
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(cache.set("key" + std::to_string(i), "bytes"));
    ASSERT_TRUE(cache.erase("key7").value());
  }
  Cache cache{options};
  // Warming is the background thread's: asking it something at the end of its queue waits for a part of it at most.
  for (int i = 0; i < 100; ++i) {
    const auto key = "key" + std::to_string(i);
    while (i != 7 && !cache.try_get(key)) std::this_thread::yield();
    EXPECT_EQ(cache.get(key).value().has_value(), i != 7);
  }
}

TEST(HotList, ComesBackAsItWasAndDamagedAsNothing) {
  const std::vector<std::string> keys{"a", "", std::string("b\0c", 3), std::string(4096, 'k')};
  auto bytes = cache::encode_hot_list(keys);
  EXPECT_EQ(cache::decode_hot_list(bytes), keys);
  EXPECT_EQ(cache::decode_hot_list(cache::encode_hot_list({})), std::vector<std::string>{});
  for (std::size_t length = 0; length < 40; ++length)
    EXPECT_TRUE(cache::decode_hot_list(bytes.substr(0, length)).empty());
  bytes[10] = static_cast<char>(bytes[10] ^ 1);
  EXPECT_TRUE(cache::decode_hot_list(bytes).empty());
}

TEST_F(CacheTest, GenerationsNeverComeAgain) {
  open();
  ASSERT_TRUE(impl_->set("key", "first", {}));
  const auto first = impl_->get("key").value()->etag();
  ASSERT_TRUE(impl_->erase("key").value());
  clock_.advance(1s);
  open();
  ASSERT_TRUE(impl_->set("key", "second", {}));
  EXPECT_NE(impl_->get("key").value()->etag(), first);
}

TEST_F(CacheTest, ReadersWritersAndDeletersOfOneKeyNeverMixValues) {
  auto given = options();
  given.promote_after = 0;
  given.memory_limit = 256_KiB;
  open(given);
  // Whoever erases sees nothing afterwards, for nobody else writes its key.
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const auto mine = "mine" + std::to_string(t);
      for (int i = 0; i < 60; ++i) {
        const std::string value(static_cast<std::size_t>(1 + i * 700), static_cast<char>('a' + t));
        ASSERT_TRUE(impl_->set(mine, value, {}));
        ASSERT_TRUE(impl_->set("shared", value, {}));
        const auto got = impl_->get(mine).value();
        ASSERT_TRUE(got);
        EXPECT_EQ(got->bytes().text(), value);
        ASSERT_TRUE(impl_->erase(mine).value());
        EXPECT_FALSE(impl_->get(mine).value());
        EXPECT_FALSE(impl_->try_get(mine));
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 200; ++i) {
      for (int t = 0; t < 3; ++t) (void)impl_->get("mine" + std::to_string(t));
      const auto shared = impl_->get("shared").value();
      if (!shared) continue;
      const auto text = shared->bytes().text();
      EXPECT_EQ(text.find_first_not_of(text[0]), std::string_view::npos);
    }
  });
  threads.clear();
}

}  // namespace
}  // namespace hotwell

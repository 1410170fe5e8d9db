// Random histories of the whole cache against a model of what it promises: every member, all three tiers, restarts and
// passing time. In a roomy cache every answer is the model's; in a tight one an object may be gone, and nothing else.
#include <map>
#include <random>
#include <set>

#include "cache/testing/cache.hpp"
#include "tests/support/seed.hpp"

namespace hotwell {
namespace {

using namespace std::chrono_literals;
using namespace hotwell::literals;

class Model {
 public:
  enum class Room : std::uint8_t { plenty, little };

  Model(std::uint64_t seed, Room room) : random_(seed), room_(room) {
    options_ = {.directory = directory_.path() / "cache",
                .memory_limit = room == Room::plenty ? 1_MiB : 200_KiB,
                .disk_limit = room == Room::plenty ? 256_MiB : 1_MiB,
                .max_age = 1h,
                .promote_after = 2,
                .stream_over = 64_KiB,
                .stream_limit = room == Room::plenty ? 256_MiB : 1_MiB};
  }

  void run(int operations) {
    reopen();
    for (int i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
      step();
      check_caps();
    }
    for (const auto& key : keys_) look(key);
  }

 private:
  struct Value {
    std::string bytes;
    std::string type;
    Metadata metadata;
    WallTime expires;
  };

  void reopen() {
    cache_.reset();
    auto opened = Cache::Impl::open(options_, {clock_, host::system_disk(), {}});
    ASSERT_TRUE(opened) << to_string(opened.error());
    cache_ = std::move(*opened);
  }

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  std::string some_key() {
    auto key = "key" + std::to_string(below(24));
    keys_.insert(key);
    return key;
  }

  Value make() {
    Value value;
    value.bytes = std::to_string(++values_) + ":";
    constexpr std::uint64_t sizes[] = {0, 100, 3000, 60'000, 200'000};
    const auto size = sizes[below(5)];
    if (size == 0 && below(2) == 0)
      value.bytes.clear();
    else
      value.bytes.resize(value.bytes.size() + below(size + 1), static_cast<char>('a' + values_ % 26));
    if (below(2) == 0) value.type = "type" + std::to_string(below(3));
    if (below(2) == 0) value.metadata = {{"number", std::to_string(values_)}};
    value.expires = clock_.wall() + std::chrono::seconds{1 + below(600)};
    return value;
  }
  [[nodiscard]] SetOptions options_for(const Value& value) const {
    return {.type = value.type, .ttl = value.expires - clock_.wall(), .metadata = value.metadata};
  }

  [[nodiscard]] const Value* expected(const std::string& key) const {
    const auto found = model_.find(key);
    return found == model_.end() || found->second.expires <= clock_.wall() ? nullptr : &found->second;
  }

  void compare(const std::string& key, const std::optional<Object>& found) {
    const auto* value = expected(key);
    if (!found) {
      if (value != nullptr) {
        EXPECT_EQ(room_, Room::little) << key << " is gone";
        model_.erase(key);  // it may not come back
      }
      return;
    }
    ASSERT_NE(value, nullptr) << key << " should be absent, and has " << found->bytes().text().substr(0, 20);
    EXPECT_EQ(found->key, key);
    EXPECT_TRUE(found->bytes().text() == value->bytes)
        << key << ": expected " << value->bytes.substr(0, 20) << ", got " << found->bytes().text().substr(0, 20);
    EXPECT_EQ(found->type, value->type);
    EXPECT_EQ(found->metadata.map(), value->metadata);
    EXPECT_EQ(found->expires, value->expires) << key;
  }
  void look(const std::string& key) {
    const auto found = cache_->get(key);
    ASSERT_TRUE(found) << to_string(found.error());
    compare(key, *found);
  }

  /// What an acknowledged set leaves, and what a refused one may have left.
  void stored(const std::string& key, Value value, const Result<void>& done) {
    if (done) {
      model_[key] = std::move(value);
      return;
    }
    ASSERT_EQ(room_, Room::little) << to_string(done.error());
    // What stays of the key is not said: from here on it has to be absent.
    ASSERT_TRUE(cache_->erase(key));
    model_.erase(key);
  }

  void write_in_pieces(const std::string& key) {
    auto value = make();
    auto writer = cache_->begin(key, options_for(value));
    if (!writer) return stored(key, value, std::unexpected(writer.error()));
    Result<void> done;
    for (std::size_t at = 0; done && at < value.bytes.size(); at += 50'000)
      done = (*writer)->write(std::string_view(value.bytes).substr(at, 50'000));
    look(key);  // not there before its end
    if (done && below(4) == 0) return (*writer)->abandon({Code::cancelled, "given up"});
    if (done) done = (*writer)->seal(value.bytes.size());
    stored(key, std::move(value), done);
  }

  void compute(const std::string& key) {
    auto value = make();
    const auto* there = expected(key);
    bool called = false;
    const auto made = cache_->get_or_compute(key,
                                             [&](Sink& sink) -> Result<void> {
                                               called = true;
                                               if (below(4) == 0) return fail(Code::io, "no luck");
                                               return sink.write(value.bytes);
                                             },
                                             {.store = options_for(value)});
    if (!called) {
      if (made)
        compare(key, *made);
      else
        EXPECT_EQ(room_, Room::little) << to_string(made.error());
      return;
    }
    if (there != nullptr) {
      EXPECT_EQ(room_, Room::little) << key << " was computed although it is there";
    }
    model_.erase(key);
    if (made) {
      EXPECT_TRUE(made->bytes().text() == value.bytes);
      model_[key] = std::move(value);
    }
  }

  void step() {
    const auto key = some_key();
    switch (below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: {
        auto value = make();
        const auto done = cache_->set(key, value.bytes, options_for(value));
        return stored(key, std::move(value), done);
      }
      case 5: return write_in_pieces(key);
      case 6: return compute(key);
      case 7: {
        const bool there = expected(key) != nullptr;
        const auto erased = cache_->erase(key);
        ASSERT_TRUE(erased) << to_string(erased.error());
        EXPECT_TRUE(*erased == there || (room_ == Room::little && !*erased));
        model_.erase(key);
        return;
      }
      case 8: {
        const auto ttl = std::chrono::seconds{1 + below(600)};
        const bool there = expected(key) != nullptr;
        const auto touched = cache_->touch(key, ttl);
        ASSERT_TRUE(touched) << to_string(touched.error());
        EXPECT_TRUE(*touched == there || (room_ == Room::little && !*touched));
        if (*touched) model_[key].expires = clock_.wall() + ttl;
        return;
      }
      case 9: {
        const bool there = expected(key) != nullptr;
        const bool found = cache_->contains(key);
        EXPECT_TRUE(found == there || (room_ == Room::little && !found)) << key;
        return;
      }
      case 10: return clock_.advance(std::chrono::seconds{below(120)});
      case 11: return cache_->sweep();
      case 12:
        if (below(4) != 0) return;
        return reopen();
      case 13:
        if (below(8) != 0) return;
        ASSERT_TRUE(cache_->clear());
        model_.clear();
        return;
      case 14: {
        const std::string one[] = {key};
        (void)cache_->warm(one);
        return;
      }
      case 15: {
        const auto told = cache_->explain(key);
        if (told && told->object) compare(key, *told->object);
        return;
      }
      case 16: {
        cache_->for_each([&](const Object& object) {
          const auto* value = expected(std::string(object.key));
          EXPECT_NE(value, nullptr) << object.key;
          if (value != nullptr) {
            EXPECT_EQ(object.size(), value->bytes.size()) << object.key;
          }
          return true;
        });
        return;
      }
      case 17: {
        if (const auto quick = cache_->try_lookup(key)) compare(key, *quick);
        return;
      }
      default: return look(key);
    }
  }

  void check_caps() {
    const auto stats = cache_->stats();
    EXPECT_LE(stats.memory.size, options_.memory_limit);
    EXPECT_LE(cache_->disk_tier()->space(), options_.disk_limit.count);
    EXPECT_LE(stats.stream.size, *options_.stream_limit);
  }

  test::TempDir directory_;
  sim::FakeClock clock_;
  std::mt19937_64 random_;
  const Room room_;
  CacheOptions options_;
  std::unique_ptr<Cache::Impl> cache_;
  std::map<std::string, Value> model_;
  std::set<std::string> keys_;
  std::uint64_t values_ = 0;
};

void check_histories(Model::Room room) {
  constexpr int histories = 10;
  for (int i = 0; i < histories && !::testing::Test::HasFailure(); ++i) {
    const auto seed = test::seed() + static_cast<std::uint64_t>(i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model(seed, room).run(400);
  }
}

TEST(WholeCache, AnswersAsItsModelWhereThereIsRoom) { check_histories(Model::Room::plenty); }
TEST(WholeCache, ForgetsWhereThereIsLittleRoomAndIsNeverWrong) { check_histories(Model::Room::little); }

}  // namespace
}  // namespace hotwell

/// What the whole cache counts of its look-ups and sets: by the level that had the answer, and by type tag.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/cache.hpp>

#include "cache/counters.hpp"
#include "cache/tier.hpp"

namespace hotwell::cache {

/// By type tag. A tag's counters are made when it is first seen and found without a lock from then on.
/// Invariant: the untyped are counted nowhere here, and no more than `most` tags have counters of their own.
class TypeTally {
 public:
  static constexpr std::size_t most = 64;
  static constexpr std::string_view others = "__other__";

  void set(std::string_view type, std::uint64_t bytes);
  void hit(std::string_view type, std::uint64_t bytes);
  void miss(std::string_view type);
  [[nodiscard]] std::map<std::string, CacheStats::Type> read() const;

 private:
  enum Counter : std::size_t { sets, stored, hits, misses, served, count };
  struct Of {
    explicit Of(std::string_view tag) : name(tag) {}
    const std::string name;
    PlacedCounters<count> counters;
  };
  [[nodiscard]] Of& of(std::string_view type);

  std::array<std::atomic<Of*>, 2 * most> table_{};  ///< by digest of the tag, the next free place where that is taken
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Of>> all_;  ///< mutex_ guards it
  Of others_{others};
};

/// Threads: any. Counting a look-up neither locks nor allocates.
class Tally {
 public:
  void hit(const Object& object, std::uint64_t size) noexcept {
    counters_.add(hits, 1);
    counters_.add(served + static_cast<std::size_t>(object.level), size);
    if (!object.type.empty()) types_.hit(object.type, size);
  }
  /// `type` is what the asker would have stored; empty where it did not say.
  void miss(std::string_view type) {
    counters_.add(misses, 1);
    if (!type.empty()) types_.miss(type);
  }
  void set(const Object& object, std::uint64_t size) {
    if (!object.type.empty()) types_.set(object.type, size);
  }
  /// Fills in the hits and misses of the whole, what each level served, and the types.
  void read(CacheStats& into) const;

 private:
  enum Counter : std::size_t { hits, misses, served, count = served + 4 };
  PlacedCounters<count> counters_;
  TypeTally types_;
};

}  // namespace hotwell::cache

/// What every level of the cache can do. One contract suite runs over all of them (tests/contract/cache).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hotwell/cache.hpp>

#include "cache/counters.hpp"
#include "cache/object.hpp"

namespace hotwell::cache {

enum class Cause : std::uint8_t { capacity, expired, replaced, erased, damaged };
[[nodiscard]] std::string_view to_string(Cause cause) noexcept;

/// An object that left a tier. Whoever collects these tells listeners, under no lock.
struct Removal {
  std::string key;
  std::uint64_t generation = 0;
  std::uint64_t size = 0;
  Level level = Level::memory;
  Cause cause = Cause::capacity;
  std::uint64_t digest = 0;  ///< XXH3-64 of the key, where that itself is not known
};
using Removals = std::vector<Removal>;

enum class Check : std::uint8_t {
  whole,  ///< the content is verified before it is returned
  later,  ///< a file's content is not: Description::verify() before it is trusted
};
enum class Count : std::uint8_t { yes, no };

struct FindOptions {
  Check check = Check::whole;
  Count count = Count::yes;  ///< a hit or miss, and a use for the order of eviction
};

struct Found {
  Object object;
  unsigned hits = 0;  ///< of this entry, decayed, a counted one included; 0 where the tier does not count them
};

/// Threads: any. `now` decides what has expired: an expired object is absent for every member but sweep().
class Tier {
 public:
  virtual ~Tier() = default;
  [[nodiscard]] virtual Level level() const noexcept = 0;

  /// Errors: io (the medium, not a miss). A damaged object is dropped, told in `removed`, and a miss.
  [[nodiscard]] virtual Result<std::optional<Found>> find(std::string_view key, WallTime now, FindOptions options,
                                                          Removals& removed) = 0;
  /// Replaces what the key had; on an error that stays. Errors: too_large (more than the limit), overloaded (what is
  /// there is held by readers), disk_full, io.
  virtual Result<Object> put(Details details, const Buffer& bytes, Removals& removed) = 0;
  /// True if it was there. After the return no find() has it. Errors: io; then it is still there.
  virtual Result<bool> erase(std::string_view key, WallTime now, Removals& removed) = 0;
  virtual Result<void> clear(Removals& removed) = 0;
  /// The generation that a key has.
  [[nodiscard]] virtual std::optional<std::uint64_t> generation(std::string_view key, WallTime now) const = 0;
  virtual Result<bool> touch(std::string_view key, WallTime now, WallTime expires) = 0;
  /// Objects with their descriptions and sizes, in no order, until `visit` returns false. Objects that come or go
  /// meanwhile may be missed. Sizes are right; the bytes may be out of reach (a file that is not open). `visit` runs
  /// under no lock.
  virtual void for_each(WallTime now, const std::function<bool(const Object&)>& visit) const = 0;
  /// Removes what has expired.
  virtual void sweep(WallTime now, Removals& removed) = 0;
  /// Evicts at once down to a new limit, as far as readers allow.
  virtual void set_limit(Bytes limit, Removals& removed) = 0;
  [[nodiscard]] virtual CacheStats::Tier stats() const = 0;
};

/// Look-ups of one tier, exact. Threads: any.
class LookupCounters {
 public:
  void hit() noexcept { counters_.add(hits, 1); }
  void miss() noexcept { counters_.add(misses, 1); }
  /// Fills in hits, misses and their rate.
  void read(CacheStats::Tier& into) const noexcept;

 private:
  enum Counter : std::size_t { hits, misses, count };
  PlacedCounters<count> counters_;
};

}  // namespace hotwell::cache

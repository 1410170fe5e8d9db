/// What strict LRU would hold now, in hashes and weights alone: somebody to compare with.
/// Beyond a few thousand keys it follows a sample of them, chosen by their hash, in a sample of the capacity.
/// Source: the sampling is that of Waldspurger et al., "Efficient MRC Construction with SHARDS", FAST 2015.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/policy/policy.hpp"

namespace hotwell::cache {

class LruShadow {
 public:
  LruShadow();

  /// Whether this key is among those that it follows.
  [[nodiscard]] bool follows(std::uint32_t hash) const noexcept { return ((mixed(hash) >> 32) & (rate() - 1)) == 0; }
  /// One of so many keys is followed.
  [[nodiscard]] std::uint32_t rate() const noexcept { return std::uint32_t{1} << halvings_; }
  /// A key that it follows is asked for, and brought in where it is missing. True if it was there.
  bool access(std::uint32_t hash, Weight weight);
  void forget(std::uint32_t hash);
  void set_capacity(Weight capacity);

 private:
  /// Places are numbers: 0 is the ring's head, whose `newer` is the oldest.
  struct Key {
    Weight weight = 0;
    std::uint32_t hash = 0;
    std::uint32_t newer = 0;
    std::uint32_t older = 0;
    std::uint32_t next = 0;  ///< in its chain, or in the list of free ones
  };

  [[nodiscard]] static std::uint64_t mixed(std::uint32_t hash) noexcept { return hash * 0x9e3779b97f4a7c15ULL; }
  [[nodiscard]] std::uint32_t& chain(std::uint32_t hash);
  [[nodiscard]] std::uint32_t find(std::uint32_t hash);
  void link_newest(std::uint32_t at);
  void unlink(std::uint32_t at);
  void drop(std::uint32_t at);
  void follow_fewer();
  void trim();

  Weight capacity_ = 0;
  unsigned halvings_ = 0;
  Weight weight_ = 0;
  std::uint32_t free_ = 0;
  std::vector<Key> keys_{1};
  std::vector<std::uint32_t> chains_;
};

}  // namespace hotwell::cache

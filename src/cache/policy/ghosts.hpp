/// Who was evicted lately: hashes of keys, forgotten when as much weight as the memory spans was evicted after them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cache/policy/policy.hpp"

namespace hotwell::cache {

/// A hash table of four-way buckets; where one is full its oldest goes early.
class Ghosts {
 public:
  Ghosts() : buckets_(16) {}

  void set_span(Weight span) { span_ = span; }
  /// There may be as many ghosts as `entries`: grows the table to twice that.
  void expect(std::uint64_t entries);
  void remember(std::uint32_t hash, Weight weight);
  /// True if it was remembered, which ends with that.
  [[nodiscard]] bool recall(std::uint32_t hash);

 private:
  struct Ghost {
    std::uint64_t since = 0;  ///< of the evicted weight; 0: none
    std::uint32_t hash = 0;
  };
  using Bucket = std::array<Ghost, 4>;

  [[nodiscard]] bool live(const Ghost& ghost) const { return ghost.since != 0 && evicted_ - ghost.since <= span_; }
  [[nodiscard]] Bucket& bucket(std::uint32_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  void place(const Ghost& ghost);

  Weight span_ = 0;
  std::uint64_t evicted_ = 1;
  std::vector<Bucket> buckets_;
};

}  // namespace hotwell::cache

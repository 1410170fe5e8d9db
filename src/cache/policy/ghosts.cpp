#include "cache/policy/ghosts.hpp"

#include <algorithm>

namespace hotwell::cache {

void Ghosts::expect(std::uint64_t entries) {
  if (buckets_.size() * std::tuple_size_v<Bucket> >= 2 * entries) return;
  std::vector<Bucket> old(buckets_.size() * 2);
  old.swap(buckets_);
  for (const auto& bucket : old)
    for (const auto& ghost : bucket)
      if (live(ghost)) place(ghost);
}

void Ghosts::remember(std::uint32_t hash, Weight weight) {
  evicted_ += weight;
  place({evicted_, hash});
}

bool Ghosts::recall(std::uint32_t hash) {
  for (auto& ghost : bucket(hash)) {
    if (ghost.hash != hash || !live(ghost)) continue;
    ghost = {};
    return true;
  }
  return false;
}

void Ghosts::place(const Ghost& ghost) {
  auto& places = bucket(ghost.hash);
  // Free ones are 0 and so the oldest of all.
  *std::min_element(places.begin(), places.end(), [](const Ghost& a, const Ghost& b) { return a.since < b.since; }) =
      ghost;
}

}  // namespace hotwell::cache

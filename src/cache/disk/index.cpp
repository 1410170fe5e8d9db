#include "cache/disk/index.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace hotwell::cache {
namespace {

/// Full beyond this many hundredths; then a fifth more cells.
constexpr std::uint64_t fullest = 82;
constexpr std::uint64_t fewest_cells = 8;

/// Classes of length: up to these many units, which are 1 KiB, 2 KiB and so on with a little more for what stands
/// before a value; the last class is for what is longer.
constexpr std::array<std::uint64_t, 7> class_limits{20, 36, 68, 132, 260, 516, 1028};

}  // namespace

DiskIndex::Cell DiskIndex::cell_of(std::uint64_t tag, Where where, unsigned hits) {
  HOTWELL_ASSERT(where.place != 0 && where.place <= place_mask);
  const auto length = std::lower_bound(class_limits.begin(), class_limits.end(), where.units) - class_limits.begin();
  return tag << (64 - tag_bits) | where.place << (length_bits + hits_bits) | static_cast<Cell>(length) << hits_bits |
         std::min<Cell>(hits, hits_mask);
}

std::uint64_t DiskIndex::most_units(Cell cell) {
  const auto length = (cell >> hits_bits) & length_mask;
  return length < class_limits.size() ? class_limits[length] : 0;
}

std::size_t DiskIndex::at(const Shard& shard, std::uint64_t wanted, Place where) {
  if (shard.cells.empty()) return none;
  for (auto i = home(shard, wanted); shard.cells[i] != 0; i = i + 1 == shard.cells.size() ? 0 : i + 1)
    if (tag(shard.cells[i]) == wanted && place(shard.cells[i]) == where) return i;
  return none;
}

DiskIndex::Candidates DiskIndex::find(std::uint64_t hash) const {
  Candidates found;
  const auto& shard = shard_of(hash);
  if (shard.cells.empty()) return found;
  const auto wanted = tag_of(hash);
  for (auto i = home(shard, wanted); shard.cells[i] != 0; i = i + 1 == shard.cells.size() ? 0 : i + 1)
    if (tag(shard.cells[i]) == wanted) found.all[found.count++] = {place(shard.cells[i]), most_units(shard.cells[i])};
  return found;
}

bool DiskIndex::contains(std::uint64_t hash, Place where) const {
  return at(shard_of(hash), tag_of(hash), where) != none;
}

void DiskIndex::put(Shard& shard, Cell cell) {
  auto i = home(shard, tag(cell));
  while (shard.cells[i] != 0) i = i + 1 == shard.cells.size() ? 0 : i + 1;
  shard.cells[i] = cell;
}

void DiskIndex::grow(Shard& shard, std::uint64_t cells) {
  std::vector<Cell> old(cells, 0);
  old.swap(shard.cells);
  for (const auto cell : old)
    if (cell != 0) put(shard, cell);
}

bool DiskIndex::insert(std::uint64_t hash, Where where) {
  if (find(hash).count == most_candidates) return false;
  auto& shard = shard_of(hash);
  if ((shard.used + 1) * 100 > shard.cells.size() * fullest)
    grow(shard, std::max<std::uint64_t>(fewest_cells, shard.cells.size() + shard.cells.size() / 5 + 1));
  put(shard, cell_of(tag_of(hash), where, 0));
  ++shard.used;
  ++size_;
  return true;
}

void DiskIndex::erase(std::uint64_t hash, Place where) {
  auto& shard = shard_of(hash);
  const auto i = at(shard, tag_of(hash), where);
  HOTWELL_ASSERT(i != none);
  many_hits_.erase(where);
  close_hole(shard, i);
}

std::uint64_t DiskIndex::erase_between(Place first, Place last) {
  const auto before = size_;
  for (auto& shard : shards_)
    for (std::size_t i = 0; i < shard.cells.size();) {
      const auto where = place(shard.cells[i]);
      if (shard.cells[i] == 0 || where < first || where >= last) {
        ++i;
        continue;
      }
      many_hits_.erase(where);
      close_hole(shard, i);  // another may have moved here: look again
    }
  return before - size_;
}

void DiskIndex::close_hole(Shard& shard, std::size_t hole) {
  const auto size = shard.cells.size();
  // What was pushed behind its home by the one that leaves moves up, so that no probe ends too early.
  for (auto i = hole;;) {
    i = i + 1 == size ? 0 : i + 1;
    if (shard.cells[i] == 0) break;
    const auto wanted = home(shard, tag(shard.cells[i]));
    const auto from_home = (i + size - wanted) % size;
    const auto from_hole = (i + size - hole) % size;
    if (from_home < from_hole) continue;
    shard.cells[hole] = shard.cells[i];
    hole = i;
  }
  shard.cells[hole] = 0;
  --shard.used;
  --size_;
}

void DiskIndex::move(std::uint64_t hash, Place from, Where to, unsigned hits) {
  auto& shard = shard_of(hash);
  const auto i = at(shard, tag_of(hash), from);
  HOTWELL_ASSERT(i != none);
  shard.cells[i] = cell_of(tag_of(hash), to, hits);
  many_hits_.erase(from);
  if (hits >= hits_mask) many_hits_[to.place] = hits;
}

unsigned DiskIndex::hit(std::uint64_t hash, Place where) {
  auto& shard = shard_of(hash);
  const auto i = at(shard, tag_of(hash), where);
  if (i == none) return 0;
  auto& cell = shard.cells[i];
  const auto before = cell & hits_mask;
  if (before != hits_mask) ++cell;
  if (before + 1 < hits_mask) return static_cast<unsigned>(before) + 1;
  auto& many = many_hits_[where];
  return many = std::max(many + 1, static_cast<unsigned>(hits_mask));
}

unsigned DiskIndex::hits(std::uint64_t hash, Place where) const {
  const auto& shard = shard_of(hash);
  const auto i = at(shard, tag_of(hash), where);
  if (i == none) return 0;
  const auto hits = static_cast<unsigned>(shard.cells[i] & hits_mask);
  return hits == hits_mask ? many_hits_.at(where) : hits;
}

void DiskIndex::forget_hits(std::uint64_t hash, Place where) {
  auto& shard = shard_of(hash);
  const auto i = at(shard, tag_of(hash), where);
  if (i == none) return;
  shard.cells[i] &= ~hits_mask;
  many_hits_.erase(where);
}

void DiskIndex::age() {
  for (auto& shard : shards_)
    for (auto& cell : shard.cells) {
      if (cell == 0) continue;
      auto hits = cell & hits_mask;
      if (hits == hits_mask) {
        const auto many = many_hits_.find(place(cell));
        many->second /= 2;
        hits = std::min<Cell>(many->second, hits_mask);
        if (hits < hits_mask) many_hits_.erase(many);
      } else {
        hits /= 2;
      }
      cell = (cell & ~hits_mask) | hits;
    }
}

void DiskIndex::reserve(std::uint64_t entries) {
  // A tenth more than its share: shards are not filled evenly.
  const auto cells = entries * 110 / fullest / shards_.size() + fewest_cells;
  for (auto& shard : shards_)
    if (shard.cells.size() < cells) grow(shard, cells);
}

std::uint64_t DiskIndex::memory() const {
  std::uint64_t sum = sizeof *this + many_hits_.size() * (sizeof(Place) + sizeof(unsigned) + 3 * sizeof(void*));
  for (const auto& shard : shards_) sum += shard.cells.capacity() * sizeof(Cell);
  return sum;
}

void DiskIndex::clear() {
  for (auto& shard : shards_) shard = {};
  many_hits_.clear();
  size_ = 0;
}

}  // namespace hotwell::cache

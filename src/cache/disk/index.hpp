/// The disk tier's index in memory: where the entries of a key's hash lie, and how often each was asked for. Eight
/// bytes a cell and a table that grows by fifths, so that an entry costs 10 to 12 bytes.
///
/// A cell does not hold the whole hash: two keys may share what it keeps, so a place is a candidate until the key on
/// disk was compared. It knows the entry's length within a factor of two, so that one read fetches all of it. Source:
/// the idea of a compact index over a log is that of FAWN-DS and of Faster's hash index.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

namespace hotwell::cache {

/// A slot of a region: region number and slot in one.
using Place = std::uint64_t;

/// Guarded by its owner's lock.
class DiskIndex {
 public:
  static constexpr unsigned place_bits = 34;
  static constexpr unsigned most_candidates = 8;

  /// Where an entry is, and how long.
  struct Where {
    Place place = 0;
    std::uint64_t units = 0;
  };
  struct Candidate {
    Place place = 0;
    std::uint64_t most_units = 0;  ///< up to the next power of two; 0 where it is too long to be read at once
  };
  struct Candidates {
    std::array<Candidate, most_candidates> all{};
    unsigned count = 0;
    [[nodiscard]] const Candidate* begin() const { return all.data(); }
    [[nodiscard]] const Candidate* end() const { return all.data() + count; }
  };

  [[nodiscard]] Candidates find(std::uint64_t hash) const;
  [[nodiscard]] bool contains(std::uint64_t hash, Place place) const;
  /// False where most_candidates keys share a cell's part of the hash: the entry cannot be had. Precondition: not
  /// there.
  [[nodiscard]] bool insert(std::uint64_t hash, Where where);
  /// Precondition: it is there.
  void erase(std::uint64_t hash, Place place);
  /// Erases every entry whose place is in [first, last), by looking at all; returns how many.
  std::uint64_t erase_between(Place first, Place last);
  /// The same entry at another place, with `hits`. Precondition: it is there.
  void move(std::uint64_t hash, Place from, Where to, unsigned hits);
  /// Counts a hit; returns how many there are, 0 where the entry is not there.
  unsigned hit(std::uint64_t hash, Place place);
  [[nodiscard]] unsigned hits(std::uint64_t hash, Place place) const;
  void forget_hits(std::uint64_t hash, Place place);
  /// Halves everybody's hits.
  void age();

  void reserve(std::uint64_t entries);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t memory() const;
  void clear();

 private:
  using Cell = std::uint64_t;
  static constexpr unsigned shard_bits = 8;
  static constexpr unsigned hits_bits = 4;
  static constexpr unsigned length_bits = 3;
  static constexpr unsigned tag_bits = 64 - place_bits - length_bits - hits_bits;
  static constexpr Cell hits_mask = (Cell{1} << hits_bits) - 1;
  static constexpr Cell place_mask = (Cell{1} << place_bits) - 1;
  static constexpr Cell length_mask = (Cell{1} << length_bits) - 1;
  static constexpr std::uint64_t tag_mask = (std::uint64_t{1} << tag_bits) - 1;
  static constexpr std::size_t none = SIZE_MAX;

  /// Open addressing with linear probing; an empty cell is 0, and no place is.
  struct Shard {
    std::vector<Cell> cells;
    std::uint64_t used = 0;
  };

  [[nodiscard]] static std::uint64_t tag_of(std::uint64_t hash) { return (hash >> shard_bits) & tag_mask; }
  /// From the highest bit on: tag, place, class of length, hits.
  [[nodiscard]] static Cell cell_of(std::uint64_t tag, Where where, unsigned hits);
  [[nodiscard]] static std::uint64_t tag(Cell cell) { return cell >> (64 - tag_bits); }
  [[nodiscard]] static Place place(Cell cell) { return (cell >> (length_bits + hits_bits)) & place_mask; }
  [[nodiscard]] static std::uint64_t most_units(Cell cell);
  [[nodiscard]] Shard& shard_of(std::uint64_t hash) { return shards_[hash & (shards_.size() - 1)]; }
  [[nodiscard]] const Shard& shard_of(std::uint64_t hash) const { return shards_[hash & (shards_.size() - 1)]; }
  /// Where a tag's cells begin. Precondition: the shard has cells.
  [[nodiscard]] static std::size_t home(const Shard& shard, std::uint64_t tag) {
    return static_cast<std::size_t>((tag * shard.cells.size()) >> tag_bits);
  }
  [[nodiscard]] static std::size_t at(const Shard& shard, std::uint64_t tag, Place place);
  static void put(Shard& shard, Cell cell);
  void close_hole(Shard& shard, std::size_t hole);
  static void grow(Shard& shard, std::uint64_t cells);

  std::array<Shard, 1U << shard_bits> shards_;
  std::uint64_t size_ = 0;
  /// The hits of entries that have more than fit into a cell.
  std::unordered_map<Place, unsigned> many_hits_;
};

}  // namespace hotwell::cache

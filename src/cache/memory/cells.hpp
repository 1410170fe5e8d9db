/// Memory for entries, without a word of the heap's beside each and without a heap's holes: small ones lie in cells of
/// equal size in slabs of 64 KiB, larger ones are runs of pages, whose holes cost nothing.
///
/// Invariants:
/// - What is resident of it is live cells, pages of runs, and the holes of slabs that are in use; holes() says how much
/// the
///   last are, and sparsest() which entries would have to go to be rid of some.
/// - A slab is given back when its last cell is, but for one of each size.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/spinning_mutex.hpp"
#include "cache/memory/pages.hpp"

namespace hotwell::cache {

/// Threads: any.
class Cells {
 public:
  Cells() = default;
  Cells(const Cells&) = delete;
  Cells& operator=(const Cells&) = delete;

  /// What `size` bytes take.
  [[nodiscard]] static std::size_t cost(std::size_t size) noexcept;
  /// At a multiple of 16. Throws std::bad_alloc.
  [[nodiscard]] void* take(std::size_t size);
  /// `size` as it was taken.
  void give_back(void* cell, std::size_t size) noexcept;

  /// What lies in the cell is complete, and may be asked to go: from here on sparsest() may name it.
  void settle(void* cell, std::size_t size) noexcept;
  /// It is on its way out: whoever still holds it decides when.
  void unsettle(void* cell, std::size_t size) noexcept;
  /// Bytes of slabs that are in no live cell.
  [[nodiscard]] std::uint64_t holes() const;
  /// The settled cells of the slab that, of those that have any and a hole, has the fewest bytes in use; or empty.
  void sparsest(std::vector<void*>& cells) const;

 private:
  static constexpr std::size_t slab_size = 64 << 10;
  static constexpr std::size_t smallest_cell = 80;
  static constexpr std::size_t header_size = 240;
  static constexpr std::size_t bitmap_words = (slab_size / smallest_cell + 63) / 64;
  static constexpr std::size_t size_count = 28 + 16 + 55;

  /// The beginning of 64 KiB at a multiple of 64 KiB.
  struct Slab {
    Slab* next = nullptr;      ///< in the ring of those of its size that have a hole
    Slab* previous = nullptr;  ///< both null where it has none
    std::uint16_t number = 0;  ///< of its size
    std::uint16_t live = 0;
    std::array<std::uint64_t, bitmap_words> used{};
    std::array<std::uint64_t, bitmap_words> settled{};

    [[nodiscard]] std::size_t cell_size() const noexcept { return size_of(number); }
    [[nodiscard]] std::size_t cells() const noexcept { return (slab_size - header_size) / cell_size(); }
    [[nodiscard]] std::byte* cell(std::size_t index) noexcept {
      return reinterpret_cast<std::byte*>(this) + header_size + index * cell_size();
    }
    [[nodiscard]] static Slab& of(void* cell) noexcept {
      return *reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(cell) & ~(std::uintptr_t{slab_size} - 1));
    }
    [[nodiscard]] bool any_settled() const noexcept {
      return std::ranges::any_of(settled, [](std::uint64_t bits) { return bits != 0; });
    }
    [[nodiscard]] std::size_t index(void* cell) noexcept {
      return static_cast<std::size_t>(static_cast<std::byte*>(cell) - this->cell(0)) / cell_size();
    }
  };
  static_assert(sizeof(Slab) <= header_size);

  [[nodiscard]] static std::size_t number_of(std::size_t size) noexcept;
  [[nodiscard]] static std::size_t size_of(std::size_t number) noexcept;
  [[nodiscard]] static std::size_t largest_cell() noexcept { return size_of(size_count - 1); }
  [[nodiscard]] static std::size_t pages_for(std::size_t size) noexcept {
    return (size + Pages::page - 1) / Pages::page;
  }
  [[nodiscard]] Slab* make_slab(std::size_t number);
  void link(Slab& slab) noexcept;
  void unlink(Slab& slab) noexcept;

  mutable base::SpinningMutex mutex_;
  Pages pages_;
  std::array<Slab*, size_count> with_holes_{};
  std::uint64_t slab_bytes_ = 0;
  std::uint64_t live_bytes_ = 0;
};

}  // namespace hotwell::cache

#include "cache/memory/cells.hpp"

#include <algorithm>
#include <bit>
#include <new>

#include "base/assert.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (void(address), void(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (void(address), void(size))
#endif

namespace hotwell::cache {

std::size_t Cells::size_of(std::size_t number) noexcept {
  // Close together where entries are small; then as many as fit a slab, from 62 down to 8.
  static constexpr auto sizes = [] {
    std::array<std::uint16_t, size_count> all{};
    std::size_t i = 0;
    for (std::size_t size = smallest_cell; size <= 512; size += 16) all.at(i++) = static_cast<std::uint16_t>(size);
    for (std::size_t size = 544; size <= 1024; size += 32) all.at(i++) = static_cast<std::uint16_t>(size);
    for (std::size_t count = 62; count >= 8; --count)
      all.at(i++) = static_cast<std::uint16_t>((slab_size - header_size) / count / 16 * 16);
    return i == size_count ? all : throw "as many sizes as there are numbers";
  }();
  return sizes.at(number);
}

std::size_t Cells::number_of(std::size_t size) noexcept {
  std::size_t low = 0;
  for (std::size_t high = size_count - 1; low < high;) {
    const auto middle = (low + high) / 2;
    if (size_of(middle) < size)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

std::size_t Cells::cost(std::size_t size) noexcept {
  return size <= largest_cell() ? size_of(number_of(size)) : pages_for(size) * Pages::page;
}

void* Cells::take(std::size_t size) {
  const std::lock_guard lock(mutex_);
  if (size > largest_cell()) return pages_.take(pages_for(size), 1);
  const auto number = number_of(size);
  Slab* slab = with_holes_.at(number);
  if (slab == nullptr) slab = make_slab(number);
  auto word = std::ranges::find_if(slab->used, [](std::uint64_t bits) { return ~bits != 0; });
  HOTWELL_ASSERT(word != slab->used.end());
  const auto bit = static_cast<unsigned>(std::countr_one(*word));
  *word |= std::uint64_t{1} << bit;
  if (++slab->live == slab->cells()) unlink(*slab);
  live_bytes_ += slab->cell_size();
  std::byte* cell = slab->cell(static_cast<std::size_t>(word - slab->used.begin()) * 64 + bit);
  ASAN_UNPOISON_MEMORY_REGION(cell, size);
  return cell;
}

void Cells::give_back(void* cell, std::size_t size) noexcept {
  const std::lock_guard lock(mutex_);
  if (size > largest_cell()) {
    pages_.give_back(cell, pages_for(size));
    return;
  }
  auto& slab = Slab::of(cell);
  ASAN_POISON_MEMORY_REGION(cell, slab.cell_size());
  const auto index = slab.index(cell);
  slab.used.at(index / 64) &= ~(std::uint64_t{1} << index % 64);
  slab.settled.at(index / 64) &= ~(std::uint64_t{1} << index % 64);
  live_bytes_ -= slab.cell_size();
  if (slab.live-- == slab.cells()) link(slab);
  if (slab.live != 0 || slab.next == &slab) return;
  unlink(slab);
  slab_bytes_ -= slab_size;
  ASAN_UNPOISON_MEMORY_REGION(&slab, slab_size);
  pages_.give_back(&slab, slab_size / Pages::page);
}

void Cells::settle(void* cell, std::size_t size) noexcept {
  if (size > largest_cell()) return;
  const std::lock_guard lock(mutex_);
  auto& slab = Slab::of(cell);
  const auto index = slab.index(cell);
  slab.settled.at(index / 64) |= std::uint64_t{1} << index % 64;
}

void Cells::unsettle(void* cell, std::size_t size) noexcept {
  if (size > largest_cell()) return;
  const std::lock_guard lock(mutex_);
  auto& slab = Slab::of(cell);
  const auto index = slab.index(cell);
  slab.settled.at(index / 64) &= ~(std::uint64_t{1} << index % 64);
}

std::uint64_t Cells::holes() const {
  const std::lock_guard lock(mutex_);
  return slab_bytes_ - live_bytes_;
}

void Cells::sparsest(std::vector<void*>& cells) const {
  cells.clear();
  const std::lock_guard lock(mutex_);
  Slab* best = nullptr;
  const auto bytes_in = [](const Slab& slab) { return slab.live * slab.cell_size(); };
  for (Slab* first : with_holes_) {
    Slab* slab = first;
    if (slab == nullptr) continue;
    do {
      if ((best == nullptr || bytes_in(*slab) < bytes_in(*best)) && slab->any_settled()) best = slab;
      slab = slab->next;
    } while (slab != first);
  }
  if (best == nullptr) return;
  for (std::size_t i = 0; i < best->cells(); ++i)
    if ((best->settled.at(i / 64) >> i % 64 & 1) != 0) cells.push_back(best->cell(i));
}

Cells::Slab* Cells::make_slab(std::size_t number) {
  auto* slab = new (pages_.take(slab_size / Pages::page, slab_size / Pages::page)) Slab;
  slab->number = static_cast<std::uint16_t>(number);
  // What lies behind the last cell counts as used.
  for (auto i = slab->cells(); i < bitmap_words * 64; ++i) slab->used.at(i / 64) |= std::uint64_t{1} << i % 64;
  slab_bytes_ += slab_size;
  ASAN_POISON_MEMORY_REGION(slab->cell(0), slab_size - header_size);
  link(*slab);
  return slab;
}

void Cells::link(Slab& slab) noexcept {
  Slab*& first = with_holes_.at(slab.number);
  if (first == nullptr) {
    first = slab.next = slab.previous = &slab;
    return;
  }
  // Last: those before it are filled up first.
  slab.next = first;
  slab.previous = first->previous;
  slab.previous->next = first->previous = &slab;
}

void Cells::unlink(Slab& slab) noexcept {
  Slab*& first = with_holes_.at(slab.number);
  if (slab.next == &slab) {
    first = nullptr;
  } else {
    if (first == &slab) first = slab.next;
    slab.previous->next = slab.next;
    slab.next->previous = slab.previous;
  }
  slab.next = slab.previous = nullptr;
}

}  // namespace hotwell::cache

#include "cache/memory/pages.hpp"

#include <algorithm>
#include <new>

#include <sys/mman.h>

#include "base/assert.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace hotwell::cache {
namespace {

std::byte* map(std::size_t bytes) {
  void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(mapped);
}

void unmap(void* mapped, std::size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  // Poison that cells left would be found by whoever is given the same addresses next.
  ASAN_UNPOISON_MEMORY_REGION(mapped, bytes);
#endif
  ::munmap(mapped, bytes);
}

constexpr std::size_t up_to(std::size_t number, std::size_t align) { return (number + align - 1) / align * align; }

}  // namespace

Pages::~Pages() {
  for (const auto& chunk : chunks_) unmap(chunk->mapped, (chunk_pages + most_align) * page);
}

void* Pages::take(std::size_t pages, std::size_t align) {
  HOTWELL_ASSERT(pages > 0 && align <= most_align);
  if (pages > chunk_pages) return map(pages * page);
  const auto take_at = [&](Chunk& chunk, std::size_t at) {
    for (std::size_t i = 0; i < pages; ++i) chunk.used.set(at + i);
    if (at == chunk.free_from) chunk.free_from = at + pages;
    return chunk.begin + at * page;
  };
  for (const auto& chunk : chunks_)
    if (const auto at = find(*chunk, pages, align); at != chunk_pages) return take_at(*chunk, at);
  auto fresh = std::make_unique<Chunk>();
  chunks_.reserve(chunks_.size() + 1);
  fresh->mapped = map((chunk_pages + most_align) * page);
  const auto address = reinterpret_cast<std::uintptr_t>(fresh->mapped);
  fresh->begin = fresh->mapped + (up_to(address, most_align * page) - address);
  // Huge pages would be resident as a whole where a few pages of theirs are in use.
  ::madvise(fresh->mapped, (chunk_pages + most_align) * page, MADV_NOHUGEPAGE);
  chunks_.push_back(std::move(fresh));
  return take_at(*chunks_.back(), 0);
}

void Pages::give_back(void* run, std::size_t pages) noexcept {
  if (pages > chunk_pages) {
    unmap(run, pages * page);
    return;
  }
  auto* begin = static_cast<std::byte*>(run);
  const auto at = std::ranges::find_if(
      chunks_, [&](const auto& chunk) { return begin >= chunk->begin && begin < chunk->begin + chunk_pages * page; });
  HOTWELL_ASSERT(at != chunks_.end());
  ::madvise(run, pages * page, MADV_DONTNEED);
  auto& chunk = **at;
  const auto first = static_cast<std::size_t>(begin - chunk.begin) / page;
  for (std::size_t i = 0; i < pages; ++i) chunk.used.reset(first + i);
  chunk.free_from = std::min(chunk.free_from, first);
}

std::size_t Pages::find(const Chunk& chunk, std::size_t pages, std::size_t align) noexcept {
  // From the end of each place that could do: behind the last page that is in the way the next place begins.
  for (auto at = up_to(chunk.free_from, align); at + pages <= chunk_pages;) {
    auto last = at + pages;
    while (last != at && !chunk.used.test(last - 1)) --last;
    if (last == at) return at;
    at = up_to(last, align);
  }
  return chunk_pages;
}

}  // namespace hotwell::cache

/// Runs of whole pages. What is freed goes back to the machine at once, so what is resident is what is in use: holes
/// between runs are addresses, not memory.
///
/// Invariant: a chunk's bit is set where its page belongs to a run that was given out.
#pragma once

#include <bitset>
#include <cstddef>
#include <memory>
#include <vector>

namespace hotwell::cache {

/// Threads: one at a time. Freed addresses are kept for later runs until this goes.
class Pages {
 public:
  static constexpr std::size_t page = 4096;

  Pages() = default;
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  /// `align` of the address, in pages, up to 16. Throws std::bad_alloc.
  [[nodiscard]] void* take(std::size_t pages, std::size_t align);
  void give_back(void* run, std::size_t pages) noexcept;

 private:
  static constexpr std::size_t most_align = 16;
  static constexpr std::size_t chunk_pages = 4096;  // longer runs are mapped alone
  struct Chunk {
    std::byte* mapped = nullptr;
    std::byte* begin = nullptr;  ///< aligned
    std::size_t free_from = 0;   ///< no page before it is free
    std::bitset<chunk_pages> used;
  };
  [[nodiscard]] static std::size_t find(const Chunk& chunk, std::size_t pages, std::size_t align) noexcept;

  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace hotwell::cache

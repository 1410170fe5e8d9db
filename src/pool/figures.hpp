/// The plan's figures, published to other threads.
/// Invariant: what is read is one snapshot, and whoever saw the end of a job finds it counted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <hotwell/pool.hpp>

#include "pool/plan.hpp"

namespace hotwell::pool {

/// A sequence lock: the writer never waits, readers read again where they were overtaken.
/// Threads: publish() the pool's, stats() any.
class PublishedFigures {
 public:
  void publish(const Figures& figures);
  [[nodiscard]] PoolStats stats() const;

 private:
  using Words = std::array<std::uint64_t, sizeof(Figures) / sizeof(std::uint64_t)>;
  static_assert(sizeof(Words) == sizeof(Figures) && std::has_unique_object_representations_v<Figures>);

  [[nodiscard]] Figures read() const;

  std::atomic<std::uint64_t> version_{0};  ///< odd while the words are written
  std::array<std::atomic<std::uint64_t>, std::tuple_size_v<Words>> words_{};
};

}  // namespace hotwell::pool

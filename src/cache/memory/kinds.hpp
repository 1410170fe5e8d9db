/// What many entries have in common, kept once: content type and type tag, the budget that they count against and the
/// cells that they lie in.
///
/// Invariant: a kind lives as long as one of its entries does, or its tier. Kinds that are shared are few and small
/// (most_shared, most_text), so what they take needs no counting; beyond that an entry has a kind of its own, which is
/// part of its cost.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "cache/budget.hpp"
#include "cache/memory/cells.hpp"

namespace hotwell::cache {

/// Texts and budget never change. Threads: any.
class Kind {
 public:
  enum class Of : std::uint8_t { many, one };
  Kind(std::string_view its_content_type, std::string_view its_type, std::shared_ptr<Budget> its_budget,
       std::shared_ptr<Cells> its_cells, Of whose)
      : content_type(its_content_type),
        type(its_type),
        budget(std::move(its_budget)),
        cells(std::move(its_cells)),
        of(whose) {}

  const std::string content_type;
  const std::string type;
  const std::shared_ptr<Budget> budget;
  const std::shared_ptr<Cells> cells;
  const Of of;

  void keep() noexcept { users_.fetch_add(1, std::memory_order_relaxed); }
  void let_go() noexcept {
    if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  /// What is in the table; written under the tier's lock, read at any time.
  void count(std::int64_t entries, std::int64_t bytes) noexcept {
    entries_.store(this->entries() + static_cast<std::uint64_t>(entries), std::memory_order_relaxed);
    bytes_.store(this->bytes() + static_cast<std::uint64_t>(bytes), std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

 private:
  ~Kind() = default;
  std::atomic<std::uint64_t> users_{1};
  std::atomic<std::uint64_t> entries_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

/// The shared kinds of one tier. Threads: any.
class Kinds {
 public:
  static constexpr std::size_t most_shared = 512;
  static constexpr std::size_t most_text = 256;

  Kinds(std::shared_ptr<Budget> budget, std::shared_ptr<Cells> cells)
      : budget_(std::move(budget)), cells_(std::move(cells)) {}
  ~Kinds();
  Kinds(const Kinds&) = delete;
  Kinds& operator=(const Kinds&) = delete;

  /// Kept once for the caller. No lock where the kind is known.
  [[nodiscard]] Kind& of(std::string_view content_type, std::string_view type);
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& place : places_)
      if (const Kind* kind = place.load(std::memory_order_acquire)) visit(*kind);
  }

 private:
  /// The kind, or the place where it would be.
  [[nodiscard]] std::atomic<Kind*>& find(std::string_view content_type, std::string_view type);

  const std::shared_ptr<Budget> budget_;
  const std::shared_ptr<Cells> cells_;
  std::mutex mutex_;  ///< of whoever adds one
  std::size_t count_ = 0;
  std::array<std::atomic<Kind*>, 2 * most_shared> places_{};
};

}  // namespace hotwell::cache

/// A limit in bytes, and who has how much of it. What is evicted but still held by a reader keeps its charge, so that
/// the sum never lies.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace hotwell::cache {

/// Threads: any.
class Budget {
 public:
  explicit Budget(std::uint64_t limit) : limit_(limit) {}

  [[nodiscard]] std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  void set_limit(std::uint64_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }

  /// False where it would pass the limit.
  [[nodiscard]] bool try_take(std::uint64_t bytes) noexcept {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit() || used > limit() - bytes) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  /// Regardless of the limit: what lies there already must be counted.
  void take(std::uint64_t bytes) noexcept { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> limit_;
  std::atomic<std::uint64_t> used_{0};
};

/// Somebody's part of a budget, given back at the end. Threads: one at a time grows it; bytes() from any.
class Charge {
 public:
  explicit Charge(std::shared_ptr<Budget> budget) : budget_(std::move(budget)) {}
  ~Charge() { budget_->give_back(bytes()); }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool try_grow_to(std::uint64_t bytes) noexcept {
    const auto have = this->bytes();
    if (bytes <= have) return true;
    if (!budget_->try_take(bytes - have)) return false;
    bytes_.store(bytes, std::memory_order_relaxed);
    return true;
  }
  /// What was taken from the budget for this already.
  void adopt(std::uint64_t bytes) noexcept { bytes_.store(this->bytes() + bytes, std::memory_order_relaxed); }
  /// Precondition: no more than it has.
  void shrink_to(std::uint64_t bytes) noexcept {
    budget_->give_back(bytes_.exchange(bytes, std::memory_order_relaxed) - bytes);
  }
  void set(std::uint64_t bytes) noexcept {
    budget_->take(bytes);
    budget_->give_back(bytes_.exchange(bytes, std::memory_order_relaxed));
  }

 private:
  std::shared_ptr<Budget> budget_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace hotwell::cache

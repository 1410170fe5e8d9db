/// An object in memory: one allocation that holds what the order of eviction, the table and readers need, then the key,
/// then the bytes. Large bytes that somebody else has allocated already stay where they are and are referred to.
///
/// Invariants:
/// - Key, description and bytes never change once readers may see it; only `expires` and what PolicyNode marks do.
/// - It is freed, and its weight given back, by whoever lets go last: the tier holds it once while it is in the table
///   or on its way out, and each reader that does not hold it in a slot of its thread (holds.hpp) once more.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include <hotwell/cache.hpp>

#include "cache/memory/kinds.hpp"
#include "cache/object.hpp"
#include "cache/policy/policy.hpp"

namespace hotwell::cache {

/// PolicyNode is a base, so that a victim is its entry. Its weight is what the entry costs the budget.
class Entry final : public PolicyNode {
 public:
  /// Held once, by the caller, whose keep of the kind it takes over; `bytes` that do not own what they view are copied.
  /// Its weight is not taken from the kind's budget yet. Precondition: the key is shorter than 64 KiB.
  [[nodiscard]] static Entry* make(const Details& details, const Buffer& bytes, Kind& kind, std::uint64_t key_hash);
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  [[nodiscard]] std::string_view key() const noexcept { return {tail(), key_size()}; }
  [[nodiscard]] ByteView bytes() const noexcept {
    const ByteView inside{tail() + key_size(), size_};
    return has_extras_ == 0 || size_ != 0 ? inside : extras()->content.view();
  }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] WallTime created() const noexcept { return WallTime{WallTime::duration{created_}}; }
  [[nodiscard]] WallTime expires() const noexcept {
    return WallTime{WallTime::duration{expires_.load(std::memory_order_relaxed)}};
  }
  void set_expires(WallTime when) noexcept {
    expires_.store(when.time_since_epoch().count(), std::memory_order_relaxed);
  }
  [[nodiscard]] Kind& kind() const noexcept { return *reinterpret_cast<Kind*>(kind_and_key_size_ & address_bits); }
  [[nodiscard]] MetadataView metadata() const noexcept {
    return has_extras_ != 0 ? MetadataView(&extras()->metadata) : MetadataView();
  }
  /// The second in which it expires, as far as 32 bits tell.
  [[nodiscard]] std::uint32_t due() const noexcept { return due_second(expires()); }
  [[nodiscard]] static std::uint32_t due_second(WallTime when) noexcept {
    const auto second = std::chrono::floor<std::chrono::seconds>(when.time_since_epoch()).count();
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(second, 0, std::numeric_limits<std::uint32_t>::max() - 1));
  }
  /// The size of its cell.
  [[nodiscard]] std::size_t allocated() const noexcept;
  /// What it takes: its cell, its part of the table and of what the policy remembers, and what it has outside.
  [[nodiscard]] std::uint64_t cost() const noexcept;

  // Guarded by the tier's lock:
  /// Whether the table has it.
  [[nodiscard]] bool placed() const noexcept { return placed_ != 0; }
  void set_placed(bool placed) noexcept { placed_ = placed ? 1 : 0; }
  /// Hits lately, as far as 127: each period halves them.
  [[nodiscard]] unsigned hits(std::uint8_t period) const noexcept;
  void count_hit(std::uint8_t period) noexcept;
  /// The same key has a new value.
  void inherit_hits(const Entry& old) noexcept {
    hits_ = old.hits_;
    hits_period_ = old.hits_period_;
  }

  [[nodiscard]] bool held_by_others() const noexcept { return holders_.load(std::memory_order_acquire) > 1; }
  void hold() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
  /// The last one to let go gives the weight back and frees it. Threads: any.
  void let_go() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(*this);
  }
  /// Instead of let_go(), where nothing was charged for it.
  static void discard(Entry& entry) noexcept;

 private:
  static constexpr std::uint64_t address_bits = (std::uint64_t{1} << 48) - 1;

  /// What few entries have: bytes outside, metadata.
  struct Extras {
    Metadata metadata;
    Buffer content;
  };

  Entry(const Details& details, Kind& kind, std::uint64_t key_hash, std::uint32_t size, bool has_extras) noexcept;
  ~Entry();
  static void destroy(Entry& entry) noexcept;
  [[nodiscard]] std::size_t key_size() const noexcept { return kind_and_key_size_ >> 48; }
  [[nodiscard]] const char* tail() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  [[nodiscard]] Extras* extras() const noexcept;

  // In an order that fills PolicyNode's last word and leaves no hole.
  std::uint8_t placed_ : 1;
  std::uint8_t hits_ : 7;
  std::uint8_t hits_period_ = 0;
  std::atomic<std::uint32_t> holders_{1};
  std::uint32_t has_extras_ : 1;
  std::uint32_t size_ : 31;  ///< of the bytes behind the key; 0 where they are outside
  std::uint64_t generation_;
  std::int64_t created_;
  std::atomic<std::int64_t> expires_;
  std::uint64_t kind_and_key_size_;  ///< an address has 48 bits, as in the table
};

static_assert(sizeof(Entry) == 72, "each byte here is one for each entry");

}  // namespace hotwell::cache

/// From keys to entries: buckets of one cache line, each with eight words that hold an entry's address and 16 bits of
/// its hash, so that a look-up touches one line of the table and one entry. Readers take no lock.
///
/// Invariants:
/// - An entry stays at its word until it is taken out. It lies in the bucket that its hash says, or in the first one
///   behind that had room when it came; each bucket that it passed by counts it, so a look-up ends at the first bucket
///   that nobody passed by, and erasing leaves nothing behind.
/// - An array that readers may see changes only by single words, and is freed by its owner after they passed.
/// - A bucket's `due` is no later than the first second in which one of its entries expires: a sweep looks at these
///   numbers, 4 bytes for eight entries, and touches only buckets where something is due. An entry has no place in any
///   order of expiry, so putting, touching and erasing cost nothing for it. (A timer wheel's links would be 8 to 16
///   bytes an entry, and two more cache misses for whoever comes and goes.)
/// Source: counting those that passed by is F14's idea (Bronson, Shi, "Open-sourcing F14", 2019).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "base/assert.hpp"

namespace hotwell::cache {

/// `Entry` lies at a multiple of 16 and has key(), hash (of 32 bits) and due(), the second in which it expires.
/// Threads: find() within a section of Readers, or as the others: one at a time.
template <class Entry>
class EntryTable {
 public:
  class Array;
  static constexpr std::uint32_t never = std::numeric_limits<std::uint32_t>::max();

  EntryTable() : owned_(std::make_unique<Array>(8)), array_(owned_.get()) {}

  [[nodiscard]] Entry* find(std::string_view key, std::uint64_t hash) const noexcept {
    const Array& array = *array_.load();
    auto at = array.home(static_cast<std::uint32_t>(hash));
    for (std::size_t looked = 0; looked < array.size(); ++looked, at = array.after(at)) {
      const auto& bucket = array[at];
      const auto first = bucket[0].load();
      // All tags first, without a branch: which place it is cannot be foretold.
      unsigned candidates = 0;
      for (unsigned i = 0; i < bucket_size; ++i)
        candidates |= unsigned{(bucket[i].load() ^ hash) < (std::uint64_t{1} << 48)} << i;
      for (; candidates != 0; candidates &= candidates - 1) {
        Entry* entry = entry_of(bucket[static_cast<std::size_t>(std::countr_zero(candidates))].load());
        if (entry != nullptr && entry->key() == key) return entry;
      }
      if ((first & passed_bits) == 0) break;
    }
    return nullptr;
  }
  /// Brings what find() will look at nearer.
  void prefetch(std::uint64_t hash) const noexcept {
    const Array& array = *array_.load(std::memory_order_relaxed);
    __builtin_prefetch(&array[array.home(static_cast<std::uint32_t>(hash))]);
  }
  /// Precondition: its key is not there. Returns an array that is to be freed once all readers have passed, or null.
  [[nodiscard]] std::unique_ptr<Array> insert(Entry& entry, std::uint64_t hash) {
    std::unique_ptr<Array> old;
    if ((entries_ + 1) * 5 > owned_->size() * bucket_size * 4) old = rebuild();
    place(*owned_, entry, word(entry, hash & ~tagless_bits));
    ++entries_;
    return old;
  }
  /// Precondition: the same key.
  void replace(Entry& old, Entry& entry) noexcept {
    const auto there = at(old);
    auto& place = word_at(there);
    const auto before = place.load(std::memory_order_relaxed);
    place.store(word(entry, before & ~address_bits));
    note_due(*owned_, there.bucket, entry);
  }
  void erase(Entry& entry) noexcept {
    const auto there = at(entry);
    auto& place = word_at(there);
    place.store(place.load(std::memory_order_relaxed) & passed_bits);
    for (auto passed = owned_->home(entry.hash); passed != there.bucket; passed = owned_->after(passed)) {
      auto& first = (*owned_)[passed][0];
      const auto before = first.load(std::memory_order_relaxed);
      // A count that is full is not exact any more: it stays.
      if ((before & passed_bits) != passed_bits) first.store(before - 1);
    }
    --entries_;
  }
  /// It expires at another time now.
  void changed_due(Entry& entry) noexcept { note_due(*owned_, at(entry).bucket, entry); }
  /// Visits entries that are due by `now`, and some that are not yet; `visit` may erase what it is given.
  template <class Visit>
  void each_due(std::uint32_t now, Visit visit) {
    Array& array = *owned_;
    for (std::size_t bucket = 0; bucket < array.size(); ++bucket) {
      if (array.due[bucket] > now) continue;
      for (std::size_t i = 0; i < bucket_size; ++i)
        if (Entry* entry = entry_of(array[bucket][i].load(std::memory_order_relaxed))) visit(*entry);
      array.due[bucket] = never;
      for (const auto& place : array[bucket])
        if (Entry* entry = entry_of(place.load(std::memory_order_relaxed))) note_due(array, bucket, *entry);
    }
  }
  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
  [[nodiscard]] std::size_t buckets() const noexcept { return owned_->size(); }
  /// `visit` may erase what it is given.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t bucket = 0; bucket < owned_->size(); ++bucket)
      for (std::size_t i = 0; i < bucket_size; ++i)
        if (Entry* entry = entry_of((*owned_)[bucket][i].load(std::memory_order_relaxed))) visit(*entry);
  }

 private:
  static constexpr std::size_t bucket_size = 8;
  static constexpr std::uint64_t passed_bits = 15;  ///< of the first word: how many passed by, as far as 15
  static constexpr std::uint64_t address_bits = (std::uint64_t{1} << 48) - 1 - passed_bits;
  static constexpr std::uint64_t tagless_bits = (std::uint64_t{1} << 48) - 1;

 public:
  struct alignas(64) Bucket : std::array<std::atomic<std::uint64_t>, bucket_size> {};

  class Array {
   public:
    explicit Array(std::size_t size) : due(size, never), buckets_(size) {}
    [[nodiscard]] std::size_t size() const noexcept { return buckets_.size(); }
    [[nodiscard]] Bucket& operator[](std::size_t bucket) noexcept { return buckets_[bucket]; }
    [[nodiscard]] const Bucket& operator[](std::size_t bucket) const noexcept { return buckets_[bucket]; }
    [[nodiscard]] std::size_t home(std::uint32_t hash) const noexcept {
      return (std::uint64_t{hash} * buckets_.size()) >> 32;
    }
    [[nodiscard]] std::size_t after(std::size_t bucket) const noexcept {
      return bucket + 1 == buckets_.size() ? 0 : bucket + 1;
    }

    std::vector<std::uint32_t> due;

   private:
    std::vector<Bucket> buckets_;
  };

 private:
  struct At {
    std::size_t bucket = 0;
    std::size_t word = 0;
  };

  [[nodiscard]] static std::uint64_t word(Entry& entry, std::uint64_t rest) noexcept {
    const auto address = reinterpret_cast<std::uint64_t>(&entry);
    HOTWELL_ASSERT((address & ~address_bits) == 0);
    return address | rest;
  }
  [[nodiscard]] static Entry* entry_of(std::uint64_t word) noexcept {
    return reinterpret_cast<Entry*>(word & address_bits);
  }
  [[nodiscard]] std::atomic<std::uint64_t>& word_at(At at) noexcept { return (*owned_)[at.bucket][at.word]; }
  [[nodiscard]] At at(const Entry& entry) const noexcept {
    auto bucket = owned_->home(entry.hash);
    for (std::size_t looked = 0; looked < owned_->size(); ++looked, bucket = owned_->after(bucket))
      for (std::size_t i = 0; i < bucket_size; ++i)
        if (entry_of((*owned_)[bucket][i].load(std::memory_order_relaxed)) == &entry) return {bucket, i};
    HOTWELL_ASSERT(!"an entry that is erased is there");
    return {};
  }
  static void note_due(Array& array, std::size_t bucket, const Entry& entry) noexcept {
    array.due[bucket] = std::min(array.due[bucket], entry.due());
  }
  static void place(Array& array, Entry& entry, std::uint64_t word) {
    auto bucket = array.home(entry.hash);
    for (;; bucket = array.after(bucket)) {
      for (auto& place : array[bucket]) {
        const auto before = place.load(std::memory_order_relaxed);
        if (entry_of(before) != nullptr) continue;
        place.store(word | before);
        note_due(array, bucket, entry);
        return;
      }
      // Counted before it is there: readers that come for it go on.
      auto& first = array[bucket][0];
      const auto before = first.load(std::memory_order_relaxed);
      if ((before & passed_bits) != passed_bits) first.store(before + 1);
    }
  }
  [[nodiscard]] std::unique_ptr<Array> rebuild() {
    auto fresh = std::make_unique<Array>(owned_->size() + owned_->size() / 4 + 1);
    for (std::size_t bucket = 0; bucket < owned_->size(); ++bucket)
      for (const auto& old : (*owned_)[bucket])
        if (const auto before = old.load(std::memory_order_relaxed); entry_of(before) != nullptr)
          place(*fresh, *entry_of(before), before & ~passed_bits);
    array_.store(fresh.get());
    owned_.swap(fresh);
    return fresh;
  }

  std::unique_ptr<Array> owned_;
  std::atomic<Array*> array_;  ///< the same, for readers
  std::uint64_t entries_ = 0;
};

}  // namespace hotwell::cache

/// From keys to entries: open addressing over words that hold an entry's address and 16 bits of its hash, so that a
/// look-up touches one line of the table and one entry. Readers take no lock.
///
/// Invariant: an array that readers may see changes only by single words, and is freed by its owner after they passed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/assert.hpp"

namespace hotwell::cache {

/// `Entry` has `key` and `key_hash`. Threads: find() within a section of Readers, or as the others: one at a time.
template <class Entry>
class EntryTable {
 public:
  class Array;

  EntryTable() : owned_(std::make_unique<Array>(64)), array_(owned_.get()) {}

  [[nodiscard]] Entry* find(std::string_view key, std::uint64_t hash) const noexcept {
    const Array& array = *array_.load();
    for (std::uint64_t at = hash;; ++at) {
      const auto word = array.at(at).load();
      if (word == empty) return nullptr;
      if (word >> 48 != hash >> 48 || word == gone) continue;
      Entry* entry = entry_of(word);
      if (entry->key == key) return entry;
    }
  }
  /// Precondition: its key is not there. Returns an array that is to be freed once all readers have passed, or null.
  [[nodiscard]] std::unique_ptr<Array> insert(Entry& entry) {
    std::unique_ptr<Array> old;
    if ((filled_ + 1) * 4 > owned_->size() * 3) old = rebuild();
    place(*owned_, entry);
    ++entries_;
    return old;
  }
  void replace(Entry& old, Entry& entry) noexcept { word_of(old).store(word(entry)); }
  void erase(Entry& entry) noexcept {
    word_of(entry).store(gone);
    --entries_;
  }
  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
  /// `visit` may erase what it is given.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::uint64_t at = 0; at < owned_->size(); ++at) {
      const auto word = owned_->at(at).load(std::memory_order_relaxed);
      if (word != empty && word != gone) visit(*entry_of(word));
    }
  }

  class Array {
   public:
    explicit Array(std::uint64_t size) : size_(size), words_(std::make_unique<std::atomic<std::uint64_t>[]>(size)) {}
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::atomic<std::uint64_t>& at(std::uint64_t index) const noexcept {
      return words_[index & (size_ - 1)];
    }

   private:
    std::uint64_t size_;  ///< a power of two
    std::unique_ptr<std::atomic<std::uint64_t>[]> words_;
  };

 private:
  static constexpr std::uint64_t empty = 0;
  static constexpr std::uint64_t gone = 1;  ///< no entry lies at an odd address
  static constexpr std::uint64_t address_bits = (std::uint64_t{1} << 48) - 1;

  [[nodiscard]] static std::uint64_t word(Entry& entry) noexcept {
    const auto address = reinterpret_cast<std::uint64_t>(&entry);
    HOTWELL_ASSERT((address & ~address_bits) == 0);
    return address | (entry.key_hash & ~address_bits);
  }
  [[nodiscard]] static Entry* entry_of(std::uint64_t word) noexcept {
    return reinterpret_cast<Entry*>(word & address_bits);
  }
  [[nodiscard]] std::atomic<std::uint64_t>& word_of(Entry& entry) const noexcept {
    const auto wanted = word(entry);
    for (std::uint64_t at = entry.key_hash;; ++at) {
      auto& found = owned_->at(at);
      const auto seen = found.load(std::memory_order_relaxed);
      if (seen == wanted) return found;
      HOTWELL_ASSERT(seen != empty);
    }
  }
  /// Counts what was free; a place where something was is filled already.
  void place(Array& array, Entry& entry) {
    for (std::uint64_t at = entry.key_hash;; ++at) {
      auto& found = array.at(at);
      const auto seen = found.load(std::memory_order_relaxed);
      if (seen != empty && seen != gone) continue;
      filled_ += seen == empty ? 1 : 0;
      found.store(word(entry));
      return;
    }
  }
  [[nodiscard]] std::unique_ptr<Array> rebuild() {
    std::uint64_t size = owned_->size();
    while ((entries_ + 1) * 2 > size) size *= 2;
    auto fresh = std::make_unique<Array>(size);
    filled_ = 0;
    for_each([&](Entry& entry) { place(*fresh, entry); });
    array_.store(fresh.get());
    owned_.swap(fresh);
    return fresh;
  }

  std::unique_ptr<Array> owned_;
  std::atomic<Array*> array_;  ///< the same, for readers
  std::uint64_t filled_ = 0;   ///< words that are not empty
  std::uint64_t entries_ = 0;
};

}  // namespace hotwell::cache

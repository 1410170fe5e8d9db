#include "cache/memory/holds.hpp"

#include <algorithm>

namespace hotwell::cache {
namespace {

constexpr std::uintptr_t counted_bit = 1;

Entry& entry_of(std::uintptr_t word) noexcept { return *reinterpret_cast<Entry*>(word & ~counted_bit); }
std::uintptr_t word_of(const Entry& entry) noexcept { return reinterpret_cast<std::uintptr_t>(&entry); }

}  // namespace

/// A loan is a slot's address, or an entry's with the counted bit.
class Holds::Counts final : public Lender {
 public:
  [[nodiscard]] std::uintptr_t lend_again(std::uintptr_t loan) const noexcept override {
    // The loan lasts, so its slot names the entry until we are done.
    const auto word = (loan & counted_bit) != 0 ? loan : slot(loan).load(std::memory_order_relaxed);
    entry_of(word).hold();
    return word | counted_bit;
  }
  void take_back(std::uintptr_t loan) const noexcept override {
    // An emptied slot says nothing more of the entry, which may be freed at once: its word must be read with it.
    const auto word = (loan & counted_bit) != 0 ? loan : slot(loan).exchange(0, std::memory_order_acq_rel);
    if ((word & counted_bit) != 0) entry_of(word).let_go();
  }
  [[nodiscard]] static const Counts& lender() noexcept {
    static constinit const Counts only;
    return only;
  }

 private:
  [[nodiscard]] static Slot& slot(std::uintptr_t loan) noexcept { return *reinterpret_cast<Slot*>(loan); }
};

Buffer Holds::in_slot(unsigned place, Entry& entry) noexcept {
  for (auto& slot : places_[place].slots) {
    if (slot.load(std::memory_order_acquire) != 0) continue;
    slot.store(word_of(entry), std::memory_order_release);
    return Buffer::lent(Counts::lender(), reinterpret_cast<std::uintptr_t>(&slot), entry.bytes());
  }
  return counted(entry);
}

Buffer Holds::counted(Entry& entry) noexcept {
  entry.hold();
  return Buffer::lent(Counts::lender(), word_of(entry) | counted_bit, entry.bytes());
}

void Holds::list(std::vector<const Entry*>& into) {
  into.clear();
  for (unsigned i = 0; i < ThreadPlace::used(); ++i)
    for (const auto& slot : places_.at(i).slots)
      if (const auto word = slot.load(std::memory_order_relaxed); word != 0) into.push_back(&entry_of(word));
}

void Holds::count_slots(std::span<Entry* const> entries) noexcept {
  for (unsigned i = 0; i < ThreadPlace::used(); ++i) {
    for (auto& slot : places_.at(i).slots) {
      auto word = slot.load(std::memory_order_acquire);
      if (word == 0 || (word & counted_bit) != 0) continue;
      // Compared before it is looked at: what is another tier's may be gone already.
      if (std::ranges::find(entries, &entry_of(word)) == entries.end()) continue;
      Entry& entry = entry_of(word);
      entry.hold();
      if (!slot.compare_exchange_strong(word, word | counted_bit, std::memory_order_acq_rel)) entry.let_go();
    }
  }
}

}  // namespace hotwell::cache

#include "cache/memory/holds.hpp"

#include <algorithm>
#include <mutex>

#include "host/barrier.hpp"

namespace hotwell::cache {
namespace {

constexpr std::uintptr_t counted_bit = 1;

Entry& entry_of(std::uintptr_t word) noexcept { return *reinterpret_cast<Entry*>(word & ~counted_bit); }
std::uintptr_t word_of(const Entry& entry) noexcept { return reinterpret_cast<std::uintptr_t>(&entry); }

/// Entries that outlive their tier.
struct Left {
  std::mutex mutex;
  std::vector<Entry*> entries;
};
Left& left() {
  static auto& for_ever = *new Left;  // a holder may be a static that is destroyed late
  return for_ever;
}

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
    if ((loan & counted_bit) != 0) return entry_of(loan).let_go();
    slot(loan).store(0, std::memory_order_release);
    // Either who leaves entries sees the slot empty, or we see that there are some: let_left_go() has the other
    // barrier.
    host::light_barrier();
    if (any_left_.load(std::memory_order_relaxed)) [[unlikely]]
      let_left_go();
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
      if (const auto word = slot.load(std::memory_order_acquire); word != 0) into.push_back(&entry_of(word));
}

void Holds::leave(std::vector<Entry*> entries) {
  if (entries.empty()) return;
  {
    const std::lock_guard lock(left().mutex);
    left().entries.insert(left().entries.end(), entries.begin(), entries.end());
  }
  let_left_go();
}

void Holds::let_left_go() {
  std::vector<Entry*> gone;
  {
    const std::lock_guard lock(left().mutex);
    auto& all = left().entries;
    any_left_ = true;
    // Where the kernel refuses, a holder may not see it: they stay until the next one that does.
    if (!host::heavy_barrier()) return;
    std::vector<const Entry*> held;
    list(held);
    const auto first_gone = std::partition(
        all.begin(), all.end(), [&](const Entry* entry) { return std::ranges::find(held, entry) != held.end(); });
    gone.assign(first_gone, all.end());
    all.erase(first_gone, all.end());
    if (all.empty()) any_left_ = false;
  }
  // Under no lock: what an entry holds may be another's loan.
  for (Entry* entry : gone) entry->let_go();
}

}  // namespace hotwell::cache

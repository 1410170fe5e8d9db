#include "cache/memory/memory_tier.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"

namespace hotwell::cache {
namespace {

/// What a request of `bytes` costs the heap: glibc rounds up to 16 and keeps 8 for itself.
constexpr std::uint64_t heap_cost(std::uint64_t bytes) {
  return bytes == 0 ? 0 : std::max<std::uint64_t>(32, (bytes + 8 + 15) / 16 * 16);
}

std::uint64_t heap_cost(const std::string& text) {
  const bool inside = text.capacity() <= std::string().capacity();
  return inside ? 0 : heap_cost(text.capacity() + 1);
}

constexpr std::uint64_t tree_links = 32;  // colour, parent, left, right

}  // namespace

/// PolicyNode is a base, so that a victim is its entry.
struct MemoryTier::Entry final : Description, PolicyNode {
  Entry(Details details, Buffer content, std::shared_ptr<Budget> budget)
      : bytes(std::move(content)), charge(std::move(budget)) {
    assign(*this, std::move(details));
    key_hash = base::xxh3_64(key);
    hash = static_cast<std::uint32_t>(key_hash);
    set_deadline(expires);
  }

  /// Everything that goes when this goes: itself with its reference counts, texts, content, its places in table and
  /// expiries.
  [[nodiscard]] std::uint64_t cost() const {
    std::uint64_t sum = heap_cost(sizeof(Entry) + 16) + heap_cost(key) + heap_cost(content_type) + heap_cost(type);
    for (const auto& pair : metadata)
      sum += heap_cost(tree_links + sizeof(pair)) + heap_cost(pair.first) + heap_cost(pair.second);
    if (bytes.size() != 0) sum += heap_cost(bytes.size() + 16);
    constexpr std::uint64_t table_word = 8 * 8 / 3;  // where the table is as empty as it gets
    return sum + table_word + heap_cost(tree_links + sizeof(WallTime) + sizeof(Entry*));
  }

  [[nodiscard]] WallTime deadline() const noexcept {
    return WallTime(WallTime::duration(deadline_.load(std::memory_order_relaxed)));
  }
  void set_deadline(WallTime when) noexcept {
    deadline_.store(when.time_since_epoch().count(), std::memory_order_relaxed);
  }

  const Buffer bytes;
  Charge charge;
  std::uint64_t key_hash = 0;
  EntryRef self;        ///< the table's reference, which readers copy; none before it was put and after it was freed
  bool placed = false;  ///< in the table; guarded by the lock

 private:
  std::atomic<WallTime::rep> deadline_{0};  ///< `expires`, or what touch() made of it
};

MemoryTier::MemoryTier(Bytes limit, std::unique_ptr<EvictionPolicy> policy)
    : budget_(std::make_shared<Budget>(limit.count)), policy_(std::move(policy)) {
  policy_->set_capacity(limit.count);
}

/// Precondition: nobody reads any more.
MemoryTier::~MemoryTier() {
  table_.for_each([](Entry& entry) { const auto last = std::move(entry.self); });
  for (const auto& entry : taken_out_) const auto last = std::move(entry->self);
}

std::optional<Object> MemoryTier::try_find(std::string_view key, WallTime now, Count misses) {
  if (auto* place = Readers::mine()) {
    const Readers::Section reading(*place);
    if (Entry* entry = find_live(key, now)) {
      if (policy_->hits() == Hits::marked)
        policy_->hit(*entry);
      else
        hit_logs_.note(place->number, *entry);
      counters_.hit();
      return object_of(entry->self);
    }
  } else {
    const std::lock_guard lock(mutex_);
    if (Entry* entry = find_live(key, now)) {
      policy_->hit(*entry);
      counters_.hit();
      return object_of(entry->self);
    }
  }
  if (misses == Count::yes) counters_.miss();
  return std::nullopt;
}

Result<std::optional<Found>> MemoryTier::find(std::string_view key, WallTime now, FindOptions options, Removals&) {
  if (options.count == Count::yes) {
    auto object = try_find(key, now, Count::yes);
    if (!object) return std::nullopt;
    return Found{std::move(*object), 0};
  }
  const std::lock_guard lock(mutex_);
  const Entry* entry = find_live(key, now);
  if (entry == nullptr) return std::nullopt;
  return Found{object_of(entry->self), 0};
}

Result<Object> MemoryTier::put(Details details, const Buffer& bytes, Removals& removed) {
  const auto entry = make_entry(std::move(details), bytes);
  entry->weight = entry->cost();
  entry->self = entry;
  const auto unused = [&] { const auto last = std::move(entry->self); };
  const std::lock_guard lock(mutex_);
  learn_hits();
  if (auto room = make_room(entry->charge, entry->weight, removed); !room) {
    unused();
    return std::unexpected(room.error());
  }
  // What the key had goes after the room is made: on an error it stays.
  if (Entry* old = table_.find(entry->key, entry->key_hash)) {
    policy_->replaced(*old, *entry);
    table_.replace(*old, *entry);
    forget(*old, Cause::replaced, removed);
  } else {
    policy_->inserted(*entry);
    if (auto array = table_.insert(*entry)) old_arrays_.push_back(std::move(array));
  }
  entry->placed = true;
  expiries_.add(entry->deadline(), *entry);
  auto object = object_of(entry->self);
  reclaim();
  return object;
}

Result<Object> MemoryTier::hold(Details details, const Buffer& bytes, Removals& removed) {
  const auto entry = make_entry(std::move(details), bytes);
  if (auto room = reserve(entry->charge, entry->cost(), removed); !room) return std::unexpected(room.error());
  return object_of(entry);
}

Result<void> MemoryTier::reserve(Charge& charge, std::uint64_t bytes, Removals& removed) {
  const std::lock_guard lock(mutex_);
  learn_hits();
  return make_room(charge, bytes, removed);
}

Result<bool> MemoryTier::erase(std::string_view key, WallTime now, Removals& removed) {
  const std::lock_guard lock(mutex_);
  Entry* entry = table_.find(key, base::xxh3_64(key));
  if (entry == nullptr) return false;
  const bool live = entry->deadline() > now;
  take_out(*entry, live ? Cause::erased : Cause::expired, removed);
  reclaim();
  return live;
}

Result<void> MemoryTier::clear(Removals& removed) {
  const std::lock_guard lock(mutex_);
  table_.for_each([&](Entry& entry) { take_out(entry, Cause::erased, removed); });
  reclaim();
  return {};
}

std::optional<std::uint64_t> MemoryTier::generation(std::string_view key, WallTime now) const {
  const std::lock_guard lock(mutex_);
  const Entry* entry = find_live(key, now);
  if (entry == nullptr) return std::nullopt;
  return entry->generation;
}

Result<bool> MemoryTier::touch(std::string_view key, WallTime now, WallTime expires) {
  const std::lock_guard lock(mutex_);
  Entry* entry = find_live(key, now);
  if (entry == nullptr) return false;
  expiries_.remove(entry->deadline(), *entry);
  entry->set_deadline(expires);
  expiries_.add(expires, *entry);
  return true;
}

void MemoryTier::for_each(WallTime now, const std::function<bool(const Object&)>& visit) const {
  std::vector<Object> all;
  {
    const std::lock_guard lock(mutex_);
    all.reserve(table_.entries());
    table_.for_each([&](const Entry& entry) {
      if (entry.deadline() > now) all.push_back(object_of(entry.self));
    });
  }
  for (const auto& object : all)
    if (!visit(object)) return;
}

void MemoryTier::sweep(WallTime now, Removals& removed) {
  const std::lock_guard lock(mutex_);
  learn_hits();
  while (Entry* entry = expiries_.expired(now)) take_out(*entry, Cause::expired, removed);
  reclaim();
}

void MemoryTier::set_limit(Bytes limit, Removals& removed) {
  const std::lock_guard lock(mutex_);
  budget_->set_limit(limit.count);
  policy_->set_capacity(limit.count);
  // Asking for nothing evicts what is over the limit, or as much of it as readers allow.
  Charge none(budget_);
  (void)make_room(none, 0, removed);
}

CacheStats::Tier MemoryTier::stats() const {
  CacheStats::Tier stats;
  {
    const std::lock_guard lock(mutex_);
    stats.entries = table_.entries();
  }
  stats.size = {budget_->used()};
  if (budget_->limit() != 0)
    stats.utilization = static_cast<double>(budget_->used()) / static_cast<double>(budget_->limit());
  counters_.read(stats);
  return stats;
}

MemoryTier::EntryRef MemoryTier::make_entry(Details details, const Buffer& bytes) const {
  return std::make_shared<Entry>(std::move(details), bytes, budget_);
}

Object MemoryTier::object_of(const EntryRef& entry) {
  // The body's owner is the entry: whoever keeps the bytes keeps them counted.
  auto object = Description::object(entry, Level::memory, Buffer::wrap(entry, entry->bytes.view()));
  object.expires = entry->deadline();
  return object;
}

MemoryTier::Entry* MemoryTier::find_live(std::string_view key, WallTime now) const {
  Entry* entry = table_.find(key, base::xxh3_64(key));
  return entry == nullptr || entry->deadline() <= now ? nullptr : entry;
}

Result<void> MemoryTier::make_room(Charge& charge, std::uint64_t bytes, Removals& removed) {
  if (bytes > budget_->limit())
    return fail(Code::too_large, fmt::format("an object that takes {} is more than the memory limit of {}",
                                             to_string(Bytes{bytes}), to_string(Bytes{budget_->limit()})));
  // An entry that somebody holds gives nothing back when it is evicted: it is spared. Each gets that grace once a call,
  // so the loop ends.
  std::uint64_t graces = table_.entries();
  const auto over = [&] { return bytes == 0 && budget_->used() > budget_->limit(); };
  while (over() || !charge.try_grow_to(bytes)) {
    PolicyNode* node = policy_->victim(bytes);
    if (node == nullptr || graces == 0) {
      return fail(Code::overloaded, fmt::format("{} of the memory limit of {} are held by readers and writers",
                                                to_string(Bytes{budget_->used()}), to_string(Bytes{budget_->limit()})));
    }
    --graces;
    auto& entry = static_cast<Entry&>(*node);
    if (entry.self.use_count() > 1) {
      policy_->spared(entry);
      continue;
    }
    take_out(entry, Cause::capacity, removed);
    reclaim();
  }
  return {};
}

void MemoryTier::learn_hits() {
  if (policy_->hits() != Hits::ordered) return;
  hit_logs_.drain([&](Entry& entry) {
    if (entry.placed) policy_->hit(entry);
  });
}

void MemoryTier::take_out(Entry& entry, Cause cause, Removals& removed) {
  policy_->removed(entry, cause == Cause::capacity ? Departure::evicted : Departure::erased);
  table_.erase(entry);
  forget(entry, cause, removed);
}

void MemoryTier::forget(Entry& entry, Cause cause, Removals& removed) {
  entry.placed = false;
  expiries_.remove(entry.deadline(), entry);
  removed.push_back({entry.key, entry.generation, entry.bytes.size(), Level::memory, cause});
  taken_out_.push_back(entry.self);
}

bool MemoryTier::reclaim() {
  if (taken_out_.empty() && old_arrays_.empty()) return true;
  if (!Readers::passed()) return false;
  // Nobody can note these any more; what was noted must not outlive them.
  learn_hits();
  for (const auto& entry : taken_out_) {
    // Gone with its last holder, which is this list unless somebody reads it.
    const auto last = std::move(entry->self);
  }
  taken_out_.clear();
  old_arrays_.clear();
  return true;
}

}  // namespace hotwell::cache

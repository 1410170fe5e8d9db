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
    deadline = expires;
  }

  /// Everything that goes when this goes: itself with its reference counts, texts, content, its places in table and
  /// expiries.
  [[nodiscard]] std::uint64_t cost() const {
    std::uint64_t sum = heap_cost(sizeof(Entry) + 16) + heap_cost(key) + heap_cost(content_type) + heap_cost(type);
    for (const auto& pair : metadata)
      sum += heap_cost(tree_links + sizeof(pair)) + heap_cost(pair.first) + heap_cost(pair.second);
    if (bytes.size() != 0) sum += heap_cost(bytes.size() + 16);
    constexpr auto table_node = sizeof(void*) * 2 + sizeof(std::string_view) + sizeof(EntryRef) + sizeof(std::size_t);
    return sum + heap_cost(table_node) + heap_cost(tree_links + sizeof(WallTime) + sizeof(Entry*));
  }

  const Buffer bytes;
  Charge charge;
  WallTime deadline;  ///< `expires`, or what touch() made of it; guarded by the tier's lock
};

MemoryTier::MemoryTier(Bytes limit, std::unique_ptr<EvictionPolicy> policy)
    : budget_(std::make_shared<Budget>(limit.count)), policy_(std::move(policy)) {}

MemoryTier::~MemoryTier() = default;

std::optional<Object> MemoryTier::try_find(std::string_view key, WallTime now, Count misses) {
  {
    const std::lock_guard lock(mutex_);
    if (const EntryRef* entry = find_live(key, now)) {
      policy_->hit(**entry);
      counters_.hit();
      return object_of(*entry, (*entry)->deadline);
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
  const EntryRef* entry = find_live(key, now);
  if (entry == nullptr) return std::nullopt;
  return Found{object_of(*entry, (*entry)->deadline), 0};
}

Result<Object> MemoryTier::put(Details details, const Buffer& bytes, Removals& removed) {
  const auto entry = make_entry(std::move(details), bytes);
  const auto cost = entry->cost();
  entry->PolicyNode::bytes = cost;
  const std::lock_guard lock(mutex_);
  if (auto room = make_room(entry->charge, cost, removed); !room) return std::unexpected(room.error());
  // What the key had goes after the room is made: on an error it stays.
  if (const auto old = table_.find(entry->key); old != table_.end()) take_out(*old->second, Cause::replaced, removed);
  table_.emplace(std::string_view(entry->key), entry);
  policy_->inserted(*entry);
  expiries_.add(entry->deadline, *entry);
  return object_of(entry, entry->deadline);
}

Result<Object> MemoryTier::hold(Details details, const Buffer& bytes, Removals& removed) {
  const auto entry = make_entry(std::move(details), bytes);
  if (auto room = reserve(entry->charge, entry->cost(), removed); !room) return std::unexpected(room.error());
  return object_of(entry, entry->expires);
}

Result<void> MemoryTier::reserve(Charge& charge, std::uint64_t bytes, Removals& removed) {
  const std::lock_guard lock(mutex_);
  return make_room(charge, bytes, removed);
}

Result<bool> MemoryTier::erase(std::string_view key, WallTime now, Removals& removed) {
  const std::lock_guard lock(mutex_);
  const auto found = table_.find(key);
  if (found == table_.end()) return false;
  const bool live = found->second->deadline > now;
  take_out(*found->second, live ? Cause::erased : Cause::expired, removed);
  return live;
}

Result<void> MemoryTier::clear(Removals& removed) {
  const std::lock_guard lock(mutex_);
  while (!table_.empty()) take_out(*table_.begin()->second, Cause::erased, removed);
  return {};
}

std::optional<std::uint64_t> MemoryTier::generation(std::string_view key, WallTime now) const {
  const std::lock_guard lock(mutex_);
  const auto found = table_.find(key);
  if (found == table_.end() || found->second->deadline <= now) return std::nullopt;
  return found->second->generation;
}

Result<bool> MemoryTier::touch(std::string_view key, WallTime now, WallTime expires) {
  const std::lock_guard lock(mutex_);
  const EntryRef* entry = find_live(key, now);
  if (entry == nullptr) return false;
  expiries_.remove((*entry)->deadline, **entry);
  (*entry)->deadline = expires;
  expiries_.add(expires, **entry);
  return true;
}

void MemoryTier::for_each(WallTime now, const std::function<bool(const Object&)>& visit) const {
  std::vector<Object> all;
  {
    const std::lock_guard lock(mutex_);
    all.reserve(table_.size());
    for (const auto& [key, entry] : table_)
      if (entry->deadline > now) all.push_back(object_of(entry, entry->deadline));
  }
  for (const auto& object : all)
    if (!visit(object)) return;
}

void MemoryTier::sweep(WallTime now, Removals& removed) {
  const std::lock_guard lock(mutex_);
  while (Entry* entry = expiries_.expired(now)) take_out(*entry, Cause::expired, removed);
}

void MemoryTier::set_limit(Bytes limit, Removals& removed) {
  const std::lock_guard lock(mutex_);
  budget_->set_limit(limit.count);
  // Asking for nothing evicts what is over the limit, or as much of it as readers allow.
  Charge none(budget_);
  (void)make_room(none, 0, removed);
}

CacheStats::Tier MemoryTier::stats() const {
  CacheStats::Tier stats;
  {
    const std::lock_guard lock(mutex_);
    stats.entries = table_.size();
  }
  stats.size = {budget_->used()};
  if (budget_->limit() != 0)
    stats.utilization = static_cast<double>(budget_->used()) / static_cast<double>(budget_->limit());
  counters_.read(stats);
  return stats;
}

MemoryTier::EntryRef MemoryTier::make_entry(Details details, const Buffer& bytes) const {
  auto entry = std::make_shared<Entry>(std::move(details), bytes, budget_);
  entry->hash = base::xxh3_64(entry->key);
  return entry;
}

Object MemoryTier::object_of(const EntryRef& entry, WallTime expires) {
  // The body's owner is the entry: whoever keeps the bytes keeps them counted.
  auto object = Description::object(entry, Level::memory, Buffer::wrap(entry, entry->bytes.view()));
  object.expires = expires;
  return object;
}

MemoryTier::EntryRef* MemoryTier::find_live(std::string_view key, WallTime now) {
  const auto found = table_.find(key);
  return found == table_.end() || found->second->deadline <= now ? nullptr : &found->second;
}

Result<void> MemoryTier::make_room(Charge& charge, std::uint64_t bytes, Removals& removed) {
  if (bytes > budget_->limit())
    return fail(Code::too_large, fmt::format("an object that takes {} is more than the memory limit of {}",
                                             to_string(Bytes{bytes}), to_string(Bytes{budget_->limit()})));
  // An entry that somebody holds gives nothing back when it is evicted: it counts as used just now. Each gets that
  // grace once a call, so the loop ends.
  std::size_t graces = table_.size();
  const auto over = [&] { return bytes == 0 && budget_->used() > budget_->limit(); };
  while (over() || !charge.try_grow_to(bytes)) {
    PolicyNode* node = policy_->victim();
    if (node == nullptr || graces == 0) {
      return fail(Code::overloaded, fmt::format("{} of the memory limit of {} are held by readers and writers",
                                                to_string(Bytes{budget_->used()}), to_string(Bytes{budget_->limit()})));
    }
    --graces;
    auto& entry = static_cast<Entry&>(*node);
    const auto found = table_.find(entry.key);
    HOTWELL_ASSERT(found != table_.end());
    if (found->second.use_count() > 1) {
      policy_->hit(entry);
      continue;
    }
    take_out(entry, Cause::capacity, removed);
  }
  return {};
}

void MemoryTier::take_out(Entry& entry, Cause cause, Removals& removed) {
  policy_->removed(entry, cause == Cause::capacity ? Departure::evicted : Departure::erased);
  expiries_.remove(entry.deadline, entry);
  const auto found = table_.find(entry.key);
  HOTWELL_ASSERT(found != table_.end());
  // Gone with its last holder, which is the table unless somebody reads it.
  removed.push_back({entry.key, entry.generation, entry.bytes.size(), Level::memory, cause});
  table_.erase(found);
}

}  // namespace hotwell::cache

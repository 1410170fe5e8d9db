#include "cache/memory/memory_tier.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "cache/memory/holds.hpp"
#include "cache/memory/readers.hpp"

namespace hotwell::cache {
namespace {

// Freeing asks every reader to pass: so many at once make that cheap.
constexpr std::size_t most_waiting = 256;
constexpr std::uint64_t waiting_part = 256;  // of the limit
constexpr std::uint64_t most_waiting_bytes = 4 << 20;

constexpr std::uint64_t part_of_holes = 10;  // of the limit
constexpr int slabs_a_turn = 8;
// Below this there is a slab of each size with a hole.
constexpr std::uint64_t holes_of_all_sizes = 2 << 20;

constexpr auto hits_halve_after = std::chrono::minutes{10};

// A reader that stays in its section this often has lost its processor for long.
constexpr int most_waits = 50;

}  // namespace

MemoryTier::MemoryTier(Bytes limit, std::unique_ptr<EvictionPolicy> policy)
    : budget_(std::make_shared<Budget>(limit.count)),
      policy_(std::move(policy)),
      hits_(policy_->hits()),
      kinds_(budget_, cells_) {
  policy_->set_capacity(limit.count);
}

/// Precondition: nobody looks anything up any more.
MemoryTier::~MemoryTier() {
  auto all = std::move(held_);
  all.insert(all.end(), taken_out_.begin(), taken_out_.end());
  table_.for_each([&](Entry& entry) { all.push_back(&entry); });
  Holds::leave(std::move(all));
}

std::optional<Object> MemoryTier::try_find(std::string_view key, WallTime now, Count misses) {
  std::optional<Object> found;
  const auto hash = base::xxh3_64(key);
  if (const auto place = ThreadPlace::mine(); place != ThreadPlace::none) {
    const Readers::Section reading(place);
    if (Entry* entry = find_live(key, hash, now)) {
      if (hits_ == Hits::marked) policy_->hit(*entry);
      hit_logs_.note(place, *entry);
      fill(found.emplace(), *entry, Holds::in_slot(place, *entry));
    }
  } else {
    const std::lock_guard lock(mutex_);
    if (Entry* entry = find_live(key, hash, now)) {
      policy_->hit(*entry);
      entry->count_hit(period_);
      fill(found.emplace(), *entry, Holds::counted(*entry));
    }
  }
  if (found)
    counters_.hit();
  else if (misses == Count::yes)
    counters_.miss();
  return found;
}

Result<std::optional<Found>> MemoryTier::find(std::string_view key, WallTime now, FindOptions options, Removals&) {
  if (options.count == Count::yes) {
    auto object = try_find(key, now, Count::yes);
    if (!object) return std::nullopt;
    return Found{std::move(*object), 0};
  }
  const std::lock_guard lock(mutex_);
  Entry* entry = find_live(key, base::xxh3_64(key), now);
  if (entry == nullptr) return std::nullopt;
  learn_hits();
  return Found{object_of(*entry), entry->hits(period_)};
}

Result<Object> MemoryTier::put(Details details, const Buffer& bytes, Removals& removed) {
  const auto hash = base::xxh3_64(details.key);
  Entry* entry = make_entry(details, bytes, hash);
  const std::lock_guard lock(mutex_);
  learn_hits();
  if (auto room = make_room(entry->weight, removed); !room) {
    Entry::discard(*entry);
    return std::unexpected(room.error());
  }
  // What the key had goes after the room is made: on an error it stays.
  if (Entry* old = table_.find(details.key, hash)) {
    policy_->replaced(*old, *entry);
    entry->inherit_hits(*old);
    table_.replace(*old, *entry);
    forget(*old, Cause::replaced, removed);
  } else {
    policy_->inserted(*entry);
    if (auto array = table_.insert(*entry, hash)) old_arrays_.push_back(std::move(array));
  }
  entry->set_placed(true);
  cells_->settle(entry, entry->allocated());
  entry->kind().count(1, static_cast<std::int64_t>(entry->weight));
  reclaim_if_much();
  return object_of(*entry);
}

Result<Object> MemoryTier::hold(Details details, const Buffer& bytes, Removals& removed) {
  Entry* entry = make_entry(details, bytes, 0);
  {
    const std::lock_guard lock(mutex_);
    if (auto room = make_room(entry->weight, removed); !room) {
      Entry::discard(*entry);
      return std::unexpected(room.error());
    }
  }
  auto object = object_of(*entry);
  entry->let_go();
  return object;
}

Result<void> MemoryTier::reserve(Charge& charge, std::uint64_t bytes, Removals& removed) {
  if (bytes <= charge.bytes()) return {};
  const std::lock_guard lock(mutex_);
  auto room = make_room(bytes - charge.bytes(), removed);
  if (room) charge.adopt(bytes - charge.bytes());
  return room;
}

Result<bool> MemoryTier::erase(std::string_view key, WallTime now, Removals& removed) {
  const auto hash = base::xxh3_64(key);
  const std::lock_guard lock(mutex_);
  Entry* entry = table_.find(key, hash);
  if (entry == nullptr) return false;
  const bool live = entry->expires() > now;
  take_out(*entry, live ? Cause::erased : Cause::expired, removed);
  reclaim_if_much();
  return live;
}

Result<void> MemoryTier::clear(Removals& removed) {
  const std::lock_guard lock(mutex_);
  table_.for_each([&](Entry& entry) { take_out(entry, Cause::erased, removed); });
  reclaim();
  return {};
}

std::optional<std::uint64_t> MemoryTier::generation(std::string_view key, WallTime now) const {
  const auto hash = base::xxh3_64(key);
  const std::lock_guard lock(mutex_);
  const Entry* entry = find_live(key, hash, now);
  if (entry == nullptr) return std::nullopt;
  return entry->generation();
}

Result<bool> MemoryTier::touch(std::string_view key, WallTime now, WallTime expires) {
  const auto hash = base::xxh3_64(key);
  const std::lock_guard lock(mutex_);
  Entry* entry = find_live(key, hash, now);
  if (entry == nullptr) return false;
  entry->set_expires(expires);
  table_.changed_due(*entry);
  return true;
}

void MemoryTier::for_each(WallTime now, const std::function<bool(const Object&)>& visit) const {
  std::vector<Object> all;
  {
    const std::lock_guard lock(mutex_);
    all.reserve(table_.entries());
    table_.for_each([&](Entry& entry) {
      if (entry.expires() > now) all.push_back(object_of(entry));
    });
  }
  for (const auto& object : all)
    if (!visit(object)) return;
}

void MemoryTier::sweep(WallTime now, Removals& removed) {
  const std::lock_guard lock(mutex_);
  learn_hits();
  period_ = static_cast<std::uint8_t>(now.time_since_epoch() / hits_halve_after);
  table_.each_due(Entry::due_second(now), [&](Entry& entry) {
    if (entry.expires() <= now) take_out(entry, Cause::expired, removed);
  });
  reclaim();
}

void MemoryTier::set_limit(Bytes limit, Removals& removed) {
  const std::lock_guard lock(mutex_);
  budget_->set_limit(limit.count);
  policy_->set_capacity(limit.count);
  // As much of it as readers allow.
  (void)make_room(0, removed);
}

CacheStats::Tier MemoryTier::stats() const {
  CacheStats::Tier stats;
  {
    const std::lock_guard lock(mutex_);
    stats.entries = table_.entries();
    reclaim();
  }
  stats.size = {budget_->used()};
  if (budget_->limit() != 0)
    stats.utilization = static_cast<double>(budget_->used()) / static_cast<double>(budget_->limit());
  counters_.read(stats);
  return stats;
}

Entry* MemoryTier::make_entry(const Details& details, const Buffer& bytes, std::uint64_t key_hash) {
  return Entry::make(details, bytes, kinds_.of(details.content_type, details.type), key_hash);
}

void MemoryTier::fill(Object& object, const Entry& entry, Buffer body) {
  // The body keeps the entry, and with it the texts: no other hold is needed.
  object.key = entry.key();
  object.generation = entry.generation();
  object.content_type = entry.kind().content_type;
  object.type = entry.kind().type;
  object.metadata = entry.metadata();
  object.created = entry.created();
  object.expires = entry.expires();
  object.level = Level::memory;
  object.body.emplace<Buffer>(std::move(body));
}

Object MemoryTier::object_of(Entry& entry) {
  Object object;
  fill(object, entry, Holds::counted(entry));
  return object;
}

Entry* MemoryTier::find_live(std::string_view key, std::uint64_t hash, WallTime now) const {
  Entry* entry = table_.find(key, hash);
  return entry == nullptr || entry->expires() <= now ? nullptr : entry;
}

Result<void> MemoryTier::make_room(std::uint64_t bytes, Removals& removed) {
  const auto limit = budget_->limit();
  if (bytes > limit)
    return fail(Code::too_large, fmt::format("an object that takes {} is more than the memory limit of {}",
                                             to_string(Bytes{bytes}), to_string(Bytes{limit})));
  const auto fits = [&] { return bytes == 0 ? budget_->used() <= limit : budget_->try_take(bytes); };
  // An entry that somebody holds gives nothing back when it is evicted: it is spared. Each gets that grace once a call,
  // so the loop ends.
  std::uint64_t graces = table_.entries();
  bool more = true;
  for (int waits = 0; !fits();) {
    if (release_held()) continue;
    fill_holes(removed);
    const auto used = budget_->used();
    const auto needed = used + bytes - std::min(limit, used + bytes);
    if (more && needed > taken_out_bytes_) {
      // Some more than is needed, so that the next ones find room at once.
      Holds::list(read_now_);
      more = evict(needed + small_part(), bytes, graces, removed);
    }
    if (taken_out_.empty() || (!reclaim() && ++waits == most_waits)) {
      return fail(Code::overloaded, fmt::format("{} of the memory limit of {} are held by readers and writers",
                                                to_string(Bytes{budget_->used()}), to_string(Bytes{limit})));
    }
  }
  return {};
}

bool MemoryTier::evict(std::uint64_t bytes, std::uint64_t incoming, std::uint64_t& graces, Removals& removed) {
  while (taken_out_bytes_ < bytes) {
    PolicyNode* node = graces == 0 ? nullptr : policy_->victim(incoming);
    if (node == nullptr) return false;
    --graces;
    auto& entry = static_cast<Entry&>(*node);
    if (entry.held_by_others() || std::ranges::find(read_now_, &entry) != read_now_.end())
      policy_->spared(entry);
    else
      take_out(entry, Cause::capacity, removed);
  }
  return true;
}

void MemoryTier::fill_holes(Removals& removed) {
  const auto most = std::max(holes_of_all_sizes, budget_->limit() / part_of_holes);
  for (int slabs = 0; slabs < slabs_a_turn && cells_->holes() > most; ++slabs) {
    cells_->sparsest(sparse_);
    for (void* cell : sparse_) take_out(*static_cast<Entry*>(cell), Cause::capacity, removed);
    if (sparse_.empty() || !reclaim()) return;
  }
}

void MemoryTier::learn_hits() const {
  hit_logs_.drain([&](Entry& entry) {
    if (!entry.placed()) return;
    entry.count_hit(period_);
    if (hits_ == Hits::ordered) policy_->hit(entry);
  });
}

void MemoryTier::take_out(Entry& entry, Cause cause, Removals& removed) {
  policy_->removed(entry, cause == Cause::capacity ? Departure::evicted : Departure::erased);
  table_.erase(entry);
  forget(entry, cause, removed);
}

void MemoryTier::forget(Entry& entry, Cause cause, Removals& removed) {
  removed.push_back({std::string(entry.key()), entry.generation(), entry.bytes().size(), Level::memory, cause});
  entry.set_placed(false);
  cells_->unsettle(&entry, entry.allocated());
  entry.kind().count(-1, -static_cast<std::int64_t>(entry.weight));
  taken_out_.push_back(&entry);
  taken_out_bytes_ += entry.weight;
}

bool MemoryTier::reclaim() const {
  if (!taken_out_.empty() || !old_arrays_.empty()) {
    if (!Readers::passed()) return false;
    // Nobody can note these any more; what was noted must not outlive them.
    learn_hits();
    held_.insert(held_.end(), taken_out_.begin(), taken_out_.end());
    taken_out_.clear();
    taken_out_bytes_ = 0;
    old_arrays_.clear();
  }
  release_held();
  return true;
}

bool MemoryTier::release_held() const {
  if (held_.empty()) return false;
  Holds::list(read_now_);
  const auto gone = std::partition(
      held_.begin(), held_.end(), [&](Entry* entry) { return std::ranges::find(read_now_, entry) != read_now_.end(); });
  if (gone == held_.end()) return false;
  std::for_each(gone, held_.end(), [](Entry* entry) { entry->let_go(); });
  held_.erase(gone, held_.end());
  return true;
}

void MemoryTier::reclaim_if_much() {
  if (taken_out_.size() >= most_waiting || taken_out_bytes_ >= small_part() || !old_arrays_.empty()) reclaim();
}

std::uint64_t MemoryTier::small_part() const noexcept {
  return std::min(budget_->limit() / waiting_part, most_waiting_bytes);
}

}  // namespace hotwell::cache

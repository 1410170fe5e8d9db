#include "cache/disk/disk_tier.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "cache/disk/entry.hpp"

namespace hotwell::cache {
namespace {

constexpr auto hits_half_life = std::chrono::hours{1};
/// Regions whose expired entries one sweep takes out, and that it syncs.
constexpr std::size_t expired_a_sweep = 4;
constexpr std::size_t synced_a_sweep = 4;
/// Values up to this size are copied behind their texts, to be written in one piece.
constexpr std::size_t gathered_up_to = 4 << 10;

}  // namespace

DiskTier::~DiskTier() {
  leaving_ = true;
  if (recovering_.joinable()) recovering_.join();
}

Result<std::optional<Found>> DiskTier::find(std::string_view key, WallTime now, FindOptions options,
                                            Removals& removed) {
  const auto hash = base::xxh3_64(key);
  for (bool expired = false;;) {
    const auto spots = locate(hash);
    for (unsigned i = 0; i < spots.count; ++i) {
      const auto& spot = spots.all[i];
      auto entry = read_entry(spot.region, {spot.slot, spot.expected}, key, now, options.check);
      if (!entry) return std::unexpected(entry.error());
      switch (entry->state) {
        case StoredEntry::State::other: continue;
        case StoredEntry::State::expired: expired = true; continue;
        case StoredEntry::State::damaged: {
          const std::lock_guard writing(writer_);
          drop(spot, hash, key, Cause::damaged, removed);
          continue;
        }
        case StoredEntry::State::whole: {
          Found found{std::move(entry->object), 0};
          if (options.count == Count::yes) {
            counters_.hit();
            const std::lock_guard lock(index_lock_);
            found.hits = index_.hit(hash, spot.place);
            ++spot.region->figures.hits;
          } else {
            const std::lock_guard lock(index_lock_);
            found.hits = index_.hits(hash, spot.place);
          }
          return found;
        }
      }
    }
    if (expired || spots.whole) break;
    wait_for_more(spots.indexed);
  }
  if (options.count == Count::yes) counters_.miss();
  return std::nullopt;
}

std::optional<Found> DiskTier::try_find(std::string_view key, WallTime now, unsigned most_hits) {
  const auto hash = base::xxh3_64(key);
  const auto spots = locate(hash);
  for (unsigned i = 0; i < spots.count; ++i) {
    const auto& spot = spots.all[i];
    auto entry = read_entry(spot.region, {spot.slot, spot.expected, Waits::no}, key, now, Check::later);
    if (!entry) return std::nullopt;
    if (entry->state == StoredEntry::State::other) continue;
    if (entry->state != StoredEntry::State::whole) return std::nullopt;
    const std::lock_guard lock(index_lock_);
    if (index_.hits(hash, spot.place) >= most_hits) return std::nullopt;
    counters_.hit();
    ++spot.region->figures.hits;
    return Found{std::move(entry->object), index_.hit(hash, spot.place)};
  }
  return std::nullopt;
}

Result<Object> DiskTier::put(Details details, const Buffer& bytes, Removals& removed) {
  if (!holds(details, bytes.size()))
    return fail(Code::too_large, fmt::format("an object of {} is more than the disk tier holds in one piece",
                                             to_string(Bytes{bytes.size()})));
  const auto hash = base::xxh3_64(details.key);
  const auto head = head_of(details, hash, bytes.size()).value();
  std::string texts;
  append_texts(details, texts);

  const std::lock_guard writing(writer_);
  if (auto paid = pay_debts(); !paid) return std::unexpected(paid.error());
  if (auto room = ensure_room(head.units(), details.created, removed); !room) return std::unexpected(room.error());
  auto old = find_exact(details.key, hash);
  if (!old) return std::unexpected(old.error());
  if (!*old) make_a_candidate_leave(hash, removed);
  auto spot = append(head, texts, bytes.view());
  if (!spot) return std::unexpected(spot.error());
  stored_ += head.units() * unit;
  {
    const std::lock_guard lock(index_lock_);
    if (*old) {
      index_.move(hash, (*old)->spot.place, {spot->place, head.units()}, 0);
      count_dead((*old)->spot, (*old)->head.units());
    } else {
      HOTWELL_ASSERT(index_.insert(hash, {spot->place, head.units()}));
    }
  }
  if (*old) {
    kill((*old)->spot);
    const bool live = (*old)->head.expires > details.created;
    removed.push_back({details.key, (*old)->head.generation, (*old)->head.value_size, Level::disk,
                       live ? Cause::replaced : Cause::expired});
  }
  return Description::object(describe(std::move(details)), Level::disk, bytes);
}

Result<bool> DiskTier::erase(std::string_view key, WallTime now, Removals& removed) {
  const auto hash = base::xxh3_64(key);
  const std::lock_guard writing(writer_);
  if (auto paid = pay_debts(); !paid) return std::unexpected(paid.error());
  auto known = find_exact(key, hash);
  if (!known) return std::unexpected(known.error());
  if (!*known) return false;
  const auto& [spot, head] = **known;
  if (auto killed = spot.region->kill(spot.slot); !killed) return std::unexpected(killed.error());
  ++overhead_;
  {
    const std::lock_guard lock(index_lock_);
    index_.erase(hash, spot.place);
    count_dead(spot, head.units());
  }
  const bool live = head.expires > now;
  removed.push_back(
      {std::string(key), head.generation, head.value_size, Level::disk, live ? Cause::erased : Cause::expired});
  return live;
}

Result<void> DiskTier::clear(Removals& removed) {
  const std::lock_guard writing(writer_);
  active_.reset();
  for (std::size_t number = 0; number < regions_.size(); ++number)
    if (regions_[number])
      if (auto gone = evict(number, WallTime::min(), Cause::erased, removed); !gone) return gone;
  return {};
}

std::optional<std::uint64_t> DiskTier::generation(std::string_view key, WallTime now) const {
  const auto hash = base::xxh3_64(key);
  for (;;) {
    const auto indexed = [&]() -> std::optional<std::size_t> {
      const std::lock_guard lock(index_lock_);
      return whole_.load(std::memory_order_relaxed) ? std::nullopt : std::optional(indexed_);
    }();
    const auto known = find_exact(key, hash);
    if (!known) return std::nullopt;
    if (*known) return (*known)->head.expires <= now ? std::nullopt : std::optional((*known)->head.generation);
    if (!indexed) return std::nullopt;
    wait_for_more(*indexed);
  }
}

Result<bool> DiskTier::touch(std::string_view key, WallTime now, WallTime expires) {
  const auto hash = base::xxh3_64(key);
  const std::lock_guard writing(writer_);
  if (auto paid = pay_debts(); !paid) return std::unexpected(paid.error());
  auto known = find_exact(key, hash);
  if (!known) return std::unexpected(known.error());
  if (!*known || (*known)->head.expires <= now) return false;
  // The entry is written anew: bytes of the log never change. Room for it may cost a region, so it is sought again.
  if (auto room = ensure_room((*known)->head.units(), now, untold_); !room) return std::unexpected(room.error());
  known = find_exact(key, hash);
  if (!known) return std::unexpected(known.error());
  if (!*known) return false;
  const auto& old = **known;
  auto content = read_content(*old.spot.region, old.spot.slot, old.head);
  if (!content) return std::unexpected(content.error());
  if (!*content) return fail(Code::io, fmt::format("the stored bytes of \"{}\" are damaged", key));
  auto head = old.head;
  head.expires = expires;
  const ByteView whole = **content;
  auto spot =
      append(head, whole.subview(0, head.texts_size()).text(), whole.subview(head.texts_size(), head.value_size));
  if (!spot) return std::unexpected(spot.error());
  {
    const std::lock_guard lock(index_lock_);
    index_.move(hash, old.spot.place, {spot->place, head.units()}, index_.hits(hash, old.spot.place));
    count_dead(old.spot, head.units());
  }
  kill(old.spot);
  return true;
}

void DiskTier::for_each(WallTime now, const std::function<bool(const Object&)>& visit) const {
  const auto count = [&] {
    const std::lock_guard lock(index_lock_);
    return regions_.size();
  }();
  for (std::size_t number = 0; number < count; ++number) {
    std::shared_ptr<Region> region;
    std::vector<IndexItem> items;
    {
      const std::lock_guard writing(writer_);
      const std::lock_guard lock(index_lock_);
      region = regions_[number];
    }
    if (!region) continue;
    {
      const std::lock_guard writing(writer_);
      auto all = region->items();
      if (!all) continue;
      items = std::move(*all);
    }
    for (const auto& item : items) {
      {
        const std::lock_guard lock(index_lock_);
        if (regions_[number] != region) break;
        if (item.expires <= now || !index_.contains(item.hash, place_of(number, item.slot))) continue;
      }
      const auto details = read_details(*region, item.slot);
      if (!details) continue;
      if (!visit(Description::object(describe(std::move(details->details)), Level::disk,
                                     FileSlice{nullptr, 0, details->head.value_size})))
        return;
    }
  }
}

void DiskTier::sweep(WallTime now, Removals& removed) {
  {
    const std::lock_guard writing(writer_);
    removed.insert(removed.end(), untold_.begin(), untold_.end());
    untold_.clear();
    if (auto paid = pay_debts(); !paid)
      base::log().warn("the cache cannot mark entries as deleted: {}", to_string(paid.error()));
    if (now >= next_ageing_) {
      const std::lock_guard lock(index_lock_);
      if (next_ageing_ != WallTime{}) {
        index_.age();
        for (const auto& region : regions_)
          if (region) region->figures.hits /= 2;
      }
      next_ageing_ = now + hits_half_life;
    }
    std::vector<std::pair<WallTime, std::size_t>> due;
    for (std::size_t number = 0; number < regions_.size(); ++number) {
      const auto& region = regions_[number];
      if (!region) continue;
      if (region != active_ && (region->figures.live_bytes == 0 || region->figures.latest_expiry <= now)) {
        if (auto gone = evict(number, now, Cause::capacity, removed); !gone)
          base::log().warn("the cache cannot free a region: {}", to_string(gone.error()));
      } else if (region->earliest_expiry <= now) {
        due.emplace_back(region->earliest_expiry, number);
      }
    }
    std::sort(due.begin(), due.end());
    if (due.size() > expired_a_sweep) due.resize(expired_a_sweep);
    for (const auto& [when, number] : due) expire(number, now, removed);
  }
  if (auto synced = sync_regions(Which::sealed); !synced)
    base::log().warn("the cache cannot sync a region: {}", to_string(synced.error()));
}

void DiskTier::set_limit(Bytes limit, Removals& removed) {
  const std::lock_guard writing(writer_);
  budget_->set_limit(usable(limit).count);
  while (budget_->used() > budget_->limit()) {
    if (!victim(WallTime::min())) active_.reset();
    if (auto gone = evict_one(WallTime::min(), removed); !gone) return;
  }
}

CacheStats::Tier DiskTier::stats() const {
  CacheStats::Tier stats;
  {
    const std::lock_guard lock(index_lock_);
    stats.entries = index_.size();
    stats.size = {live_bytes_};
  }
  if (const auto limit = budget_->limit(); limit != 0)
    stats.utilization = static_cast<double>(stats.size.count) / static_cast<double>(limit);
  counters_.read(stats);
  return stats;
}

bool DiskTier::holds(const Details& details, std::uint64_t size) const {
  const auto head = head_of(details, 0, size);
  return head && budget_->limit() >= region_size_ && RegionShape{region_size_}.fits(1, 0, head->units());
}

Result<void> DiskTier::sync() {
  {
    const std::lock_guard writing(writer_);
    if (auto paid = pay_debts(); !paid) return paid;
  }
  return sync_regions(Which::all);
}

void DiskTier::forget_hits(std::string_view key) {
  const auto hash = base::xxh3_64(key);
  const auto known = find_exact(key, hash);
  if (!known || !*known) return;
  const std::lock_guard lock(index_lock_);
  index_.forget_hits(hash, (*known)->spot.place);
}

DiskTraffic DiskTier::traffic() const {
  DiskTraffic traffic{stored_, reinserted_, 0};
  traffic.written = traffic.stored + traffic.reinserted + overhead_;
  return traffic;
}

std::uint64_t DiskTier::index_memory() const {
  const std::lock_guard lock(index_lock_);
  return index_.memory();
}

DiskTier::Spot DiskTier::resolve(Place place) const {
  const auto number = place >> slot_bits_;
  return {regions_[number], static_cast<std::uint32_t>(place & ((Place{1} << slot_bits_) - 1)), place};
}

DiskTier::Spots DiskTier::locate(std::uint64_t hash) const {
  Spots spots;
  const std::lock_guard lock(index_lock_);
  for (const auto& found : index_.find(hash)) {
    auto& spot = spots.all[spots.count++];
    spot = resolve(found.place);
    spot.expected = found.most_units * unit;
  }
  spots.whole = whole_.load(std::memory_order_relaxed);
  spots.indexed = indexed_;
  return spots;
}

Result<std::optional<DiskTier::Known>> DiskTier::find_exact(std::string_view key, std::uint64_t hash) const {
  const auto spots = locate(hash);
  for (unsigned i = 0; i < spots.count; ++i) {
    auto head = read_head_of(*spots.all[i].region, spots.all[i].slot, key);
    if (!head) return std::unexpected(head.error());
    if (*head) return Known{spots.all[i], **head};
  }
  return std::nullopt;
}

void DiskTier::count_dead(const Spot& spot, std::uint64_t units) {
  live_bytes_ -= units * unit;
  spot.region->figures.live_bytes -= units * unit;
}

Result<void> DiskTier::pay_debts() {
  while (!debts_.empty()) {
    if (auto killed = debts_.back().region->kill(debts_.back().slot); !killed) return killed;
    ++overhead_;
    debts_.pop_back();
  }
  return {};
}

void DiskTier::kill(const Spot& spot) {
  ++overhead_;
  if (!spot.region->kill(spot.slot)) debts_.push_back({spot.region, spot.slot});
}

void DiskTier::drop(const Spot& spot, std::uint64_t hash, std::string_view key, Cause cause, Removals& removed) {
  EntryHead head;
  if (auto known = read_details(*spot.region, spot.slot)) head = known->head;
  {
    const std::lock_guard lock(index_lock_);
    if (!index_.contains(hash, spot.place) || resolve(spot.place).region != spot.region) return;
    index_.erase(hash, spot.place);
    // How long a damaged entry was is not always known: its region's figures err a little.
    count_dead(spot, std::min(head.units(), spot.region->figures.live_bytes / unit));
  }
  kill(spot);
  if (cause == Cause::damaged)
    base::log().warn("the cache drops \"{}\": what {} has of it is damaged", key, spot.region->path().string());
  removed.push_back({std::string(key), head.generation, head.value_size, Level::disk, cause});
}

void DiskTier::make_a_candidate_leave(std::uint64_t hash, Removals& removed) {
  const auto spots = locate(hash);
  if (spots.count < DiskIndex::most_candidates) return;
  const auto details = read_details(*spots.all[0].region, spots.all[0].slot);
  drop(spots.all[0], hash, details ? details->details.key : std::string(), Cause::capacity, removed);
}

Result<DiskTier::Spot> DiskTier::append(EntryHead head, std::string_view texts, ByteView value) {
  const bool in_one = value.size() <= gathered_up_to;
  const auto salt = active_->header().salt;
  std::string& front = scratch_;
  front.assign(unit, '\0').append(texts);
  if (in_one) front.append(value.text());
  const auto behind = std::string_view(front).substr(unit);
  if (in_one) {
    head.checksum = base::xxh3_64(behind, salt);
  } else {
    base::Xxh3 sum(salt);
    sum.add(behind);
    sum.add(value);
    head.checksum = sum.value();
  }
  front.replace(0, unit, encode(head, salt));

  auto appended = active_->append(head, front, in_one ? ByteView{} : value);
  const Spot spot{active_, appended.slot, place_of(active_number_, appended.slot)};
  if (!appended.written) {
    kill(spot);
    return std::unexpected(appended.written.error());
  }
  const std::lock_guard lock(index_lock_);
  auto& figures = active_->figures;
  const auto bytes = head.units() * unit;
  live_bytes_ += bytes;
  figures.live_bytes += bytes;
  figures.stored_bytes += bytes;
  figures.latest_expiry = std::max(figures.latest_expiry, head.expires);
  active_->earliest_expiry = std::min(active_->earliest_expiry, head.expires);
  return spot;
}

Result<void> DiskTier::sync_regions(Which which) {
  std::vector<std::pair<std::shared_ptr<Region>, std::uint64_t>> dirty;
  bool names = false;
  {
    const std::lock_guard writing(writer_);
    for (const auto& region : regions_) {
      if (!region || region->synced_writes() == region->writes()) continue;
      // In passing only what was sealed since it was last synced; whole, when it was asked for.
      if (which == Which::sealed && (region == active_ || region->synced_writes() >= region->sealed_at())) continue;
      dirty.emplace_back(region, region->writes());
      if (which == Which::sealed && dirty.size() == synced_a_sweep) break;
    }
    names = !names_synced_;
    if (which == Which::all || !dirty.empty()) names_synced_ = true;
  }
  Result<void> done;
  for (const auto& [region, writes] : dirty) {
    done = disk_.sync(*region->file());
    if (!done) break;
    const std::lock_guard writing(writer_);
    region->set_synced(writes);
  }
  if (done && names && (which == Which::all || !dirty.empty())) done = disk_.sync_directory(options_.directory);
  if (!done) {
    const std::lock_guard writing(writer_);
    names_synced_ = false;
  }
  return done;
}

}  // namespace hotwell::cache

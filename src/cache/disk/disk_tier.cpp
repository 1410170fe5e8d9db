#include "cache/disk/disk_tier.hpp"

#include <algorithm>
#include <random>

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
/// Of all that is written, at most one byte in so many saves an entry from an eviction.
constexpr std::uint64_t reinserted_share = 5;

std::uint64_t random_salt() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

}  // namespace

DiskTier::~DiskTier() = default;

Result<std::optional<Found>> DiskTier::find(std::string_view key, WallTime now, FindOptions options,
                                            Removals& removed) {
  const auto hash = base::xxh3_64(key);
  const auto spots = locate(hash);
  for (unsigned i = 0; i < spots.count; ++i) {
    const auto& spot = spots.all[i];
    auto entry = read_entry(spot.region, spot.slot, key, now, options.check);
    if (!entry) return std::unexpected(entry.error());
    switch (entry->state) {
      case StoredEntry::State::other: continue;
      case StoredEntry::State::expired: break;
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
  if (options.count == Count::yes) counters_.miss();
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
      index_.move(hash, (*old)->spot.place, spot->place, 0);
      count_dead((*old)->spot, (*old)->head.units());
    } else {
      HOTWELL_ASSERT(index_.insert(hash, spot->place));
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
  const auto known = find_exact(key, base::xxh3_64(key));
  if (!known || !*known || (*known)->head.expires <= now) return std::nullopt;
  return (*known)->head.generation;
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
    index_.move(hash, old.spot.place, spot->place, index_.hits(hash, old.spot.place));
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
  for (const auto place : index_.find(hash)) spots.all[spots.count++] = resolve(place);
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

Result<void> DiskTier::ensure_room(std::uint64_t units, WallTime now, Removals& removed) {
  if (active_ && active_->fits(units)) return {};
  seal_active();
  return open_region(now, removed);
}

void DiskTier::seal_active() {
  if (!active_) return;
  // One that cannot be sealed is found by scanning it.
  if (auto sealed = active_->seal(); !sealed)
    base::log().warn("the cache cannot write the index of {}: {}", active_->path().string(), to_string(sealed.error()));
  overhead_ += active_->shape().footer_offset() - active_->shape().index_offset(active_->appended());
  active_.reset();
}

Result<void> DiskTier::open_region(WallTime now, Removals& removed) {
  const auto charge = std::make_shared<Charge>(budget_);
  for (int rounds = 0;; ++rounds) {
    while (!charge->try_grow_to(region_size_))
      if (auto gone = evict_one(now, removed); !gone) return gone;
    auto region = Region::create(disk_, options_.directory, {next_id_, region_size_, random_salt()}, charge);
    if (region) {
      ++next_id_;
      names_synced_ = false;
      active_ = std::move(*region);
      break;
    }
    // The file system is fuller than the limit says: older objects make room, but not all of them.
    if (rounds == 3 || region.error().code != Code::disk_full || !evict_one(now, removed))
      return std::unexpected(region.error());
  }
  {
    const std::lock_guard lock(index_lock_);
    auto free = std::find(regions_.begin(), regions_.end(), nullptr);
    if (free == regions_.end()) free = regions_.insert(free, nullptr);
    *free = active_;
    active_number_ = static_cast<std::size_t>(free - regions_.begin());
  }
  // The next region's room is made now, while there is one into which what is hot can be saved.
  while (budget_->used() + region_size_ > budget_->limit() && victim(now))
    if (auto gone = evict_one(now, removed); !gone) {
      base::log().warn("the cache cannot free a region: {}", to_string(gone.error()));
      break;
    }
  return {};
}

Result<DiskTier::Spot> DiskTier::append(EntryHead head, std::string_view texts, ByteView value) {
  std::string& front = scratch_;
  front.assign(unit, '\0');
  front.append(texts);
  const bool in_one = value.size() <= (64 << 10);
  if (in_one) front.append(value.text());
  const auto behind = std::string_view(front).substr(unit);
  const auto salt = active_->header().salt;
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

std::optional<std::size_t> DiskTier::victim(WallTime now) const {
  std::vector<RegionFigures> figures;
  std::vector<std::size_t> numbers;
  const std::lock_guard lock(index_lock_);
  for (std::size_t number = 0; number < regions_.size(); ++number) {
    if (!regions_[number] || regions_[number] == active_) continue;
    figures.push_back(regions_[number]->figures);
    numbers.push_back(number);
  }
  const auto chosen = choose_victim(figures, next_id_ - 1, now);
  return chosen ? std::optional(numbers[*chosen]) : std::nullopt;
}

Result<void> DiskTier::evict_one(WallTime now, Removals& removed) {
  const auto chosen = victim(now);
  if (!chosen)
    return fail(Code::overloaded, fmt::format("{} of the disk limit of {} are held by readers",
                                              to_string(Bytes{budget_->used()}), to_string(Bytes{budget_->limit()})));
  return evict(*chosen, now, Cause::capacity, removed);
}

Result<void> DiskTier::evict(std::size_t number, WallTime now, Cause cause, Removals& removed) {
  const auto region = regions_[number];
  auto items = region->items();
  if (items && cause == Cause::capacity && active_) save_hot(number, *items, now);
  if (auto gone = disk_.remove(region->path()); !gone && gone.error().code != Code::not_found) return gone;
  names_synced_ = false;
  std::erase_if(debts_, [&](const Death& death) { return death.region == region; });

  std::vector<IndexItem> left;
  {
    const std::lock_guard lock(index_lock_);
    if (items) {
      for (const auto& item : *items) {
        const auto place = place_of(number, item.slot);
        if (!index_.contains(item.hash, place)) continue;
        index_.erase(item.hash, place);
        left.push_back(item);
      }
    } else {
      index_.erase_between(place_of(number, 0), place_of(number + 1, 0));
    }
    live_bytes_ -= region->figures.live_bytes;
    regions_[number].reset();
  }
  if (cause == Cause::capacity && !tells_evictions()) {
    for (const auto& item : left)
      removed.push_back({.level = Level::disk, .cause = Cause::capacity, .digest = item.hash});
    return {};
  }
  for (const auto& item : left)
    if (auto known = read_details(*region, item.slot))
      removed.push_back({std::move(known->details.key), known->head.generation, known->head.value_size, Level::disk,
                         cause == Cause::capacity && item.expires <= now ? Cause::expired : cause});
  return {};
}

void DiskTier::save_hot(std::size_t number, const std::vector<IndexItem>& items, WallTime now) {
  const auto region = regions_[number];
  std::vector<std::pair<unsigned, IndexItem>> hot;
  {
    const std::lock_guard lock(index_lock_);
    for (const auto& item : items)
      if (const auto hits = index_.hits(item.hash, place_of(number, item.slot)); hits != 0 && item.expires > now)
        hot.emplace_back(hits, item);
  }
  std::sort(hot.begin(), hot.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [hits, item] : hot) {
    const auto bytes = item.units * unit;
    if (!active_->fits(item.units) || (reinserted_ + bytes) * reinserted_share > stored_ + reinserted_) return;
    const auto head = read_head_of(*region, item.slot);
    if (!head || !*head) continue;
    const auto content = read_content(*region, item.slot, **head);
    if (!content || !*content) continue;
    const ByteView whole = **content;
    const Spot from{region, item.slot, place_of(number, item.slot)};
    auto to = append(**head, whole.subview(0, (*head)->texts_size()).text(),
                     whole.subview((*head)->texts_size(), (*head)->value_size));
    if (!to) return;
    reinserted_ += bytes;
    {
      const std::lock_guard lock(index_lock_);
      // Anew: it has to be asked for again to be saved a second time.
      index_.move(item.hash, from.place, to->place, 0);
      count_dead(from, item.units);
    }
    kill(from);
  }
}

void DiskTier::expire(std::size_t number, WallTime now, Removals& removed) {
  const auto region = regions_[number];
  const auto items = region->items();
  if (!items) return;
  auto earliest = WallTime::max();
  auto latest = WallTime::min();
  for (const auto& item : *items) {
    const Spot spot{region, item.slot, place_of(number, item.slot)};
    {
      const std::lock_guard lock(index_lock_);
      if (!index_.contains(item.hash, spot.place)) continue;
    }
    if (item.expires > now || !region->kill(item.slot)) {
      earliest = std::min(earliest, item.expires);
      latest = std::max(latest, item.expires);
      continue;
    }
    ++overhead_;
    {
      const std::lock_guard lock(index_lock_);
      index_.erase(item.hash, spot.place);
      count_dead(spot, item.units);
    }
    if (auto known = read_details(*region, item.slot))
      removed.push_back(
          {std::move(known->details.key), known->head.generation, known->head.value_size, Level::disk, Cause::expired});
  }
  const std::lock_guard lock(index_lock_);
  region->earliest_expiry = earliest;
  region->figures.latest_expiry = latest;
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

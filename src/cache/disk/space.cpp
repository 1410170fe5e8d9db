/// How the disk tier makes room: a region is opened and sealed, and the one worth least goes, with what was asked for
/// of it saved. Everything here is under the writer's lock.
#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "base/log.hpp"
#include "cache/disk/disk_tier.hpp"
#include "cache/disk/entry.hpp"

namespace hotwell::cache {
namespace {

/// Of all that is written, at most one byte in so many saves an entry from an eviction.
constexpr std::uint64_t reinserted_share = 5;

std::uint64_t random_salt() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

}  // namespace

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
      index_.move(item.hash, from.place, {to->place, item.units}, 0);
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

}  // namespace hotwell::cache

/// How the disk tier finds its entries again: the index of each sealed region is read, one that was never sealed is
/// scanned. Regions go from the youngest to the oldest and each from its end, so of two entries with one key the one
/// met first is the younger; the other was replaced by a process that died before it had killed it, and is killed now.
#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "cache/disk/disk_tier.hpp"
#include "cache/disk/entry.hpp"

namespace hotwell::cache {
namespace {

constexpr std::uint64_t usual_region = 16 << 20;
constexpr std::uint64_t fewest_regions = 8;
constexpr std::uint64_t most_regions = 512;

std::uint64_t region_size_for(std::uint64_t limit) {
  auto size = usual_region;
  while (size > smallest_region && size * fewest_regions > limit) size /= 2;
  while (size < largest_region && size * most_regions < limit) size *= 2;
  return size;
}

unsigned bits_of(std::uint64_t slots) { return static_cast<unsigned>(std::bit_width(slots - 1)); }

}  // namespace

Bytes DiskTier::usable(Bytes limit) const {
  const auto most = (std::uint64_t{1} << (DiskIndex::place_bits - slot_bits_)) - 1;
  return {std::min(limit.count, most * region_size_)};
}

DiskTier::DiskTier(host::Disk& disk, DiskOptions options)
    : disk_(disk),
      options_(std::move(options)),
      region_size_(options_.region_size != 0 ? options_.region_size : region_size_for(options_.limit.count)),
      budget_(std::make_shared<Budget>(options_.limit.count)) {}

Result<std::unique_ptr<DiskTier>> DiskTier::open(host::Disk& disk, DiskOptions options, WallTime now) {
  auto tier = std::unique_ptr<DiskTier>(new DiskTier(disk, std::move(options)));
  if (auto recovered = tier->recover(now); !recovered) return std::unexpected(recovered.error());
  return tier;
}

Result<void> DiskTier::recover(WallTime now) {
  if (auto made = disk_.make_directory(options_.directory); !made) return made;
  auto entries = disk_.list(options_.directory);
  if (!entries) return std::unexpected(entries.error());
  std::vector<std::uint64_t> ids;
  for (const auto& entry : *entries)
    if (const auto id = region_id_of(entry.name)) ids.push_back(*id);
  std::sort(ids.rbegin(), ids.rend());
  if (!ids.empty()) next_id_ = ids.front() + 1;

  std::vector<Region::Opened> opened;
  std::vector<std::filesystem::path> unreadable;
  for (const auto id : ids) {
    const auto path = options_.directory / region_name(id);
    auto region = Region::open(disk_, path, budget_);
    if (region) {
      if (region->damaged) {
        ++recovery_.damaged;
        base::log().warn("the index of {} is damaged: its entries were looked for one by one", path.string());
      }
      opened.push_back(std::move(*region));
    } else if (region.error().code == Code::invalid_argument || region.error().code == Code::denied) {
      return fail(region.error().code, fmt::format("{}: {}", path.string(), region.error().message));
    } else {
      base::log().warn("the cache drops {}: {}", path.string(), to_string(region.error()));
      unreadable.push_back(path);
    }
  }
  // Only now: before a region of an unknown version nothing is touched.
  for (const auto& path : unreadable) {
    if (auto gone = disk_.remove(path); !gone)
      return fail(Code::io, fmt::format("{} is damaged and cannot be removed", path.string()), gone.error());
    ++recovery_.left_overs;
  }

  auto largest = region_size_;
  for (const auto& one : opened) largest = std::max(largest, one.region->header().size);
  slot_bits_ = bits_of(largest / unit);
  budget_->set_limit(usable(options_.limit).count);

  const std::lock_guard writing(writer_);
  index_recovered(opened);
  if (auto paid = pay_debts(); !paid) return paid;
  // The youngest is written on where it was not full.
  if (!opened.empty() && !opened.front().region->sealed() && !opened.front().damaged &&
      opened.front().region->header().size == region_size_) {
    active_ = opened.front().region;
    active_number_ = 0;
  }
  opened.clear();
  Removals removed;
  for (std::size_t number = 0; number < regions_.size(); ++number)
    if (regions_[number]->earliest_expiry <= now) expire(number, now, removed);
  recovery_.objects = index_.size();
  // The limit may be lower than it was.
  while (budget_->used() > budget_->limit()) {
    if (!victim(now)) active_.reset();
    if (auto gone = evict_one(now, removed); !gone) return gone;
  }
  return {};
}

void DiskTier::index_recovered(const std::vector<Region::Opened>& opened) {
  std::uint64_t entries = 0;
  for (const auto& one : opened) entries += one.items.size();
  const std::lock_guard lock(index_lock_);
  index_.reserve(entries);
  const auto hash_at = [&](Place place) {
    const auto& items = opened[place >> slot_bits_].items;
    const auto slot = static_cast<std::uint32_t>(place & ((Place{1} << slot_bits_) - 1));
    return std::lower_bound(items.begin(), items.end(), slot,
                            [](const IndexItem& item, std::uint32_t wanted) { return item.slot < wanted; })
        ->hash;
  };
  for (std::size_t number = 0; number < opened.size(); ++number) {
    const auto& [region, items, damaged] = opened[number];
    regions_.push_back(region);
    recovery_.last_generation = std::max(recovery_.last_generation, region->last_generation());
    auto& figures = region->figures;
    figures.latest_expiry = WallTime::min();
    for (auto item = items.rbegin(); item != items.rend(); ++item) {
      const auto bytes = item->units * unit;
      figures.stored_bytes += bytes;
      const auto candidates = index_.find(item->hash);
      const bool replaced =
          std::any_of(candidates.begin(), candidates.end(), [&](Place place) { return hash_at(place) == item->hash; });
      if (replaced || !index_.insert(item->hash, place_of(number, item->slot))) {
        debts_.push_back({region, item->slot});
        continue;
      }
      live_bytes_ += bytes;
      figures.live_bytes += bytes;
      figures.latest_expiry = std::max(figures.latest_expiry, item->expires);
      region->earliest_expiry = std::min(region->earliest_expiry, item->expires);
    }
  }
}

}  // namespace hotwell::cache

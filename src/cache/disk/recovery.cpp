/// How the disk tier finds its entries again: the index of each sealed region is read, one that was never sealed is
/// scanned. Regions go from the youngest to the oldest and each from its end, so of two entries with one key the one
/// met first is the younger; the other was replaced by a process that died before it had killed it, and is killed now.
///
/// So what a look-up finds meanwhile is right, and only what it does not find must wait until all is found. Whoever
/// changes something waits for the writer's lock, which is held from the first moment on.
#include <algorithm>
#include <bit>
#include <future>

#include <fmt/format.h>

#include "base/log.hpp"
#include "cache/disk/disk_tier.hpp"
#include "cache/disk/entry.hpp"
#include "host/thread.hpp"

namespace hotwell::cache {
namespace {

constexpr std::uint64_t usual_region = 16 << 20;
constexpr std::uint64_t fewest_regions = 8;
constexpr std::uint64_t most_regions = 512;
constexpr std::size_t indexed_in_turn = 1024;

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
  if (auto found = tier->find_regions(); !found) return std::unexpected(found.error());
  if (tier->options_.opens == Opens::whole) {
    const std::lock_guard writing(tier->writer_);
    if (auto recovered = tier->recover(now); !recovered) return std::unexpected(recovered.error());
    return tier;
  }
  std::promise<void> locked;
  tier->recovering_ = host::quiet_thread("hotwell-recover", [&locked, now, self = tier.get()] {
    const std::lock_guard writing(self->writer_);
    locked.set_value();
    if (auto recovered = self->recover(now); !recovered)
      base::log().warn("the cache could not tidy up what it found: {}", to_string(recovered.error()));
  });
  // Whoever changes something waits for the lock from now on.
  locked.get_future().wait();
  return tier;
}

Result<void> DiskTier::find_regions() {
  if (auto made = disk_.make_directory(options_.directory); !made) return made;
  auto entries = disk_.list(options_.directory);
  if (!entries) return std::unexpected(entries.error());
  std::vector<std::uint64_t> ids;
  for (const auto& entry : *entries)
    if (const auto id = region_id_of(entry.name)) ids.push_back(*id);
  std::sort(ids.rbegin(), ids.rend());
  if (!ids.empty()) next_id_ = ids.front() + 1;

  std::vector<std::filesystem::path> unreadable;
  for (const auto id : ids) {
    const auto path = options_.directory / region_name(id);
    auto region = Region::open(disk_, path, budget_);
    if (region) {
      recovery_.last_generation = std::max(recovery_.last_generation, (*region)->last_generation());
      regions_.push_back(std::move(*region));
    } else if (region.error().code == Code::invalid_argument || region.error().code == Code::denied) {
      return fail(region.error().code, fmt::format("{}: {}", path.string(), region.error().message));
    } else {
      base::log().warn("the cache drops {}: {}", path.string(), to_string(region.error()));
      unreadable.push_back(path);
    }
  }
  // Only now: before a region of an unknown version nothing is touched.
  for (const auto& path : unreadable)
    if (auto dropped = drop_file(path); !dropped) return dropped;

  auto largest = region_size_;
  std::uint64_t expected = 0;
  for (const auto& region : regions_) {
    largest = std::max(largest, region->header().size);
    expected += region->appended();
  }
  slot_bits_ = bits_of(largest / unit);
  budget_->set_limit(usable(options_.limit).count);
  index_.reserve(expected);
  // The one that was written last is not sealed: only scanning it tells the highest generation.
  if (!regions_.empty() && !regions_.front()->sealed())
    if (auto indexed = index_region(0); !indexed) return indexed;
  return {};
}

Result<void> DiskTier::drop_file(const std::filesystem::path& path) {
  if (auto gone = disk_.remove(path); !gone)
    return fail(Code::io, fmt::format("{} is damaged and cannot be removed", path.string()), gone.error());
  ++recovery_.left_overs;
  return {};
}

Result<void> DiskTier::recover(WallTime now) {
  Result<void> done;
  for (auto number = indexed_; number < regions_.size() && !leaving_.load(std::memory_order_relaxed); ++number)
    if (auto indexed = index_region(number); !indexed && done) done = indexed;
  if (leaving_.load(std::memory_order_relaxed)) return {};
  if (auto paid = pay_debts(); !paid && done) done = paid;
  Removals removed;
  for (std::size_t number = 0; number < regions_.size(); ++number)
    if (regions_[number] && regions_[number]->earliest_expiry <= now) expire(number, now, removed);
  // The limit may be lower than it was.
  while (done && budget_->used() > budget_->limit()) {
    if (!victim(now)) active_.reset();
    done = evict_one(now, removed);
  }
  const std::lock_guard lock(index_lock_);
  recovery_.objects = index_.size();
  whole_.store(true, std::memory_order_release);
  found_more_.notify_all();
  return done;
}

Result<void> DiskTier::index_region(std::size_t number) {
  const auto region = regions_[number];
  auto loaded = region->load();
  if (!loaded) {
    base::log().warn("the cache drops {}: {}", region->path().string(), to_string(loaded.error()));
    auto dropped = drop_file(region->path());
    const std::lock_guard lock(index_lock_);
    regions_[number].reset();
    indexed_ = number + 1;
    return dropped;
  }
  const auto& items = loaded->items;
  auto& figures = region->figures;
  figures.latest_expiry = WallTime::min();
  for (auto item = items.rbegin(); item != items.rend();) {
    // Look-ups get their turn in between.
    const std::lock_guard lock(index_lock_);
    for (std::size_t in_turn = 0; in_turn < indexed_in_turn && item != items.rend(); ++in_turn, ++item) {
      const auto bytes = item->units * unit;
      figures.stored_bytes += bytes;
      if (replaced(*item) || !index_.insert(item->hash, {place_of(number, item->slot), item->units})) {
        debts_.push_back({region, item->slot});
        continue;
      }
      live_bytes_ += bytes;
      figures.live_bytes += bytes;
      figures.latest_expiry = std::max(figures.latest_expiry, item->expires);
      region->earliest_expiry = std::min(region->earliest_expiry, item->expires);
    }
  }
  const std::lock_guard lock(index_lock_);
  if (loaded->damaged) {
    ++recovery_.damaged;
    base::log().warn("the index of {} is damaged: its entries were looked for one by one", region->path().string());
  }
  recovery_.last_generation = std::max(recovery_.last_generation, region->last_generation());
  // The youngest is written on where it was not full.
  if (number == 0 && !region->sealed() && !loaded->damaged && region->header().size == region_size_) {
    active_ = region;
    active_number_ = 0;
  }
  indexed_ = number + 1;
  found_more_.notify_all();
  return {};
}

bool DiskTier::replaced(const IndexItem& item) const {
  // A candidate shares part of the hash; hardly ever is it not the same key.
  for (const auto& found : index_.find(item.hash)) {
    const auto spot = resolve(found.place);
    const auto head = read_head_of(*spot.region, spot.slot);
    if (head && *head && (*head)->hash == item.hash) return true;
  }
  return false;
}

void DiskTier::wait_for_more(std::size_t indexed) const {
  std::unique_lock lock(index_lock_);
  found_more_.wait(lock, [&] { return whole_.load(std::memory_order_relaxed) || indexed_ != indexed; });
}

Recovery DiskTier::recovery() const {
  const std::lock_guard lock(index_lock_);
  return recovery_;
}

}  // namespace hotwell::cache

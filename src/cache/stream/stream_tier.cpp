#include "cache/stream/stream_tier.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "cache/stream/files.hpp"

namespace hotwell::cache {
namespace {

/// Up to this size a look-up reads the bytes; beyond it hands out the file.
constexpr std::uint64_t read_up_to = 64 << 10;
constexpr auto half_life = std::chrono::hours{1};

unsigned decayed(unsigned hits, WallTime last, WallTime now) {
  const auto periods = now > last ? (now - last) / half_life : 0;
  return periods >= std::numeric_limits<unsigned>::digits ? 0 : hits >> periods;
}

std::uint64_t manifest_cost(const Manifest& manifest) { return on_disk(encode(manifest).size()); }

}  // namespace

StreamTier::StreamTier(host::Disk& disk, StreamOptions options)
    : disk_(disk), options_(std::move(options)), all_(std::make_shared<Budget>(options_.limit.count)) {}

StreamTier::~StreamTier() = default;

Result<std::optional<Found>> StreamTier::find(std::string_view key, WallTime now, FindOptions options,
                                              Removals& removed) {
  const auto name = name_of(key);
  for (;;) {
    std::shared_ptr<const StreamObject> object;
    WallTime deadline;
    {
      const std::lock_guard lock(index_);
      if (const Entry* entry = find_live(name, key, now)) {
        object = entry->object;
        deadline = entry->deadline;
      }
    }
    if (!object) {
      if (options.count == Count::yes) counters_.miss();
      return std::nullopt;
    }

    // Opened first: from here on it can be read, whatever becomes of its name.
    Result<Body> body;
    auto file = object->file();
    if (!file) {
      if (file.error().code != Code::not_found) return std::unexpected(file.error());
      body = std::unexpected(file.error());
    } else if (object->length() <= read_up_to) {
      body = object->read(**file);
    } else {
      body = FileSlice{std::move(*file), 0, object->length()};
      if (options.check == Check::whole)
        if (auto good = object->verify(0, object->length()); !good) body = std::unexpected(good.error());
    }

    if (!body) {
      // Gone while it was looked up is no damage: look again.
      if (generation(key, now) != object->generation) continue;
      drop_damaged(key, object->generation, removed);
      continue;
    }

    Found found{Description::object(object, Level::stream, std::move(*body)), 0};
    found.object.expires = deadline;
    const bool counts = options.count == Count::yes;
    if (counts) counters_.hit();
    const std::lock_guard lock(index_);
    if (const auto at = table_.find(name); at != table_.end() && at->second.object == object) {
      auto& entry = at->second;
      found.hits = counts ? note_use(entry, now) : decayed(entry.hits, entry.last_hit, now);
    }
    return found;
  }
}

std::optional<Found> StreamTier::try_find(std::string_view key, WallTime now) {
  const auto name = name_of(key);
  const std::lock_guard lock(index_);
  if (find_live(name, key, now) == nullptr) return std::nullopt;
  auto& entry = table_.find(name)->second;
  auto file = entry.object->length() > read_up_to ? entry.object->open_file() : nullptr;
  if (!file) return std::nullopt;
  counters_.hit();
  Found found{Description::object(entry.object, Level::stream, FileSlice{std::move(file), 0, entry.object->length()}),
              note_use(entry, now)};
  found.object.expires = entry.deadline;
  return found;
}

Result<Object> StreamTier::put(Details details, const Buffer& bytes, Removals& removed) {
  auto made = draft(details.key, details.generation, removed);
  if (!made) return std::unexpected(made.error());
  if (auto written = (*made)->write(0, bytes.view(), removed); !written) return std::unexpected(written.error());
  if (auto finished = (*made)->finish(bytes.size(), removed); !finished) return std::unexpected(finished.error());
  return commit(**made, std::move(details), removed);
}

Result<std::unique_ptr<StreamDraft>> StreamTier::draft(std::string_view key, std::uint64_t generation,
                                                       Removals& removed) {
  const auto name = key.empty() ? std::string() : name_of(key);
  const auto path = key.empty() ? std::filesystem::path() : data_path(name, generation);
  const auto make = [&] { return key.empty() ? disk_.create_unnamed(options_.directory) : disk_.create(path); };
  auto file = make();
  if (!file && file.error().code == Code::not_found) {
    // The first object with this first byte.
    if (auto folder = disk_.make_directory(folder_of(name)); !folder) return std::unexpected(folder.error());
    file = make();
  }
  if (!file && file.error().code == Code::disk_full && free_on_disk(1, removed)) file = make();
  if (!file) return std::unexpected(file.error());
  return std::make_unique<StreamDraft>(*this, name, path, std::move(*file), std::make_shared<Charge>(all_));
}

Result<Object> StreamTier::commit(StreamDraft& draft, Details details, Removals& removed) {
  Manifest manifest{std::move(details), draft.size_, draft.checksums_};
  const auto make_object = [&] {
    auto object = std::make_shared<const StreamObject>(disk_, std::move(manifest), std::exchange(draft.path_, {}),
                                                       draft.space_, StreamObject::Trust::made_now);
    object->adopt(draft.file_);
    return object;
  };
  const auto answer = [&](const std::shared_ptr<const StreamObject>& object) {
    return Description::object(object, Level::stream, FileSlice{draft.file_, 0, object->length()});
  };
  if (draft.path_.empty()) return answer(make_object());

  const auto size = on_disk(draft.size_) + manifest_cost(manifest);
  if (auto room = reserve(*draft.space_, size, removed); !room) return std::unexpected(room.error());
  const auto temporary = temporary_path(draft.name_, manifest.details.generation);
  for (int rounds = 0;; ++rounds) {
    auto written = write_manifest(temporary, manifest);
    if (written) break;
    (void)disk_.remove(temporary);
    if (rounds == 3 || written.error().code != Code::disk_full || !free_on_disk(1, removed))
      return std::unexpected(written.error());
  }

  std::shared_ptr<const StreamObject> object;
  std::filesystem::path replaced;
  {
    const std::lock_guard committing(commit_);
    if (auto renamed = disk_.rename(temporary, manifest_path(draft.name_)); !renamed) {
      (void)disk_.remove(temporary);
      return std::unexpected(renamed.error());
    }
    object = make_object();
    const std::lock_guard lock(index_);
    if (const auto old = table_.find(draft.name_); old != table_.end()) {
      auto& entry = old->second;
      replaced = entry.object->path();
      removed.push_back(
          {entry.object->key, entry.object->generation, entry.object->length(), Level::stream, Cause::replaced});
      unlink(entry);
    }
    unsynced_.insert(draft.name_);
    link({.object = object, .deadline = object->expires, .name = draft.name_});
  }
  // What a crash leaves behind here has no manifest.
  if (!replaced.empty()) (void)disk_.remove(replaced);
  return answer(object);
}

Result<bool> StreamTier::erase(std::string_view key, WallTime now, Removals& removed) {
  {
    // Every small object that is stored asks: mostly there is nothing to look for.
    const std::lock_guard lock(index_);
    if (table_.empty()) return false;
  }
  const auto name = name_of(key);
  const std::lock_guard committing(commit_);
  Entry* entry = nullptr;
  {
    const std::lock_guard lock(index_);
    const auto found = table_.find(name);
    if (found == table_.end() || found->second.object->key != key) return false;
    entry = &found->second;
  }
  // Nobody else changes the table meanwhile: commit_ is held.
  const bool live = entry->deadline > now;
  if (auto out = take_out(*entry, live ? Cause::erased : Cause::expired, removed); !out)
    return std::unexpected(out.error());
  return live;
}

Result<void> StreamTier::clear(Removals& removed) {
  const std::lock_guard committing(commit_);
  for (;;) {
    Entry* entry = nullptr;
    {
      const std::lock_guard lock(index_);
      if (uses_.empty()) return {};
      entry = uses_.front();
    }
    if (auto out = take_out(*entry, Cause::erased, removed); !out) return out;
  }
}

std::optional<std::uint64_t> StreamTier::generation(std::string_view key, WallTime now) const {
  const auto name = name_of(key);
  const std::lock_guard lock(index_);
  const Entry* entry = find_live(name, key, now);
  return entry == nullptr ? std::nullopt : std::optional(entry->object->generation);
}

Result<bool> StreamTier::touch(std::string_view key, WallTime now, WallTime expires) {
  const auto name = name_of(key);
  const std::lock_guard committing(commit_);
  std::shared_ptr<const StreamObject> object;
  {
    const std::lock_guard lock(index_);
    const Entry* entry = find_live(name, key, now);
    if (entry == nullptr) return false;
    object = entry->object;
  }
  // The manifest is written anew; the data and its generation stay.
  Manifest manifest{{.key = object->key,
                     .generation = object->generation,
                     .content_type = object->content_type,
                     .type = object->type,
                     .metadata = object->metadata,
                     .created = object->created,
                     .expires = expires},
                    object->length(),
                    object->checksums()};
  const auto temporary = temporary_path(name, object->generation);
  (void)disk_.remove(temporary);  // one that failed before may have left it
  auto written = write_manifest(temporary, manifest);
  if (written) written = disk_.rename(temporary, manifest_path(name));
  if (!written) {
    (void)disk_.remove(temporary);
    return std::unexpected(written.error());
  }
  const std::lock_guard lock(index_);
  auto& entry = table_.at(name);
  expiries_.remove(entry.deadline, entry);
  unsynced_.insert(name);
  entry.deadline = expires;
  expiries_.add(expires, entry);
  return true;
}

void StreamTier::for_each(WallTime now, const std::function<bool(const Object&)>& visit) const {
  std::vector<Object> all;
  {
    const std::lock_guard lock(index_);
    all.reserve(table_.size());
    for (const auto& [name, entry] : table_) {
      if (entry.deadline <= now) continue;
      all.push_back(Description::object(entry.object, Level::stream, FileSlice{nullptr, 0, entry.object->length()}));
      all.back().expires = entry.deadline;
    }
  }
  for (const auto& object : all)
    if (!visit(object)) return;
}

void StreamTier::sweep(WallTime now, Removals& removed) {
  const std::lock_guard committing(commit_);
  for (;;) {
    Entry* entry = nullptr;
    {
      const std::lock_guard lock(index_);
      entry = expiries_.expired(now);
    }
    if (entry == nullptr) return;
    if (auto out = take_out(*entry, Cause::expired, removed); !out) {
      base::log().warn("the cache cannot remove an expired object: {}", to_string(out.error()));
      return;
    }
  }
}

void StreamTier::set_limit(Bytes limit, Removals& removed) {
  const std::lock_guard committing(commit_);
  all_->set_limit(limit.count);
  while (all_->used() > all_->limit())
    if (!evict_one(removed)) return;
}

CacheStats::Tier StreamTier::stats() const {
  CacheStats::Tier stats;
  {
    const std::lock_guard lock(index_);
    stats.entries = table_.size();
  }
  stats.size = {all_->used()};
  if (all_->limit() != 0) stats.utilization = static_cast<double>(all_->used()) / static_cast<double>(all_->limit());
  counters_.read(stats);
  return stats;
}

Result<void> StreamTier::sync() {
  std::unordered_set<std::string> names;
  std::vector<std::filesystem::path> files;
  std::set<std::filesystem::path> folders{options_.directory};
  {
    const std::lock_guard committing(commit_);
    const std::lock_guard lock(index_);
    names.swap(unsynced_);
    if (names.empty()) return {};
    for (const auto& name : names) {
      folders.insert(folder_of(name));
      const auto found = table_.find(name);
      if (found == table_.end()) continue;
      files.push_back(found->second.object->path());
      files.push_back(manifest_path(name));
    }
  }
  const auto sync_them = [&]() -> Result<void> {
    for (const auto& path : files) {
      auto file = disk_.open(path);
      if (!file && file.error().code == Code::not_found) continue;  // gone meanwhile
      if (!file) return std::unexpected(file.error());
      if (auto done = disk_.sync(*file); !done) return done;
    }
    for (const auto& folder : folders)
      if (auto done = disk_.sync_directory(folder); !done) return done;
    return {};
  };
  auto done = sync_them();
  if (!done) {
    const std::lock_guard committing(commit_);
    unsynced_.merge(names);
  }
  return done;
}

void StreamTier::forget_hits(std::string_view key) {
  const auto name = name_of(key);
  const std::lock_guard lock(index_);
  if (const auto found = table_.find(name); found != table_.end()) found->second.hits = 0;
}

void StreamTier::drop_damaged(std::string_view key, std::uint64_t generation, Removals& removed) {
  const auto name = name_of(key);
  const std::lock_guard committing(commit_);
  Entry* entry = nullptr;
  {
    const std::lock_guard lock(index_);
    const auto found = table_.find(name);
    if (found == table_.end() || found->second.object->key != key || found->second.object->generation != generation)
      return;
    entry = &found->second;
  }
  base::log().warn("the cache drops \"{}\": its file {} is damaged or gone", key, entry->object->path().string());
  if (auto out = take_out(*entry, Cause::damaged, removed); out) return;
  // Its manifest cannot be removed either; at least this process serves it no more.
  const std::lock_guard lock(index_);
  unlink(*entry);
}

std::filesystem::path StreamTier::folder_of(std::string_view name) const {
  return options_.directory / name.substr(0, 2);
}

std::filesystem::path StreamTier::manifest_path(std::string_view name) const {
  return folder_of(name) / fmt::format("{}{}", name, manifest_suffix);
}

std::filesystem::path StreamTier::temporary_path(std::string_view name, std::uint64_t generation) const {
  return folder_of(name) / fmt::format("{}-{:016x}{}", name, generation, temporary_suffix);
}

std::filesystem::path StreamTier::data_path(std::string_view name, std::uint64_t generation) const {
  return folder_of(name) / data_name(name, generation);
}

Result<void> StreamTier::write_manifest(const std::filesystem::path& path, const Manifest& manifest) {
  auto file = disk_.create(path);
  if (!file) return std::unexpected(file.error());
  return disk_.write(*file, 0, encode(manifest));
}

Result<void> StreamTier::reserve(Charge& space, std::uint64_t bytes, Removals& removed) {
  if (space.try_grow_to(bytes)) return {};
  if (bytes > all_->limit())
    return fail(Code::too_large, fmt::format("an object that takes {} is more than the stream limit of {}",
                                             to_string(Bytes{bytes}), to_string(Bytes{all_->limit()})));
  const std::lock_guard committing(commit_);
  while (!space.try_grow_to(bytes))
    if (!evict_one(removed))
      return fail(Code::overloaded, fmt::format("{} of the stream limit of {} are held by readers and writers",
                                                to_string(Bytes{all_->used()}), to_string(Bytes{all_->limit()})));
  return {};
}

bool StreamTier::free_on_disk(std::uint64_t bytes, Removals& removed) {
  const std::lock_guard committing(commit_);
  const auto target = all_->used() - std::min(all_->used(), bytes);
  bool evicted = false;
  while (evict_one(removed)) {
    evicted = true;
    if (all_->used() <= target) break;
  }
  return evicted;
}

bool StreamTier::evict_one(Removals& removed) {
  Entry* victim = nullptr;
  {
    const std::lock_guard lock(index_);
    victim = choose_victim();
  }
  if (victim == nullptr) return false;
  auto out = take_out(*victim, Cause::capacity, removed);
  if (!out) base::log().warn("the cache cannot evict an object: {}", to_string(out.error()));
  return out.has_value();
}

Result<void> StreamTier::take_out(Entry& entry, Cause cause, Removals& removed) {
  // The manifest first: from here on the object does not exist, whatever happens next.
  if (auto gone = disk_.remove(manifest_path(entry.name)); !gone && gone.error().code != Code::not_found) return gone;
  unsynced_.insert(entry.name);
  const auto object = entry.object;
  removed.push_back({object->key, object->generation, object->length(), Level::stream, cause});
  {
    const std::lock_guard lock(index_);
    unlink(entry);
  }
  if (auto gone = disk_.remove(object->path()); !gone && gone.error().code != Code::not_found)
    base::log().warn("the cache leaves a file behind until its next start: {}", to_string(gone.error()));
  return {};
}

unsigned StreamTier::note_use(Entry& entry, WallTime now) {
  entry.hits = decayed(entry.hits, entry.last_hit, now) + 1;
  entry.last_hit = now;
  uses_.splice(uses_.begin(), uses_, entry.use);
  return entry.hits;
}

const StreamTier::Entry* StreamTier::find_live(std::string_view name, std::string_view key, WallTime now) const {
  const auto found = table_.find(std::string(name));
  if (found == table_.end() || found->second.object->key != key || found->second.deadline <= now) return nullptr;
  return &found->second;
}

void StreamTier::link(Entry entry) {
  const auto [at, added] = table_.emplace(entry.name, std::move(entry));
  HOTWELL_ASSERT(added);
  auto& linked = at->second;
  uses_.push_front(&linked);
  linked.use = uses_.begin();
  expiries_.add(linked.deadline, linked);
}

void StreamTier::unlink(Entry& entry) {
  uses_.erase(entry.use);
  expiries_.remove(entry.deadline, entry);
  const auto found = table_.find(entry.name);
  HOTWELL_ASSERT(found != table_.end());
  table_.erase(found);
}

StreamTier::Entry* StreamTier::choose_victim() {
  // What is open gives nothing back now. What a level above holds was used there since: it counts as used just now, but
  // only so often that choosing stays cheap.
  int graces = 64;
  for (auto at = uses_.end(); at != uses_.begin();) {
    --at;
    Entry& entry = **at;
    if (entry.object.use_count() > 1 || entry.object->open_elsewhere()) continue;
    if (graces == 0 || !options_.used_above || !options_.used_above(entry.object->key)) return &entry;
    --graces;
    const auto after = std::next(at);
    uses_.splice(uses_.begin(), uses_, at);
    at = after;
  }
  return nullptr;
}

}  // namespace hotwell::cache

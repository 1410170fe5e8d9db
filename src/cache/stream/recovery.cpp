/// How the stream tier finds its objects again: every manifest is read and held against its data file; what belongs to
/// no object is removed. Contents are verified when they are first read.
#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "base/log.hpp"
#include "cache/stream/files.hpp"
#include "cache/stream/stream_tier.hpp"

namespace hotwell::cache {
namespace {

bool is_folder_name(std::string_view name) {
  return name.size() == 2 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Only names that this tier gives are ever removed.
bool is_own_name(std::string_view name) {
  return name.size() > name_length &&
         name.substr(0, name_length).find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         (name.ends_with(manifest_suffix) || name.ends_with(data_suffix) || name.ends_with(temporary_suffix));
}

constexpr std::uint64_t largest_manifest = 1ULL << 30;

}  // namespace

Result<std::unique_ptr<StreamTier>> StreamTier::open(host::Disk& disk, StreamOptions options, WallTime now) {
  auto tier = std::unique_ptr<StreamTier>(new StreamTier(disk, std::move(options)));
  if (auto recovered = tier->recover(now); !recovered) return std::unexpected(recovered.error());
  return tier;
}

Result<void> StreamTier::recover(WallTime now) {
  if (auto made = disk_.make_directory(options_.directory); !made) return made;
  auto folders = disk_.list(options_.directory);
  if (!folders) return std::unexpected(folders.error());
  std::vector<Recovered> recovered;
  for (const auto& folder : *folders)
    if (folder.kind == host::Disk::Kind::directory && is_folder_name(folder.name))
      recover_folder(options_.directory / folder.name, recovered);

  std::sort(recovered.begin(), recovered.end(), [](const Recovered& a, const Recovered& b) { return a.used < b.used; });
  Removals removed;
  const std::lock_guard committing(commit_);
  for (auto& one : recovered) {
    recovery_.last_generation = std::max(recovery_.last_generation, one.object->generation);
    ++recovery_.objects;
    const std::lock_guard lock(index_);
    link({.object = one.object, .deadline = one.object->expires, .name = one.name});
    one.object.reset();
  }
  while (Entry* entry = expiries_.expired(now))
    if (auto out = take_out(*entry, Cause::expired, removed); !out) return out;
  // The limit may be lower than it was.
  while (all_->used() > all_->limit() && evict_one(removed)) {
  }
  if (recovery_.damaged != 0)
    base::log().warn("the cache dropped {} damaged objects while it opened {}", recovery_.damaged,
                     options_.directory.string());
  return {};
}

void StreamTier::recover_folder(const std::filesystem::path& folder, std::vector<Recovered>& recovered) {
  auto entries = disk_.list(folder);
  if (!entries) {
    base::log().warn("the cache cannot look into {}: {}", folder.string(), to_string(entries.error()));
    return;
  }
  std::unordered_set<std::string> wanted;
  for (const auto& entry : *entries) {
    if (!is_own_name(entry.name) || !entry.name.ends_with(manifest_suffix)) continue;
    if (auto found = recover_object(folder, entry.name)) {
      wanted.insert(entry.name);
      wanted.insert(found->object->path().filename().string());
      recovered.push_back(std::move(*found));
    } else {
      ++recovery_.damaged;
      base::log().warn("the cache drops {}: {}", (folder / entry.name).string(), to_string(found.error()));
    }
  }
  for (const auto& entry : *entries) {
    if (!is_own_name(entry.name) || wanted.contains(entry.name)) continue;
    if (disk_.remove(folder / entry.name) && !entry.name.ends_with(manifest_suffix)) ++recovery_.left_overs;
  }
}

Result<StreamTier::Recovered> StreamTier::recover_object(const std::filesystem::path& folder,
                                                         const std::string& manifest_name) {
  auto file = disk_.open(folder / manifest_name);
  if (!file) return std::unexpected(file.error());
  auto status = disk_.status(*file);
  if (!status) return std::unexpected(status.error());
  if (status->size > largest_manifest) return fail(Code::io, "a damaged manifest: absurdly long");
  std::vector<std::byte> bytes(status->size);
  auto count = disk_.read(*file, 0, bytes);
  if (!count) return std::unexpected(count.error());
  auto manifest = decode_manifest({bytes.data(), *count});
  if (!manifest) return std::unexpected(manifest.error());

  const auto name = name_of(manifest->details.key);
  if (manifest_name != fmt::format("{}{}", name, manifest_suffix))
    return fail(Code::io, fmt::format("a damaged manifest: it is of another key, \"{}\"", manifest->details.key));
  const auto path = data_path(name, manifest->details.generation);
  auto data = disk_.open(path);
  if (!data) return std::unexpected(data.error());
  auto data_status = disk_.status(*data);
  if (!data_status) return std::unexpected(data_status.error());
  if (data_status->size != manifest->size)
    return fail(Code::io, fmt::format("its data is {} bytes long instead of {}", data_status->size, manifest->size));

  auto space = std::make_shared<Charge>(all_);
  space->set(on_disk(manifest->size) + on_disk(bytes.size()));
  return Recovered{name,
                   std::make_shared<const StreamObject>(disk_, std::move(*manifest), path, std::move(space),
                                                        StreamObject::Trust::found),
                   status->modified};
}

}  // namespace hotwell::cache

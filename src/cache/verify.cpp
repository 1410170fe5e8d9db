#include "cache/verify.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "cache/directory.hpp"
#include "cache/disk/entry.hpp"
#include "cache/stream/files.hpp"
#include "cache/stream/manifest.hpp"

namespace hotwell::cache {
namespace {

constexpr std::size_t most_findings = 100;

class Verifier {
 public:
  explicit Verifier(host::Disk& disk) : disk_(disk) {}

  Result<void> regions(const std::filesystem::path& directory) {
    auto entries = list(directory);
    if (!entries) return std::unexpected(entries.error());
    for (const auto& entry : *entries)
      if (region_id_of(entry.name)) region(directory / entry.name);
    return {};
  }

  Result<void> streams(const std::filesystem::path& directory) {
    auto folders = list(directory);
    if (!folders) return std::unexpected(folders.error());
    for (const auto& folder : *folders) {
      if (folder.kind != host::Disk::Kind::directory) continue;
      auto entries = list(directory / folder.name);
      if (!entries) return std::unexpected(entries.error());
      for (const auto& entry : *entries)
        if (entry.name.ends_with(manifest_suffix)) stream(directory / folder.name, entry.name);
    }
    return {};
  }

  [[nodiscard]] Verification take() { return std::move(found_); }

 private:
  void finding(std::string text) {
    if (found_.findings.size() < most_findings) found_.findings.push_back(std::move(text));
  }

  /// A folder that is absent has nothing in it.
  Result<std::vector<host::Disk::Entry>> list(const std::filesystem::path& directory) {
    auto entries = disk_.list(directory);
    if (!entries && entries.error().code == Code::not_found) return std::vector<host::Disk::Entry>{};
    if (entries)
      std::sort(entries->begin(), entries->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
  }

  void region(const std::filesystem::path& path) {
    ++found_.regions;
    auto opened = Region::open(disk_, path, budget_);
    auto loaded = opened ? (*opened)->load() : std::unexpected(opened.error());
    if (!loaded) {
      ++found_.disk.damaged;
      return finding(fmt::format("{}: {}", path.string(), loaded.error().message));
    }
    if (loaded->damaged) finding(fmt::format("{}: its index is damaged", path.string()));
    for (const auto& item : loaded->items) {
      const auto head = read_head_of(**opened, item.slot);
      if (head && *head && (*head)->hash == item.hash) {
        const auto content = read_content(**opened, item.slot, **head);
        if (content && *content) {
          ++found_.disk.objects;
          found_.disk.bytes += (*head)->value_size;
          continue;
        }
      }
      ++found_.disk.damaged;
      finding(fmt::format("{}: the entry at slot {} is damaged", path.string(), item.slot));
    }
  }

  void stream(const std::filesystem::path& folder, const std::string& name) {
    if (auto good = check_stream(folder, name); !good) {
      ++found_.stream.damaged;
      finding(fmt::format("{}: {}", (folder / name).string(), good.error().message));
    }
  }

  Result<void> check_stream(const std::filesystem::path& folder, const std::string& name) {
    auto file = disk_.open(folder / name);
    if (!file) return std::unexpected(file.error());
    auto status = disk_.status(*file);
    if (!status) return std::unexpected(status.error());
    std::vector<std::byte> bytes(std::min<std::uint64_t>(status->size, 1 << 30));
    auto count = disk_.read(*file, 0, bytes);
    if (!count) return std::unexpected(count.error());
    auto manifest = decode_manifest({bytes.data(), *count});
    if (!manifest) return std::unexpected(manifest.error());
    const auto digest = name_of(manifest->details.key);
    if (name != digest + std::string(manifest_suffix))
      return fail(Code::io, fmt::format("it is of another key, \"{}\"", manifest->details.key));
    auto data = disk_.open(folder / data_name(digest, manifest->details.generation));
    if (!data) return std::unexpected(data.error());
    std::vector<std::byte> chunk(chunk_size);
    for (std::uint64_t i = 0; i < manifest->checksums.size(); ++i) {
      const auto length = std::min(chunk_size, manifest->size - i * chunk_size);
      auto read = disk_.read(*data, i * chunk_size, std::span(chunk).first(length));
      if (!read) return std::unexpected(read.error());
      if (*read != length || base::xxh3_64({chunk.data(), length}) != manifest->checksums[i])
        return fail(Code::io, fmt::format("chunk {} of \"{}\" is not what was stored", i, manifest->details.key));
    }
    ++found_.stream.objects;
    found_.stream.bytes += manifest->size;
    return {};
  }

  host::Disk& disk_;
  const std::shared_ptr<Budget> budget_ = std::make_shared<Budget>(0);
  Verification found_;
};

}  // namespace

Result<Verification> verify_directory(host::Disk& disk, const std::filesystem::path& directory) {
  // Before it is claimed: claiming makes a cache where there is none.
  if (auto format = disk.open(directory / "FORMAT"); !format) {
    if (format.error().code == Code::not_found)
      return fail(Code::not_found, fmt::format("{} is no cache", directory.string()));
    return std::unexpected(format.error());
  }
  auto claim = claim_directory(disk, directory);
  if (!claim) return std::unexpected(claim.error());
  Verifier verifier(disk);
  if (auto done = verifier.regions(disk_directory(directory)); !done) return std::unexpected(done.error());
  if (auto done = verifier.streams(stream_directory(directory)); !done) return std::unexpected(done.error());
  return verifier.take();
}

}  // namespace hotwell::cache

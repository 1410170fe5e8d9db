#include "cache/hot_list.hpp"

#include <cstring>

#include "base/digest.hpp"
#include "cache/keys.hpp"

namespace hotwell::cache {
namespace {

constexpr std::string_view hot_magic = "HOTWHOT\n";
constexpr std::uint64_t longest_list = 1ULL << 30;

void append_number(std::string& bytes, auto value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

std::string encode_hot_list(const std::vector<std::string>& keys) {
  std::string bytes(hot_magic);
  for (const auto& key : keys) {
    append_number(bytes, static_cast<std::uint32_t>(key.size()));
    bytes += key;
  }
  append_number(bytes, base::xxh3_64(bytes));
  return bytes;
}

std::vector<std::string> decode_hot_list(ByteView bytes) {
  auto text = bytes.text();
  std::uint64_t checksum = 0;
  if (text.size() < hot_magic.size() + sizeof checksum || !text.starts_with(hot_magic)) return {};
  std::memcpy(&checksum, text.data() + text.size() - sizeof checksum, sizeof checksum);
  text.remove_suffix(sizeof checksum);
  if (checksum != base::xxh3_64(text)) return {};
  text.remove_prefix(hot_magic.size());
  std::vector<std::string> keys;
  while (!text.empty()) {
    std::uint32_t size = 0;
    if (text.size() < sizeof size) return {};
    std::memcpy(&size, text.data(), sizeof size);
    text.remove_prefix(sizeof size);
    if (size > text.size() || size > longest_key) return {};
    keys.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return keys;
}

Result<void> save_hot_list(host::Disk& disk, const std::filesystem::path& directory,
                           const std::vector<std::string>& keys) {
  const auto temporary = directory / "HOT.tmp";
  if (auto gone = disk.remove(temporary); !gone && gone.error().code != Code::not_found) return gone;
  auto file = disk.create(temporary);
  if (!file) return std::unexpected(file.error());
  if (auto written = disk.write(*file, 0, encode_hot_list(keys)); !written) return written;
  return disk.rename(temporary, directory / "HOT");
}

std::vector<std::string> load_hot_list(host::Disk& disk, const std::filesystem::path& directory) {
  const auto file = disk.open(directory / "HOT");
  if (!file) return {};
  const auto status = disk.status(*file);
  if (!status || status->size > longest_list) return {};
  std::vector<std::byte> bytes(status->size);
  const auto count = disk.read(*file, 0, bytes);
  return count ? decode_hot_list({bytes.data(), *count}) : std::vector<std::string>{};
}

}  // namespace hotwell::cache

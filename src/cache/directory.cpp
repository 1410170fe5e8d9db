#include "cache/directory.hpp"

#include <array>
#include <string>

#include <fmt/format.h>

namespace hotwell::cache {
namespace {

constexpr std::string_view format = "hotwell cache 1\n";
constexpr std::string_view layout =
    "This directory is the cache of Hotwell. Everything in it can be made again: it may be deleted while no\n"
    "process uses it.\n"
    "\n"
    "FORMAT      the format's name and version; a program that does not know it leaves the directory alone\n"
    "LOCK        held by the process that uses the directory; its process id is inside\n"
    "HOT         the keys that memory held, for the next start\n"
    "disk/       small and middle-sized objects, packed into a log of regions\n"
    "              NUMBER.region             entries, the index of a full one, and which of them were deleted\n"
    "stream/     large objects: one folder for each first byte of a key's digest, in it for each object\n"
    "              DIGEST.manifest           what it is: key, size, type, times, checksums\n"
    "              DIGEST-GENERATION.data    its bytes\n"
    "            An object exists if its manifest does. Other files are left-overs and removed at the next start.\n";

Result<std::string> read_text(host::Disk& disk, const std::filesystem::path& path) {
  auto file = disk.open(path);
  if (!file) return std::unexpected(file.error());
  std::array<std::byte, 256> bytes{};
  auto count = disk.read(*file, 0, bytes);
  if (!count) return std::unexpected(count.error());
  return std::string(ByteView{bytes.data(), *count}.text());
}

Result<void> write_text(host::Disk& disk, const std::filesystem::path& path, std::string_view text) {
  const auto temporary = path.string() + ".tmp";
  if (auto gone = disk.remove(temporary); !gone && gone.error().code != Code::not_found) return gone;
  auto file = disk.create(temporary);
  if (!file) return std::unexpected(file.error());
  if (auto written = disk.write(*file, 0, text); !written) return written;
  if (auto synced = disk.sync(*file); !synced) return synced;
  return disk.rename(temporary, path);
}

bool own_name(std::string_view name) {
  return name == "LOCK" || name.starts_with("FORMAT") || name.starts_with("LAYOUT.txt");
}

enum class Standing { ours, fresh };

/// Whether the directory is a cache, or may become one.
Result<Standing> judge(host::Disk& disk, const std::filesystem::path& directory) {
  auto text = read_text(disk, directory / "FORMAT");
  if (text) {
    if (*text == format) return Standing::ours;
    return fail(
        Code::invalid_argument,
        fmt::format("{} has the format \"{}\", which this version of hotwell does not know (it knows \"{}\")",
                    directory.string(), text->substr(0, text->find('\n')), format.substr(0, format.size() - 1)));
  }
  if (text.error().code != Code::not_found) return std::unexpected(text.error());
  auto entries = disk.list(directory);
  if (!entries) {
    if (entries.error().code == Code::not_found) return Standing::fresh;
    return std::unexpected(entries.error());
  }
  for (const auto& entry : *entries)
    if (!own_name(entry.name))
      return fail(Code::invalid_argument,
                  fmt::format("{} is not empty and not a cache (it has {} but no FORMAT): name another directory",
                              directory.string(), entry.name));
  return Standing::fresh;
}

}  // namespace

Result<FileHandle> claim_directory(host::Disk& disk, const std::filesystem::path& directory) {
  // Judged before anything is made, and again under the lock: another process may just have made it.
  if (auto standing = judge(disk, directory); !standing) return std::unexpected(standing.error());
  if (auto made = disk.make_directory(directory); !made) return std::unexpected(made.error());
  auto lock = disk.lock(directory / "LOCK");
  if (!lock) return lock;
  auto standing = judge(disk, directory);
  if (!standing) return std::unexpected(standing.error());
  if (*standing == Standing::fresh) {
    // FORMAT last: a directory without it may be filled again.
    if (auto written = write_text(disk, directory / "LAYOUT.txt", layout); !written)
      return std::unexpected(written.error());
    if (auto written = write_text(disk, directory / "FORMAT", format); !written)
      return std::unexpected(written.error());
    // Before anything else lies here: a directory with objects and without FORMAT would be refused.
    if (auto synced = disk.sync_directory(directory); !synced) return std::unexpected(synced.error());
  }
  return lock;
}

}  // namespace hotwell::cache

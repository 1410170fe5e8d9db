/// A disk that fills up, fails, stops and loses its power: the real one under a directory, with faults from a seed.
///
/// The model of a power failure: a sector of a file that was written since the file was last synced comes back as it
/// was before any of those writes, each sector for itself; of the names that came and went since the last sync of a
/// directory a prefix is kept, as a journaling file system does.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "host/disk.hpp"

namespace hotwell::sim {

/// Every mutation is a step. Threads: any.
class LossyDisk final : public host::Disk {
 public:
  struct Faults {
    std::uint64_t crash_at_step = UINT64_MAX;  ///< this step and all after it do not happen
    std::uint64_t capacity = UINT64_MAX;       ///< bytes written in sum before the disk is full; removals free nothing
    double io_error = 0;                       ///< chance that a step fails and does nothing
    bool torn_write = false;                   ///< the write at which it crashes happens in part
  };

  LossyDisk(Faults faults, std::uint64_t seed) : faults_(faults), random_(seed) {}
  ~LossyDisk() override {
    std::error_code ignored;
    if (!graves_.empty()) std::filesystem::remove_all(graves_, ignored);
  }

  [[nodiscard]] bool crashed() const {
    const std::lock_guard lock(mutex_);
    return step_ > faults_.crash_at_step;
  }
  [[nodiscard]] std::uint64_t steps() const {
    const std::lock_guard lock(mutex_);
    return step_;
  }
  /// From the next step on nothing happens any more.
  void crash_now() {
    const std::lock_guard lock(mutex_);
    faults_.crash_at_step = step_;
    ++step_;
  }
  void heal() {
    const std::lock_guard lock(mutex_);
    faults_ = {};
    later_at_ = UINT64_MAX;
  }
  void set_faults(Faults faults) {
    const std::lock_guard lock(mutex_);
    faults_ = faults;
  }
  /// Lets `steps` more steps happen without faults.
  void set_faults_after(std::uint64_t steps, Faults faults) {
    const std::lock_guard lock(mutex_);
    later_at_ = step_ + steps;
    later_ = faults;
  }

  /// What the model above does to the files in the directory. Call after the user of the disk is gone.
  void lose_power(const std::filesystem::path& directory) {
    const std::lock_guard lock(mutex_);
    const auto kept = random_() % (names_.size() + 1);
    while (names_.size() > kept) {
      undo(names_.back());
      names_.pop_back();
    }
    names_.clear();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      if (!entry.is_regular_file()) continue;
      const auto written = unsynced_.find(inode_of(entry.path()));
      if (written != unsynced_.end()) lose_sectors(entry.path(), written->second);
    }
    unsynced_.clear();
  }

  Result<FileHandle> open(const std::filesystem::path& path) override { return host::system_disk().open(path); }
  Result<FileHandle> open_to_change(const std::filesystem::path& path) override {
    return host::system_disk().open_to_change(path);
  }

  Result<FileHandle> create(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return std::unexpected(went.error());
    auto file = host::system_disk().create(path);
    if (file) names_.push_back({.made = path});
    return file;
  }

  Result<FileHandle> create_unnamed(const std::filesystem::path& directory) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return std::unexpected(went.error());
    return host::system_disk().create_unnamed(directory);
  }

  /// Called before each read, to count it or to hold it up. Set before the disk is used.
  std::function<void(std::uint64_t offset, std::uint64_t size)> on_read;

  Result<std::size_t> read(const FileHandle& file, std::uint64_t offset, std::span<std::byte> into) override {
    if (on_read) on_read(offset, into.size());
    return host::system_disk().read(file, offset, into);
  }

  /// Whether read_resident() finds anything; not every file system that tests run on could say.
  std::atomic<bool> resident{true};

  std::optional<std::size_t> read_resident(const FileHandle& file, std::uint64_t offset,
                                           std::span<std::byte> into) override {
    if (!resident) return std::nullopt;
    const auto count = host::system_disk().read(file, offset, into);
    return count ? std::optional(*count) : std::nullopt;
  }

  Result<void> write(const FileHandle& file, std::uint64_t offset, ByteView bytes) override {
    const std::lock_guard lock(mutex_);
    std::uint64_t part = bytes.size();
    const bool crashes_here = step_ == faults_.crash_at_step;
    auto outcome = step();
    if (!outcome) {
      part = crashes_here && faults_.torn_write && !bytes.empty() ? random_() % bytes.size() : 0;
    } else if (written_ + bytes.size() > faults_.capacity) {
      part = faults_.capacity - std::min(faults_.capacity, written_);
      outcome = fail(Code::disk_full, "writing a file: no space left on the simulated device");
    }
    written_ += part;
    if (part != 0) {
      remember(file, offset, part);
      if (auto written = host::system_disk().write(file, offset, bytes.subview(0, part)); !written) return written;
    }
    return outcome;
  }

  Result<void> write(const FileHandle& file, std::uint64_t offset, ByteView first, ByteView second) override {
    return write(file, offset, std::string(first.text()).append(second.text()));
  }

  Result<void> resize(const FileHandle& file, std::uint64_t size) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return went;
    return host::system_disk().resize(file, size);
  }

  Result<void> preallocate(const FileHandle& file, std::uint64_t size) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return went;
    // Sparse: thousands of simulated lives need not really take the space.
    return host::system_disk().resize(file, size);
  }

  Result<void> punch(const FileHandle& file, std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return went;
    remember(file, offset, length);
    return host::system_disk().punch(file, offset, length);
  }

  Result<void> sync(const FileHandle& file) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return went;
    unsynced_.erase(inode_of(file));
    return {};
  }

  Result<void> sync_directory(const std::filesystem::path&) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return went;
    names_.clear();
    return {};
  }

  Result<Space> space(const std::filesystem::path& path) override { return host::system_disk().space(path); }
  Result<Status> status(const FileHandle& file) override { return host::system_disk().status(file); }

  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return went;
    Name name{.made = to, .moved_from = from};
    if (std::filesystem::exists(to)) {
      name.buried = grave();
      std::filesystem::rename(to, name.buried);
    }
    auto renamed = host::system_disk().rename(from, to);
    if (renamed)
      names_.push_back(std::move(name));
    else if (!name.buried.empty())
      std::filesystem::rename(name.buried, to);
    return renamed;
  }

  Result<void> remove(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return went;
    if (!std::filesystem::exists(path)) return host::system_disk().remove(path);
    Name name{.removed = path, .buried = grave()};
    auto removed = host::system_disk().rename(path, name.buried);
    if (removed) names_.push_back(std::move(name));
    return removed;
  }

  Result<void> make_directory(const std::filesystem::path& path) override {
    const std::lock_guard lock(mutex_);
    if (auto went = step(); !went) return went;
    return host::system_disk().make_directory(path);
  }

  Result<std::vector<Entry>> list(const std::filesystem::path& directory) override {
    return host::system_disk().list(directory);
  }

  Result<FileHandle> lock(const std::filesystem::path& path) override { return host::system_disk().lock(path); }

 private:
  static constexpr std::uint64_t sector = 512;
  /// Each sector's contents before each write since the last sync, oldest first.
  using Versions = std::map<std::uint64_t, std::vector<std::string>>;
  /// A name that came, went or moved: what undoing it needs.
  struct Name {
    std::filesystem::path made{};
    std::filesystem::path moved_from{};
    std::filesystem::path removed{};
    std::filesystem::path buried{};  ///< what was removed or replaced
  };

  static ino_t inode_of(const std::filesystem::path& path) {
    struct stat told{};
    return ::stat(path.c_str(), &told) == 0 ? told.st_ino : 0;
  }
  static ino_t inode_of(const FileHandle& file) {
    struct stat told{};
    return ::fstat(file.get(), &told) == 0 ? told.st_ino : 0;
  }

  Result<void> step() {
    if (step_ == later_at_) faults_ = later_;
    if (step_ >= faults_.crash_at_step) {
      step_ = faults_.crash_at_step + 1;
      return fail(Code::io, "the simulated machine has stopped");
    }
    ++step_;
    if (faults_.io_error > 0 && std::uniform_real_distribution<>()(random_) < faults_.io_error)
      return fail(Code::io, "a simulated input/output error");
    return {};
  }

  void remember(const FileHandle& file, std::uint64_t offset, std::uint64_t size) {
    auto& versions = unsynced_[inode_of(file)];
    for (auto at = offset / sector; at * sector < offset + size; ++at) {
      std::array<std::byte, sector> old{};
      const auto count = host::system_disk().read(file, at * sector, old).value_or(0);
      versions[at].emplace_back(reinterpret_cast<const char*>(old.data()), count);
    }
  }

  void lose_sectors(const std::filesystem::path& path, const Versions& versions) {
    const auto file = host::system_disk().open_to_change(path).value();
    const std::uint64_t size = std::filesystem::file_size(path);
    for (const auto& [at, old] : versions) {
      if (random_() % 2 == 0 || at * sector >= size) continue;
      auto bytes = old[random_() % old.size()];
      bytes.resize(std::min(sector, size - at * sector), '\0');
      (void)host::system_disk().write(file, at * sector, bytes);
    }
  }

  void undo(const Name& name) {
    if (!name.made.empty() && name.moved_from.empty()) std::filesystem::remove(name.made);
    if (!name.moved_from.empty()) std::filesystem::rename(name.made, name.moved_from);
    if (!name.buried.empty()) std::filesystem::rename(name.buried, name.removed.empty() ? name.made : name.removed);
  }

  std::filesystem::path grave() {
    if (graves_.empty()) {
      std::string pattern = (std::filesystem::temp_directory_path() / "hotwell-graves-XXXXXX").string();
      graves_ = ::mkdtemp(pattern.data());
    }
    return graves_ / std::to_string(next_grave_++);
  }

  mutable std::mutex mutex_;
  Faults faults_;
  std::mt19937_64 random_;
  std::uint64_t step_ = 0;
  std::uint64_t later_at_ = UINT64_MAX;
  Faults later_;
  std::uint64_t written_ = 0;
  std::map<ino_t, Versions> unsynced_;
  std::vector<Name> names_;
  std::filesystem::path graves_;
  std::uint64_t next_grave_ = 0;
};

}  // namespace hotwell::sim

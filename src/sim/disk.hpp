/// A disk that fills up, fails and stops: the real one under a directory, with faults from a seed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <string>

#include <sys/stat.h>

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

  /// What a power failure does to what was never synced: each file written since then may lose its end or have a block
  /// of zeros. Call after the user of the disk is gone.
  void lose_power(const std::filesystem::path& directory) {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      if (!entry.is_regular_file() || !unsynced_.contains(inode_of(entry.path()))) continue;
      const auto size = entry.file_size();
      if (size == 0) continue;
      const auto at = random_() % size;
      switch (random_() % 3) {
        case 0: break;  // it got there in time
        case 1: std::filesystem::resize_file(entry.path(), at); break;
        default: {
          std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
          file.seekp(static_cast<std::streamoff>(at));
          file << std::string(std::min<std::uint64_t>(4096, size - at), '\0');
        }
      }
    }
    unsynced_.clear();
  }

  Result<FileHandle> open(const std::filesystem::path& path) override { return host::system_disk().open(path); }

  Result<FileHandle> create(const std::filesystem::path& path) override {
    if (auto went = step(); !went) return std::unexpected(went.error());
    return noted(host::system_disk().create(path));
  }

  Result<FileHandle> create_unnamed(const std::filesystem::path& directory) override {
    if (auto went = step(); !went) return std::unexpected(went.error());
    return host::system_disk().create_unnamed(directory);
  }

  Result<std::size_t> read(const FileHandle& file, std::uint64_t offset, std::span<std::byte> into) override {
    return host::system_disk().read(file, offset, into);
  }

  Result<void> write(const FileHandle& file, std::uint64_t offset, ByteView bytes) override {
    std::uint64_t part = bytes.size();
    Result<void> outcome;
    {
      const std::lock_guard lock(mutex_);
      const bool crashes_here = step_ == faults_.crash_at_step;
      outcome = step_locked();
      if (!outcome) {
        part = crashes_here && faults_.torn_write && !bytes.empty() ? random_() % bytes.size() : 0;
      } else if (written_ + bytes.size() > faults_.capacity) {
        part = faults_.capacity - std::min(faults_.capacity, written_);
        outcome = fail(Code::disk_full, "writing a file: no space left on the simulated device");
      }
      written_ += part;
    }
    if (part != 0)
      if (auto written = host::system_disk().write(file, offset, bytes.subview(0, part)); !written) return written;
    return outcome;
  }

  Result<void> resize(const FileHandle& file, std::uint64_t size) override {
    if (auto went = step(); !went) return went;
    return host::system_disk().resize(file, size);
  }

  Result<Status> status(const FileHandle& file) override { return host::system_disk().status(file); }

  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (auto went = step(); !went) return went;
    return host::system_disk().rename(from, to);
  }

  Result<void> remove(const std::filesystem::path& path) override {
    if (auto went = step(); !went) return went;
    return host::system_disk().remove(path);
  }

  Result<void> make_directory(const std::filesystem::path& path) override {
    if (auto went = step(); !went) return went;
    return host::system_disk().make_directory(path);
  }

  Result<std::vector<Entry>> list(const std::filesystem::path& directory) override {
    return host::system_disk().list(directory);
  }

  Result<FileHandle> lock(const std::filesystem::path& path) override { return host::system_disk().lock(path); }

 private:
  static ino_t inode_of(const std::filesystem::path& path) {
    struct stat told{};
    return ::stat(path.c_str(), &told) == 0 ? told.st_ino : 0;
  }

  Result<FileHandle> noted(Result<FileHandle> file) {
    struct stat told{};
    if (file && ::fstat(file->get(), &told) == 0) {
      const std::lock_guard lock(mutex_);
      unsynced_.insert(told.st_ino);
    }
    return file;
  }

  Result<void> step() {
    const std::lock_guard lock(mutex_);
    return step_locked();
  }

  Result<void> step_locked() {
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

  mutable std::mutex mutex_;
  Faults faults_;
  std::mt19937_64 random_;
  std::uint64_t step_ = 0;
  std::uint64_t later_at_ = UINT64_MAX;
  Faults later_;
  std::uint64_t written_ = 0;
  std::set<ino_t> unsynced_;
};

}  // namespace hotwell::sim

/// What people keep objects on disk with, behind one interface, for benchmarks.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

namespace bench {

/// Ends the program with what failed.
void require(bool good, const char* what);

/// One store of keys and values. Whatever goes wrong ends the program.
class Store {
 public:
  virtual ~Store() = default;
  virtual void put(const std::string& key, const std::string& value) = 0;
  /// The size of what was read.
  virtual std::size_t get(const std::string& key) = 0;
};

/// As it comes, but for compression, which the values would defeat.
std::unique_ptr<Store> open_rocksdb(const std::filesystem::path& directory);
/// Without waiting for the disk, as all of them.
std::unique_ptr<Store> open_lmdb(const std::filesystem::path& directory);
std::unique_ptr<Store> open_sqlite(const std::filesystem::path& directory);
/// A file per object.
std::unique_ptr<Store> open_files(const std::filesystem::path& directory);

}  // namespace bench

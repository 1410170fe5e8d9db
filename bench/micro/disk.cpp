// The disk tier beside what people use: RocksDB, LMDB, SQLite and a file per object. Puts and gets of 1 KiB and 64 KiB with
// the page cache warm, all cases in turns within one run; filling beside a plain sequential write; opening a full tier
// again whose process was killed, beside RocksDB.
//
//   hotwell-bench-disk DIRECTORY [ROUNDS]
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <lmdb.h>
#include <rocksdb/db.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/disk/disk_tier.hpp"

namespace {

namespace fs = std::filesystem;
using namespace hotwell;
using Clock = std::chrono::steady_clock;

void must(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

/// One store of keys and values.
class Store {
 public:
  virtual ~Store() = default;
  virtual void put(const std::string& key, const std::string& value) = 0;
  /// The size of what was read.
  virtual std::size_t get(const std::string& key) = 0;
};

constexpr std::uint64_t room = 4ULL << 30;

class Tier final : public Store {
 public:
  explicit Tier(const fs::path& directory)
      : tier_(cache::DiskTier::open(host::system_disk(), {.directory = directory, .limit = {room}}, now_).value()) {}
  void put(const std::string& key, const std::string& value) override {
    // As the cache does: the bytes are copied into a buffer that memory shares.
    must(tier_
             ->put({.key = key, .generation = ++generation_, .created = now_, .expires = now_ + std::chrono::hours{1}},
                   Buffer::copy_of(value), removed_)
             .has_value(),
         "put");
  }
  std::size_t get(const std::string& key) override {
    return (*tier_->find(key, now_, {}, removed_))->object.bytes().size();
  }
  [[nodiscard]] cache::DiskTier& tier() { return *tier_; }

 private:
  const WallTime now_{std::chrono::hours{1000}};
  std::unique_ptr<cache::DiskTier> tier_;
  std::uint64_t generation_ = 0;
  cache::Removals removed_;
};

class Rocks final : public Store {
 public:
  explicit Rocks(const fs::path& directory) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    rocksdb::DB* db = nullptr;
    must(rocksdb::DB::Open(options, directory.string(), &db).ok(), "rocksdb open");
    db_.reset(db);
  }
  void put(const std::string& key, const std::string& value) override {
    must(db_->Put({}, key, value).ok(), "rocksdb put");
  }
  std::size_t get(const std::string& key) override {
    must(db_->Get({}, key, &value_).ok(), "rocksdb get");
    return value_.size();
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::string value_;
};

class Lmdb final : public Store {
 public:
  explicit Lmdb(const fs::path& directory) {
    fs::create_directories(directory);
    must(mdb_env_create(&env_) == 0 && mdb_env_set_mapsize(env_, room) == 0 &&
             mdb_env_open(env_, directory.c_str(), MDB_NOSYNC, 0600) == 0,
         "lmdb open");
    write([&](MDB_txn* txn) { must(mdb_dbi_open(txn, nullptr, MDB_CREATE, &table_) == 0, "lmdb table"); });
  }
  ~Lmdb() override { mdb_env_close(env_); }
  void put(const std::string& key, const std::string& value) override {
    write([&](MDB_txn* txn) {
      MDB_val k{key.size(), const_cast<char*>(key.data())};
      MDB_val v{value.size(), const_cast<char*>(value.data())};
      must(mdb_put(txn, table_, &k, &v, 0) == 0, "lmdb put");
    });
  }
  std::size_t get(const std::string& key) override {
    MDB_txn* txn = nullptr;
    must(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn) == 0, "lmdb begin");
    MDB_val k{key.size(), const_cast<char*>(key.data())};
    MDB_val v{};
    must(mdb_get(txn, table_, &k, &v) == 0, "lmdb get");
    value_.assign(static_cast<const char*>(v.mv_data), v.mv_size);
    mdb_txn_abort(txn);
    return value_.size();
  }

 private:
  void write(const std::function<void(MDB_txn*)>& what) {
    MDB_txn* txn = nullptr;
    must(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "lmdb begin");
    what(txn);
    must(mdb_txn_commit(txn) == 0, "lmdb commit");
  }
  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
  std::string value_;
};

class Sqlite final : public Store {
 public:
  explicit Sqlite(const fs::path& directory) {
    fs::create_directories(directory);
    must(sqlite3_open((directory / "db").c_str(), &db_) == SQLITE_OK, "sqlite open");
    must(sqlite3_exec(db_,
                      "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA mmap_size=4294967296;"
                      "CREATE TABLE t(k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID",
                      nullptr, nullptr, nullptr) == SQLITE_OK,
         "sqlite table");
    sqlite3_prepare_v2(db_, "INSERT OR REPLACE INTO t VALUES(?,?)", -1, &put_, nullptr);
    sqlite3_prepare_v2(db_, "SELECT v FROM t WHERE k=?", -1, &get_, nullptr);
  }
  ~Sqlite() override {
    sqlite3_finalize(put_);
    sqlite3_finalize(get_);
    sqlite3_close(db_);
  }
  void put(const std::string& key, const std::string& value) override {
    sqlite3_bind_text(put_, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    sqlite3_bind_blob(put_, 2, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
    must(sqlite3_step(put_) == SQLITE_DONE, "sqlite put");
    sqlite3_reset(put_);
  }
  std::size_t get(const std::string& key) override {
    sqlite3_bind_text(get_, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    must(sqlite3_step(get_) == SQLITE_ROW, "sqlite get");
    value_.assign(static_cast<const char*>(sqlite3_column_blob(get_, 0)),
                  static_cast<std::size_t>(sqlite3_column_bytes(get_, 0)));
    sqlite3_reset(get_);
    return value_.size();
  }

 private:
  sqlite3* db_ = nullptr;
  sqlite3_stmt* put_ = nullptr;
  sqlite3_stmt* get_ = nullptr;
  std::string value_;
};

class Files final : public Store {
 public:
  explicit Files(fs::path directory) : directory_(std::move(directory)) { fs::create_directories(directory_); }
  void put(const std::string& key, const std::string& value) override {
    const int fd = ::open((directory_ / key).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && ::write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size()), "file put");
    ::close(fd);
  }
  std::size_t get(const std::string& key) override {
    const int fd = ::open((directory_ / key).c_str(), O_RDONLY | O_CLOEXEC);
    value_.resize(1 << 20);
    const auto count = ::read(fd, value_.data(), value_.size());
    ::close(fd);
    must(count > 0, "file get");
    return static_cast<std::size_t>(count);
  }

 private:
  fs::path directory_;
  std::string value_;
};

struct Case {
  const char* name;
  std::function<std::unique_ptr<Store>(const fs::path&)> open;
};
template <class T>
Case case_of(const char* name) {
  return {name, [](const fs::path& directory) { return std::make_unique<T>(directory); }};
}
const std::vector<Case> cases{case_of<Tier>("hotwell"), case_of<Rocks>("rocksdb"), case_of<Lmdb>("lmdb"),
                              case_of<Sqlite>("sqlite"), case_of<Files>("file")};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }
double median(std::vector<double> all) {
  std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
  return all[all.size() / 2];
}

void compare(const fs::path& directory, std::size_t size, std::size_t count, int rounds) {
  std::mt19937_64 random(1);
  std::string value(size, '\0');
  for (auto& c : value) c = static_cast<char>(random());
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back(fmt::format("object-{:08}", i));
  std::vector<std::vector<double>> puts(cases.size());
  std::vector<std::vector<double>> gets(cases.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto where = directory / fmt::format("{}-{}", cases[i].name, size);
      const auto store = cases[i].open(where);
      const auto begin = Clock::now();
      for (const auto& key : keys) store->put(key, value);
      puts[i].push_back(static_cast<double>(count) / seconds_since(begin));
      for (std::size_t n = 0; n < 20000; ++n) {
        const auto& key = keys[random() % keys.size()];
        const auto asked = Clock::now();
        must(store->get(key) == size, "the size");
        gets[i].push_back(seconds_since(asked));
      }
    }
    for (const auto& one : cases) fs::remove_all(directory / fmt::format("{}-{}", one.name, size));
  }
  fmt::print("\n{} bytes, {} objects, {} rounds\n  {:<10}{:>12}{:>14}\n", size, count, rounds, "", "puts/s", "get p50");
  for (std::size_t i = 0; i < cases.size(); ++i)
    fmt::print("  {:<10}{:>12.0f}{:>11.2f} us\n", cases[i].name, median(puts[i]), median(gets[i]) * 1e6);
}

void fill(const fs::path& directory, int rounds) {
  const std::string value(64 << 10, 'v');
  constexpr std::size_t count = 16384;
  std::vector<double> tier;
  std::vector<double> plain;
  for (int round = 0; round < rounds; ++round) {
    {
      Tier store(directory / "fill");
      const auto begin = Clock::now();
      for (std::size_t i = 0; i < count; ++i) store.put(fmt::format("object-{:08}", i), value);
      tier.push_back(seconds_since(begin));
    }
    fs::remove_all(directory / "fill");
    const int fd = ::open((directory / "plain").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < count; ++i)
      must(::write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size()), "write");
    plain.push_back(seconds_since(begin));
    ::close(fd);
    fs::remove(directory / "plain");
  }
  fmt::print("\nfilling 1 GiB with 64 KiB objects: {:.2f} s, a plain sequential write {:.2f} s: {:.2f} of its speed\n",
             median(tier), median(plain), median(plain) / median(tier));
}

/// Fills a store in a process of its own, which dies as if by kill -9; then opens it and reads one object.
void reopen(const fs::path& directory) {
  constexpr std::size_t count = 950'000;
  for (const auto& one : {cases[0], cases[1]}) {
    const auto where = directory / "reopen";
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = one.open(where);
      const std::string value(1024, 'v');
      for (std::size_t i = 0; i < count; ++i) store->put(fmt::format("object-{:08}", i), value);
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    const auto begin = Clock::now();
    const auto store = one.open(where);
    must(store->get("object-00000007") == 1024, "the first get");
    fmt::print("{}: a full gigabyte of 1 KiB objects after kill -9: open and first get {:.0f} ms\n", one.name,
               seconds_since(begin) * 1e3);
    if (auto* tier = dynamic_cast<Tier*>(store.get())) {
      const auto entries = tier->tier().stats().entries;
      fmt::print("  {} entries, {:.1f} bytes of index each\n", entries,
                 static_cast<double>(tier->tier().index_memory()) / static_cast<double>(entries));
    }
    fs::remove_all(where);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const fs::path directory = argv[1];
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
  fs::create_directories(directory);
  compare(directory, 1024, 100'000, rounds);
  compare(directory, 64 << 10, 4'000, rounds);
  fill(directory, rounds);
  reopen(directory);
  return 0;
}

#include "bench/micro/disk_peers.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include <fcntl.h>
#include <lmdb.h>
#include <rocksdb/db.h>
#include <sqlite3.h>
#include <unistd.h>

namespace bench {

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t room = 4ULL << 30;

class Rocks final : public Store {
 public:
  explicit Rocks(const fs::path& directory) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    rocksdb::DB* db = nullptr;
    require(rocksdb::DB::Open(options, directory.string(), &db).ok(), "rocksdb open");
    db_.reset(db);
  }
  void put(const std::string& key, const std::string& value) override {
    require(db_->Put({}, key, value).ok(), "rocksdb put");
  }
  std::size_t get(const std::string& key) override {
    require(db_->Get({}, key, &value_).ok(), "rocksdb get");
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
    require(mdb_env_create(&env_) == 0 && mdb_env_set_mapsize(env_, room) == 0 &&
                mdb_env_open(env_, directory.c_str(), MDB_NOSYNC, 0600) == 0,
            "lmdb open");
    write([&](MDB_txn* txn) { require(mdb_dbi_open(txn, nullptr, MDB_CREATE, &table_) == 0, "lmdb table"); });
  }
  ~Lmdb() override { mdb_env_close(env_); }
  void put(const std::string& key, const std::string& value) override {
    write([&](MDB_txn* txn) {
      MDB_val k{key.size(), const_cast<char*>(key.data())};
      MDB_val v{value.size(), const_cast<char*>(value.data())};
      require(mdb_put(txn, table_, &k, &v, 0) == 0, "lmdb put");
    });
  }
  std::size_t get(const std::string& key) override {
    MDB_txn* txn = nullptr;
    require(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn) == 0, "lmdb begin");
    MDB_val k{key.size(), const_cast<char*>(key.data())};
    MDB_val v{};
    require(mdb_get(txn, table_, &k, &v) == 0, "lmdb get");
    value_.assign(static_cast<const char*>(v.mv_data), v.mv_size);
    mdb_txn_abort(txn);
    return value_.size();
  }

 private:
  void write(const std::function<void(MDB_txn*)>& what) {
    MDB_txn* txn = nullptr;
    require(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "lmdb begin");
    what(txn);
    require(mdb_txn_commit(txn) == 0, "lmdb commit");
  }
  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
  std::string value_;
};

class Sqlite final : public Store {
 public:
  explicit Sqlite(const fs::path& directory) {
    fs::create_directories(directory);
    require(sqlite3_open((directory / "db").c_str(), &db_) == SQLITE_OK, "sqlite open");
    require(sqlite3_exec(db_,
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
    require(sqlite3_step(put_) == SQLITE_DONE, "sqlite put");
    sqlite3_reset(put_);
  }
  std::size_t get(const std::string& key) override {
    sqlite3_bind_text(get_, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
    require(sqlite3_step(get_) == SQLITE_ROW, "sqlite get");
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
    require(fd >= 0 && ::write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size()), "file put");
    ::close(fd);
  }
  std::size_t get(const std::string& key) override {
    const int fd = ::open((directory_ / key).c_str(), O_RDONLY | O_CLOEXEC);
    value_.resize(1 << 20);
    const auto count = ::read(fd, value_.data(), value_.size());
    ::close(fd);
    require(count > 0, "file get");
    return static_cast<std::size_t>(count);
  }

 private:
  fs::path directory_;
  std::string value_;
};

}  // namespace

std::unique_ptr<Store> open_rocksdb(const fs::path& directory) { return std::make_unique<Rocks>(directory); }
std::unique_ptr<Store> open_lmdb(const fs::path& directory) { return std::make_unique<Lmdb>(directory); }
std::unique_ptr<Store> open_sqlite(const fs::path& directory) { return std::make_unique<Sqlite>(directory); }
std::unique_ptr<Store> open_files(const fs::path& directory) { return std::make_unique<Files>(directory); }

}  // namespace bench

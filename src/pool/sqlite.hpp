/// SQLite as values: a connection and its prepared statements, with the library's errors as Result.
///
/// Invariant: a statement lives no longer than its connection. Threads: one at a time for a connection and everything
/// prepared on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <hotwell/result.hpp>

struct sqlite3;
struct sqlite3_stmt;

namespace hotwell::pool {

class Statement {
 public:
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

  /// Parameters count from 1. Texts are copied.
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, const std::optional<std::int64_t>& value);
  Statement& bind_null(int index);
  /// True while there is a row. Errors: as Database's.
  Result<bool> step();
  /// Steps to the end and makes it ready for the next use; rows are dropped.
  Result<void> run();
  /// Ready for the next use; values stay bound.
  void reset();

  // Columns of the row count from 0.
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const noexcept;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// Errors of all calls: disk_full, denied (a read-only file or directory), unavailable (another process has it locked),
/// out_of_memory, internal (a statement that the tables never take), io (a damaged or foreign file among them); the
/// message names the file and has SQLite's own words.
class Database {
 public:
  /// Makes the file if it is absent; not its directory.
  [[nodiscard]] static Result<Database> open(const std::filesystem::path& path);

  Result<void> execute(const std::string& sql);
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  /// The first column of the first row. Precondition: the statement gives a row.
  [[nodiscard]] Result<std::int64_t> integer_of(std::string_view sql);
  /// Rows that the last statement changed.
  [[nodiscard]] std::int64_t changes() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept;
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace hotwell::pool

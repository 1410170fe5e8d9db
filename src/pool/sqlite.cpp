#include "pool/sqlite.hpp"

#include <cerrno>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/assert.hpp"

namespace hotwell::pool {
namespace {

std::string name_of(sqlite3* handle) {
  const char* name = ::sqlite3_db_filename(handle, "main");
  return name && *name ? name : "the database";
}

Error error_of(sqlite3* handle, int result) {
  const std::string message = fmt::format("{}: {}", name_of(handle), ::sqlite3_errmsg(handle));
  const int system = ::sqlite3_system_errno(handle);
  switch (result & 0xff) {
    case SQLITE_FULL: return {Code::disk_full, message, nullptr};
    case SQLITE_PERM:
    case SQLITE_READONLY: return {Code::denied, message, nullptr};
    case SQLITE_CANTOPEN: return system != 0 ? system_error(system, message) : Error{Code::io, message, nullptr};
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return {Code::unavailable, message, nullptr};
    case SQLITE_NOMEM: return {Code::out_of_memory, message, nullptr};
    case SQLITE_IOERR:
      return system == ENOSPC || system == EDQUOT || system == EFBIG ? Error{Code::disk_full, message, nullptr}
                                                                     : Error{Code::io, message, nullptr};
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return {Code::internal, message, nullptr};  // this statement, not the file
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Code::io, message + "; the file is damaged or something else, and was left as it is", nullptr};
    default: return {Code::io, message, nullptr};
  }
}

}  // namespace

// ---- Statement ---------------------------------------------------------------------------------------------------

void Statement::Finalize::operator()(sqlite3_stmt* handle) const noexcept { ::sqlite3_finalize(handle); }

Statement& Statement::bind(int index, std::int64_t value) {
  HOTWELL_ASSERT(::sqlite3_bind_int64(handle_.get(), index, value) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL, which an empty text is not.
  const char* data = text.empty() ? "" : text.data();
  HOTWELL_ASSERT(::sqlite3_bind_text64(handle_.get(), index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8) ==
                 SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, const std::optional<std::int64_t>& value) {
  return value ? bind(index, *value) : bind_null(index);
}

Statement& Statement::bind_null(int index) {
  HOTWELL_ASSERT(::sqlite3_bind_null(handle_.get(), index) == SQLITE_OK);
  return *this;
}

Result<bool> Statement::step() {
  const int result = ::sqlite3_step(handle_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  sqlite3* database = ::sqlite3_db_handle(handle_.get());
  auto error = error_of(database, ::sqlite3_extended_errcode(database));
  ::sqlite3_reset(handle_.get());
  return std::unexpected(std::move(error));
}

Result<void> Statement::run() {
  while (true) {
    auto row = step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
  }
  reset();
  return {};
}

void Statement::reset() { ::sqlite3_reset(handle_.get()); }

bool Statement::is_null(int column) const { return ::sqlite3_column_type(handle_.get(), column) == SQLITE_NULL; }

std::int64_t Statement::integer(int column) const { return ::sqlite3_column_int64(handle_.get(), column); }

std::string Statement::text(int column) const {
  const auto* bytes = ::sqlite3_column_text(handle_.get(), column);
  if (bytes == nullptr) return {};
  return {reinterpret_cast<const char*>(bytes),
          static_cast<std::size_t>(::sqlite3_column_bytes(handle_.get(), column))};
}

// ---- Database ----------------------------------------------------------------------------------------------------

void Database::Close::operator()(sqlite3* handle) const noexcept { ::sqlite3_close(handle); }

Result<Database> Database::open(const std::filesystem::path& path) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = ::sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Database database{handle};
  if (handle == nullptr) return fail(Code::out_of_memory, fmt::format("opening {}", path.string()));
  if (result != SQLITE_OK) {
    auto error = error_of(handle, result);
    error.message = fmt::format("opening {}: {}", path.string(), error.message);
    return std::unexpected(std::move(error));
  }
  // The data directory has one owner; a reader of the same file waits this long for the other's checkpoint.
  ::sqlite3_busy_timeout(handle, 5'000);
  return database;
}

Result<void> Database::execute(const std::string& sql) {
  const int result = ::sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return std::unexpected(error_of(handle_.get(), result));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = ::sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return std::unexpected(error_of(handle_.get(), result));
  return Statement{statement};
}

Result<std::int64_t> Database::integer_of(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  auto row = statement->step();
  if (!row) return std::unexpected(row.error());
  HOTWELL_ASSERT(*row);
  return statement->integer(0);
}

std::int64_t Database::changes() const { return ::sqlite3_changes64(handle_.get()); }

}  // namespace hotwell::pool

/// The journal's tables in SQLite (docs/formats/journal.md): what is written in one transaction, and what is read back.
///
/// Invariants: a file of a version that this program does not know is left untouched; what a transaction wrote is there
/// whole or not at all. Threads: one at a time for a store.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "pool/journal_records.hpp"
#include "pool/sqlite.hpp"

namespace hotwell::pool {

/// All that happened to one job within a transaction, merged: a job that came and went is one row written once.
struct JournalChange {
  std::uint64_t number = 0;
  std::optional<JournalRecord> added;
  bool reopened = false;
  bool forgotten = false;
  std::vector<JournalAttempt> attempts;         ///< begun here
  std::optional<JournalAttempt> earlier_ended;  ///< the end of one that was begun before
  std::optional<JournalEnd> end;
};

/// How long ended jobs are kept. Dead letters have their own count, so that no flood of completed ones pushes them out.
struct JournalRetention {
  std::size_t count = 100'000;
  Duration age = std::chrono::hours{24 * 7};
};

class JournalStore {
 public:
  enum class Access : std::uint8_t { write, read };
  /// `write` makes or brings up to date the tables, and marks attempts that were under way as lost.
  /// Errors: as Database's; invalid_argument for a file of another program or of a newer version.
  [[nodiscard]] static Result<JournalStore> open(const std::filesystem::path& file, Access access);

  // ---- writing ----
  /// Applies changes as one transaction; nothing of them is there after an error.
  Result<void> write(const std::vector<JournalChange>& changes, Durability durability);
  /// Deletes at most `most` ended jobs beyond the retention; answers with their numbers.
  [[nodiscard]] Result<std::vector<std::uint64_t>> forget_old(const JournalRetention& retention, WallTime now,
                                                              std::size_t most);
  /// Gives free pages back to the file system where they are more than a quarter of the file, a few at a time.
  Result<void> shrink();

  // ---- reading ----
  [[nodiscard]] Result<std::optional<JournalRecord>> find(std::uint64_t number);
  [[nodiscard]] Result<std::optional<JournalRecord>> find_key(std::string_view idempotency_key);
  /// Newest first.
  [[nodiscard]] Result<std::vector<JournalRecord>> ended(const JournalFilter& filter);
  /// Oldest first.
  [[nodiscard]] Result<std::vector<JournalRecord>> unfinished();
  [[nodiscard]] Result<std::vector<JournalAttempt>> attempts(std::uint64_t number);
  [[nodiscard]] Result<std::uint64_t> largest_number();

  /// For tests of full disks: the file may have at most so many pages.
  Result<void> limit_pages(std::int64_t pages);

 private:
  explicit JournalStore(Database database) : database_(std::move(database)) {}
  Result<void> prepare_tables();
  Result<void> prepare_writes();
  Result<void> apply(const JournalChange& change);
  Result<void> add(const JournalRecord& record, const std::optional<JournalEnd>& end);
  Result<void> add_attempt(std::uint64_t number, const JournalAttempt& attempt);
  Result<void> end_attempt(std::uint64_t number, const JournalAttempt& attempt);
  Result<void> end(const JournalEnd& end);
  [[nodiscard]] Result<std::vector<JournalRecord>> read_all(Statement& statement);

  struct Writes {
    Statement begin, commit, add, add_attempt, end_attempt, end, reopen, forget, forget_attempts;
  };
  /// How many ended jobs there are; counted once, since counting reads them all.
  struct Ended {
    std::int64_t dead = 0;
    std::int64_t others = 0;
  };
  [[nodiscard]] Result<Ended> count_ended();
  void note_ended(const std::vector<JournalChange>& changes);

  Database database_;
  std::optional<Writes> writes_;
  std::optional<Ended> ended_;  ///< none: to be counted anew
  std::optional<Durability> synced_for_;
};

}  // namespace hotwell::pool

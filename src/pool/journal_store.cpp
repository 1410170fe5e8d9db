#include "pool/journal_store.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell::pool {
namespace {

constexpr std::int64_t application_id = 0x486f744a;  // "HotJ"
constexpr std::int64_t newest_version = 1;

// The states that ended jobs are in; kept numbers, since they are in files.
constexpr std::int64_t open_state = 0;
std::int64_t number_of(JobState state) {
  switch (state) {
    case JobState::queued:
    case JobState::running:
    case JobState::retrying: return open_state;
    case JobState::completed: return 1;
    case JobState::failed: return 2;
    case JobState::cancelled: return 3;
    case JobState::dead: return 4;
  }
  return open_state;
}
JobState state_of(std::int64_t number) {
  switch (number) {
    case 1: return JobState::completed;
    case 2: return JobState::failed;
    case 3: return JobState::cancelled;
    case 4: return JobState::dead;
    default: return JobState::queued;
  }
}

constexpr const char* schema_1 = R"sql(
CREATE TABLE job (
  number INTEGER PRIMARY KEY,
  operation TEXT NOT NULL,
  priority INTEGER NOT NULL,
  durability INTEGER NOT NULL,
  state INTEGER NOT NULL,
  idempotency_key TEXT,
  request TEXT NOT NULL,
  queue TEXT NOT NULL,
  created INTEGER NOT NULL,
  started INTEGER,
  finished INTEGER,
  attempts INTEGER NOT NULL,
  first_attempt INTEGER NOT NULL DEFAULT 0,
  error_code TEXT,
  error_message TEXT,
  stderr TEXT NOT NULL DEFAULT '',
  result TEXT NOT NULL DEFAULT ''
);
CREATE INDEX job_open ON job(number) WHERE state = 0;
CREATE INDEX job_ended ON job(finished) WHERE state IN (1, 2, 3);
CREATE INDEX job_dead ON job(finished) WHERE state = 4;
CREATE INDEX job_key ON job(idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE TABLE attempt (
  number INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  worker TEXT NOT NULL,
  why TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER,
  error_code TEXT,
  error_message TEXT,
  stderr TEXT NOT NULL DEFAULT '',
  charged INTEGER NOT NULL,
  PRIMARY KEY (number, ordinal)
) WITHOUT ROWID;
CREATE INDEX attempt_open ON attempt(number) WHERE ended IS NULL;
)sql";

// Attempts that were under way when the engine died cost their jobs nothing.
constexpr const char* mark_lost = R"sql(
UPDATE attempt SET ended = max(started, CAST(strftime('%s', 'now') AS INTEGER) * 1000000), charged = 0,
  error_code = 'crashed', error_message = 'the engine ended while it ran' WHERE ended IS NULL)sql";

constexpr std::string_view job_columns =
    "number, operation, priority, durability, state, idempotency_key, request, queue, created, started, finished, "
    "attempts, error_code, error_message, stderr, result";

std::int64_t micros(WallTime time) { return time.time_since_epoch().count(); }
std::optional<std::int64_t> micros(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return micros(*time);
}
WallTime time_of(std::int64_t count) { return WallTime{std::chrono::microseconds{count}}; }
std::optional<WallTime> optional_time(const Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return time_of(row.integer(column));
}
std::optional<Error> optional_error(const Statement& row, int code_column) {
  if (row.is_null(code_column)) return std::nullopt;
  return Error{parse_code(row.text(code_column)).value_or(Code::internal), row.text(code_column + 1), nullptr};
}
void bind_error(Statement& statement, int code_parameter, const std::optional<Error>& error) {
  if (error) {
    statement.bind(code_parameter, to_string(error->code)).bind(code_parameter + 1, error->message);
  } else {
    statement.bind_null(code_parameter).bind_null(code_parameter + 1);
  }
}
std::int64_t signed_number(std::uint64_t number) { return static_cast<std::int64_t>(number); }

JournalRecord record_of(const Statement& row) {
  JournalRecord record;
  record.number = static_cast<std::uint64_t>(row.integer(0));
  record.operation = row.text(1);
  record.priority = static_cast<Priority>(row.integer(2));
  record.durability = static_cast<Durability>(row.integer(3));
  record.state = state_of(row.integer(4));
  record.idempotency_key = row.text(5);
  record.request = row.text(6);
  record.queue = row.text(7);
  record.created = time_of(row.integer(8));
  record.started = optional_time(row, 9);
  record.finished = optional_time(row, 10);
  record.attempts = static_cast<unsigned>(row.integer(11));
  record.error = optional_error(row, 12);
  record.stderr_tail = row.text(14);
  record.result = row.text(15);
  return record;
}

}  // namespace

Result<JournalStore> JournalStore::open(const std::filesystem::path& file, Access access) {
  auto database = Database::open(file);
  if (!database) return std::unexpected(database.error());
  JournalStore store{std::move(*database)};
  if (access == Access::read) {
    if (auto set = store.database_.execute("PRAGMA query_only = 1"); !set) return std::unexpected(set.error());
    return store;
  }
  if (auto made = store.prepare_tables(); !made) return std::unexpected(made.error());
  if (auto prepared = store.prepare_writes(); !prepared) return std::unexpected(prepared.error());
  return store;
}

Result<void> JournalStore::prepare_tables() {
  const auto version = database_.integer_of("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  const auto owner = database_.integer_of("PRAGMA application_id");
  if (!owner) return std::unexpected(owner.error());
  const auto tables = database_.integer_of("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  if (*tables > 0 && *owner != application_id)
    return fail(Code::invalid_argument, "the journal's file holds another program's tables; it was left as it is");
  if (*version > newest_version)
    return fail(Code::invalid_argument,
                fmt::format("the journal was written by a newer version of hotwell (format {}, this one knows {}); it "
                            "was left as it is",
                            *version, newest_version));
  // Before the first table: the way free pages are found again is part of the file. The log is copied into the file
  // every 16 MiB, and truncated only after a burst made it twice as long: to make it anew costs more than to keep it.
  for (const char* setting :
       {"PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL",
        "PRAGMA journal_size_limit = 33554432", "PRAGMA wal_autocheckpoint = 4096", "PRAGMA cache_size = -8192",
        "PRAGMA temp_store = MEMORY"})
    if (auto set = database_.execute(setting); !set) return set;
  if (*tables == 0) {
    const auto made =
        database_.execute(fmt::format("BEGIN IMMEDIATE; {} PRAGMA user_version = {}; "
                                      "PRAGMA application_id = {}; COMMIT",
                                      schema_1, newest_version, application_id));
    if (!made) return made;
  }
  return database_.execute(mark_lost);
}

Result<void> JournalStore::prepare_writes() {
  const auto prepare = [this](std::string_view sql) -> Statement {
    auto statement = database_.prepare(sql);
    HOTWELL_ASSERT(statement.has_value());  // the tables are ours
    return std::move(*statement);
  };
  // A file whose tables are damaged fails here rather than in an assertion.
  if (auto usable = database_.prepare(fmt::format("SELECT {} FROM job WHERE number = 0", job_columns)); !usable)
    return std::unexpected(usable.error());
  if (auto usable = database_.prepare("SELECT why, charged FROM attempt WHERE number = 0"); !usable)
    return std::unexpected(usable.error());
  writes_.emplace(Writes{
      .begin = prepare("BEGIN IMMEDIATE"),
      .commit = prepare("COMMIT"),
      .add =
          prepare("INSERT INTO job (number, operation, priority, durability, state, idempotency_key, request, queue, "
                  "created, started, finished, attempts, error_code, error_message, stderr, result) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"),
      .add_attempt =
          prepare("INSERT INTO attempt SELECT ?1, coalesce(max(ordinal), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                  "?9 FROM attempt WHERE number = ?1"),
      .end_attempt = prepare("UPDATE attempt SET ended = ?2, error_code = ?3, error_message = ?4, stderr = ?5, "
                             "charged = ?6 WHERE number = ?1 AND ended IS NULL"),
      .end = prepare("UPDATE job SET state = ?2, started = ?3, finished = ?4, attempts = ?5, error_code = ?6, "
                     "error_message = ?7, stderr = ?8, result = ?9 WHERE number = ?1"),
      .reopen =
          prepare("UPDATE job SET state = 0, started = NULL, finished = NULL, attempts = 0, error_code = NULL, "
                  "error_message = NULL, stderr = '', result = '', first_attempt = (SELECT coalesce(max(ordinal), "
                  "0) FROM attempt WHERE attempt.number = ?1) WHERE number = ?1"),
      .forget = prepare("DELETE FROM job WHERE number = ?1"),
      .forget_attempts = prepare("DELETE FROM attempt WHERE number = ?1"),
  });
  return {};
}

// ---- writing -----------------------------------------------------------------------------------------------------

Result<void> JournalStore::write(const std::vector<JournalChange>& changes, Durability durability) {
  if (synced_for_ != durability) {
    // FULL waits for the medium at every commit; NORMAL only when the log is copied into the file.
    const char* level = durability == Durability::power ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";
    if (auto set = database_.execute(level); !set) return set;
    synced_for_ = durability;
  }
  if (auto begun = writes_->begin.run(); !begun) return begun;
  const auto all = [&]() -> Result<void> {
    for (const auto& change : changes)
      if (auto applied = apply(change); !applied) return applied;
    return writes_->commit.run();
  };
  auto written = all();
  // SQLite has rolled back by itself after some errors; then there is nothing left to roll back.
  if (!written) (void)database_.execute("ROLLBACK");
  if (written) note_ended(changes);
  return written;
}

void JournalStore::note_ended(const std::vector<JournalChange>& changes) {
  if (!ended_) return;
  for (const auto& change : changes) {
    // What state it was in before is not known here.
    if (change.forgotten || change.reopened) return ended_.reset();
    const auto state = change.end ? change.end->state : change.added ? change.added->state : JobState::queued;
    if (is_final(state)) ++(state == JobState::dead ? ended_->dead : ended_->others);
  }
}

Result<JournalStore::Ended> JournalStore::count_ended() {
  if (ended_) return *ended_;
  const auto dead = database_.integer_of("SELECT count(*) FROM job WHERE state = 4");
  if (!dead) return std::unexpected(dead.error());
  const auto others = database_.integer_of("SELECT count(*) FROM job WHERE state IN (1, 2, 3)");
  if (!others) return std::unexpected(others.error());
  ended_ = {*dead, *others};
  return *ended_;
}

Result<void> JournalStore::apply(const JournalChange& change) {
  const auto number = signed_number(change.number);
  if (change.forgotten) {
    if (auto gone = writes_->forget.bind(1, number).run(); !gone) return gone;
    return writes_->forget_attempts.bind(1, number).run();
  }
  if (change.added)
    if (auto added = add(*change.added, change.end); !added) return added;
  if (change.reopened && !change.end)
    if (auto reopened = writes_->reopen.bind(1, number).run(); !reopened) return reopened;
  if (change.earlier_ended)
    if (auto ended = end_attempt(change.number, *change.earlier_ended); !ended) return ended;
  for (const auto& attempt : change.attempts)
    if (auto added = add_attempt(change.number, attempt); !added) return added;
  if (change.end && !change.added) return end(*change.end);
  return {};
}

Result<void> JournalStore::add(const JournalRecord& record, const std::optional<JournalEnd>& end) {
  Statement& to = writes_->add;
  to.bind(1, signed_number(record.number))
      .bind(2, record.operation)
      .bind(3, static_cast<std::int64_t>(record.priority))
      .bind(4, static_cast<std::int64_t>(record.durability))
      .bind(5, number_of(end ? end->state : record.state));
  if (record.idempotency_key.empty()) {
    to.bind_null(6);
  } else {
    to.bind(6, record.idempotency_key);
  }
  to.bind(7, record.request)
      .bind(8, record.queue)
      .bind(9, micros(record.created))
      .bind(10, micros(end ? end->started : record.started))
      .bind(11, end ? std::optional{micros(end->finished)} : micros(record.finished))
      .bind(12, static_cast<std::int64_t>(end ? end->attempts : record.attempts));
  bind_error(to, 13, end ? end->error : record.error);
  to.bind(15, end ? end->stderr_tail : record.stderr_tail).bind(16, end ? end->result : record.result);
  return to.run();
}

Result<void> JournalStore::add_attempt(std::uint64_t number, const JournalAttempt& attempt) {
  Statement& to = writes_->add_attempt;
  to.bind(1, signed_number(number))
      .bind(2, attempt.worker)
      .bind(3, attempt.why)
      .bind(4, micros(attempt.started))
      .bind(5, micros(attempt.ended));
  bind_error(to, 6, attempt.error);
  to.bind(8, attempt.stderr_tail).bind(9, std::int64_t{attempt.charged});
  return to.run();
}

Result<void> JournalStore::end_attempt(std::uint64_t number, const JournalAttempt& attempt) {
  Statement& to = writes_->end_attempt;
  to.bind(1, signed_number(number)).bind(2, micros(attempt.ended));
  bind_error(to, 3, attempt.error);
  to.bind(5, attempt.stderr_tail).bind(6, std::int64_t{attempt.charged});
  return to.run();
}

Result<void> JournalStore::end(const JournalEnd& end) {
  Statement& to = writes_->end;
  to.bind(1, signed_number(end.number))
      .bind(2, number_of(end.state))
      .bind(3, micros(end.started))
      .bind(4, micros(end.finished))
      .bind(5, static_cast<std::int64_t>(end.attempts));
  bind_error(to, 6, end.error);
  to.bind(8, end.stderr_tail).bind(9, end.result);
  return to.run();
}

Result<std::vector<std::uint64_t>> JournalStore::forget_old(const JournalRetention& retention, WallTime now,
                                                            std::size_t most) {
  std::vector<std::uint64_t> gone;
  const auto oldest = micros(now - std::chrono::floor<std::chrono::microseconds>(retention.age));
  auto ended = count_ended();
  if (!ended) return std::unexpected(ended.error());
  for (auto [states, count] : {std::pair{"state IN (1, 2, 3)", &ended->others}, std::pair{"state = 4", &ended->dead}}) {
    const auto over = std::max<std::int64_t>(*count - static_cast<std::int64_t>(retention.count), 0);
    auto statement = database_.prepare(
        fmt::format("SELECT number FROM (SELECT number, finished, row_number() OVER (ORDER BY finished) AS place FROM "
                    "job WHERE {} ORDER BY finished LIMIT ?1) WHERE place <= ?2 OR finished < ?3",
                    states));
    if (!statement) return std::unexpected(statement.error());
    statement->bind(1, static_cast<std::int64_t>(most)).bind(2, over).bind(3, oldest);
    while (true) {
      auto row = statement->step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      gone.push_back(static_cast<std::uint64_t>(statement->integer(0)));
      --*count;
    }
  }
  std::vector<JournalChange> changes;
  for (const auto number : gone) changes.push_back({.number = number, .forgotten = true});
  if (!changes.empty()) {
    if (auto written = write(changes, Durability::process); !written) return std::unexpected(written.error());
    ended_ = *ended;
  }
  return gone;
}

Result<void> JournalStore::shrink() {
  const auto free = database_.integer_of("PRAGMA freelist_count");
  if (!free) return std::unexpected(free.error());
  const auto pages = database_.integer_of("PRAGMA page_count");
  if (!pages) return std::unexpected(pages.error());
  if (*free < 256 || *free * 4 < *pages) return {};
  return database_.execute("PRAGMA incremental_vacuum(256)");
}

// ---- reading -----------------------------------------------------------------------------------------------------

Result<std::vector<JournalRecord>> JournalStore::read_all(Statement& statement) {
  std::vector<JournalRecord> records;
  while (true) {
    auto row = statement.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return records;
    records.push_back(record_of(statement));
  }
}

Result<std::optional<JournalRecord>> JournalStore::find(std::uint64_t number) {
  auto statement = database_.prepare(fmt::format("SELECT {} FROM job WHERE number = ?1", job_columns));
  if (!statement) return std::unexpected(statement.error());
  statement->bind(1, signed_number(number));
  auto found = read_all(*statement);
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

Result<std::optional<JournalRecord>> JournalStore::find_key(std::string_view idempotency_key) {
  auto statement = database_.prepare(
      fmt::format("SELECT {} FROM job WHERE idempotency_key = ?1 ORDER BY number DESC LIMIT 1", job_columns));
  if (!statement) return std::unexpected(statement.error());
  statement->bind(1, idempotency_key);
  auto found = read_all(*statement);
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

Result<std::vector<JournalRecord>> JournalStore::ended(const JournalFilter& filter) {
  if (filter.state && number_of(*filter.state) == open_state) return std::vector<JournalRecord>{};
  std::string sql = fmt::format("SELECT {} FROM job WHERE number < ?1 AND ", job_columns);
  sql += filter.state ? fmt::format("state = {}", number_of(*filter.state)) : "state <> 0";
  if (!filter.operation.empty()) sql += " AND operation = ?3";
  sql += " ORDER BY number DESC LIMIT ?2";
  auto statement = database_.prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  statement->bind(1, filter.before ? signed_number(*filter.before) : std::numeric_limits<std::int64_t>::max())
      .bind(2, static_cast<std::int64_t>(filter.limit));
  if (!filter.operation.empty()) statement->bind(3, filter.operation);
  return read_all(*statement);
}

Result<std::vector<JournalRecord>> JournalStore::unfinished() {
  auto statement =
      database_.prepare(fmt::format("SELECT {}, "
                                    "(SELECT count(*) FROM attempt a WHERE a.number = job.number AND a.ordinal > "
                                    "job.first_attempt AND a.charged = 1), "
                                    "(SELECT count(*) FROM attempt a WHERE a.number = job.number AND a.ordinal > "
                                    "job.first_attempt AND a.charged = 1 AND a.error_code = 'crashed') "
                                    "FROM job WHERE state = 0 ORDER BY number",
                                    job_columns));
  if (!statement) return std::unexpected(statement.error());
  std::vector<JournalRecord> records;
  while (true) {
    auto row = statement->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return records;
    auto& record = records.emplace_back(record_of(*statement));
    record.attempts = static_cast<unsigned>(statement->integer(16));
    record.crashes = static_cast<unsigned>(statement->integer(17));
  }
}

Result<std::vector<JournalAttempt>> JournalStore::attempts(std::uint64_t number) {
  auto statement = database_.prepare(
      "SELECT worker, why, started, ended, error_code, error_message, stderr, charged FROM attempt WHERE number = ?1 "
      "ORDER BY ordinal");
  if (!statement) return std::unexpected(statement.error());
  statement->bind(1, signed_number(number));
  std::vector<JournalAttempt> attempts;
  while (true) {
    auto row = statement->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return attempts;
    attempts.push_back({.worker = statement->text(0),
                        .why = statement->text(1),
                        .started = time_of(statement->integer(2)),
                        .ended = optional_time(*statement, 3),
                        .error = optional_error(*statement, 4),
                        .stderr_tail = statement->text(6),
                        .charged = statement->integer(7) != 0});
  }
}

Result<std::uint64_t> JournalStore::largest_number() {
  const auto largest = database_.integer_of("SELECT coalesce(max(number), 0) FROM job");
  if (!largest) return std::unexpected(largest.error());
  return static_cast<std::uint64_t>(*largest);
}

Result<void> JournalStore::limit_pages(std::int64_t pages) {
  return database_.execute(fmt::format("PRAGMA max_page_count = {}", pages));
}

}  // namespace hotwell::pool

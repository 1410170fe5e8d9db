#include "pool/journal.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "host/clock.hpp"
#include "pool/job_id.hpp"

namespace hotwell::pool {
namespace {

constexpr auto tidy_interval = std::chrono::seconds{1};
constexpr auto retry_interval = std::chrono::seconds{1};
/// While so many jobs have not ended, a commit begins no sooner than this after the one before: a commit of twenty jobs
/// costs little more than one of two, and what it saves is processor time that the jobs need. Who waits for few jobs
/// waits for no company.
constexpr std::size_t crowd = 64;
constexpr auto gathering = std::chrono::microseconds{300};
constexpr std::size_t forget_at_once = 200;  ///< and twice what came: it keeps up with any load

Result<void> make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return std::unexpected(system_error(error.value(), fmt::format("making {}", directory.string())));
  return {};
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(JournalOptions options) {
  if (auto made = make_directory(options.directory); !made) return std::unexpected(made.error());
  const auto file = options.directory / "jobs.sqlite";
  auto writer = JournalStore::open(file, JournalStore::Access::write);
  if (!writer)
    return fail(writer.error().code, fmt::format("the journal cannot be opened: {}", writer.error().message));
  auto reader = JournalStore::open(file, JournalStore::Access::read);
  if (!reader) return std::unexpected(reader.error());
  const auto last = reader->largest_number();
  if (!last) return std::unexpected(last.error());
  // Even where the clock was set back since: no new job gets an old one's id.
  job_numbers_after(*last);
  return std::unique_ptr<Journal>(new Journal(std::move(options), std::move(*writer), std::move(*reader)));
}

Journal::Journal(JournalOptions options, JournalStore writer, JournalStore reader)
    : options_(std::move(options)), writer_(std::move(writer)), reader_(std::move(reader)) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Journal::~Journal() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

// ---- the callers' side -------------------------------------------------------------------------------------------

void Journal::push(Entry entry) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_new = std::holds_alternative<Add>(entry.what);
    if (!is_new || queue_.size() < options_.queue_limit) {
      queue_.push_back(std::move(entry));
      if (queue_.size() == 1) wake_.notify_one();
      return;
    }
  }
  boost::asio::post(options_.executor, [committed = std::move(entry.committed), limit = options_.queue_limit] {
    committed(fail(Code::overloaded, fmt::format("the journal is {} entries behind", limit)));
  });
}

void Journal::add(JournalRecord record, Committed committed) {
  const auto number = record.number;
  const auto durability = record.durability;
  push({number, durability, Add{std::move(record)}, std::move(committed)});
}

void Journal::begin_attempt(std::uint64_t number, JournalAttempt attempt) {
  push({number, Durability::process, BeginAttempt{std::move(attempt)}, {}});
}

void Journal::end_attempt(std::uint64_t number, JournalAttempt attempt) {
  push({number, Durability::process, EndAttempt{std::move(attempt)}, {}});
}

void Journal::end(JournalEnd end, Durability durability, Committed committed) {
  const auto number = end.number;
  push({number, durability, EndJob{std::move(end)}, std::move(committed)});
}

void Journal::reopen(std::uint64_t number, Durability durability, Committed committed) {
  push({number, durability, Reopen{}, std::move(committed)});
}

void Journal::forget(std::uint64_t number) { push({number, Durability::process, Forget{}, {}}); }
void Journal::barrier(Committed committed) { push({0, Durability::process, Barrier{}, std::move(committed)}); }
void Journal::tidy(Committed committed) { push({0, Durability::process, Tidy{}, std::move(committed)}); }
void Journal::limit_pages(std::int64_t pages) { push({0, Durability::process, LimitPages{pages}, {}}); }

// ---- the journal's thread ----------------------------------------------------------------------------------------

JournalChange& Journal::Batch::change(std::uint64_t number) {
  const auto [place, is_new] = at.try_emplace(number, changes.size());
  if (is_new) changes.push_back({.number = number});
  return changes[place->second];
}

void Journal::Batch::drop(std::uint64_t number) {
  const auto place = at.find(number);
  if (place == at.end()) return;
  const auto index = place->second;
  at.erase(place);
  if (index + 1 < changes.size()) {
    changes[index] = std::move(changes.back());
    at[changes[index].number] = index;
  }
  changes.pop_back();
}

void Journal::run() {
  ::pthread_setname_np(::pthread_self(), "hotwell-journal");
  using Clock = std::chrono::steady_clock;
  auto tidy_at = Clock::now() + tidy_interval;
  auto wrote_at = Clock::now();
  Batch batch;  // outlives a transaction that failed
  bool last = false;
  while (!last) {
    std::vector<Entry> taken;
    {
      std::unique_lock lock(mutex_);
      const auto until = batch.changes.empty() ? tidy_at : std::min(tidy_at, Clock::now() + retry_interval);
      wake_.wait_until(lock, until, [this] { return stopping_ || !queue_.empty(); });
      if (open_ >= crowd) wake_.wait_until(lock, wrote_at + gathering, [this] { return stopping_; });
      taken.swap(queue_);
      last = stopping_;
    }
    for (auto& entry : taken) merge(std::move(entry), batch);
    wrote_at = Clock::now();
    if (write(batch) || batch.changes.empty()) {
      if (!batch.tidy) tell(batch);  // nobody waits for what is forgotten
      if (batch.tidy || Clock::now() >= tidy_at) {
        const bool done = forget_old(forget_at_once + 2 * batch.changes.size());
        tidy_at = Clock::now() + (done ? tidy_interval : Clock::duration{});
      }
      tell(batch);
      batch = {};
    }
  }
  if (!batch.changes.empty())
    base::log().warn("journal: the ends of {} jobs could not be written; these jobs will run again",
                     batch.changes.size());
}

void Journal::merge(Entry&& entry, Batch& batch) {
  if (entry.committed) batch.waiting.emplace_back(entry.number, std::move(entry.committed));
  if (std::holds_alternative<Barrier>(entry.what)) return;
  if (std::holds_alternative<Tidy>(entry.what)) {
    batch.tidy = true;
    return;
  }
  if (const auto* limit = std::get_if<LimitPages>(&entry.what)) {
    (void)writer_.limit_pages(limit->pages);
    return;
  }
  const bool for_power = entry.durability == Durability::power;
  if (for_power) batch.durability = Durability::power;
  JournalChange& change = batch.change(entry.number);
  if (auto* add = std::get_if<Add>(&entry.what)) {
    batch.results = batch.results || (for_power && add->record.result_stored);
    if (!is_final(add->record.state)) ++open_;
    change.added = std::move(add->record);
  } else if (auto* begun = std::get_if<BeginAttempt>(&entry.what)) {
    // One that was not ended was lost with the spawner: its job went back to the queue uncharged.
    auto lost = begun->attempt;
    lost.ended = lost.started;
    lost.error = Error{Code::crashed, "the spawner ended while it ran", nullptr};
    lost.charged = false;
    if (change.attempts.empty()) {
      if (!change.added && !change.earlier_ended) change.earlier_ended = std::move(lost);
    } else if (auto& before = change.attempts.back(); !before.ended) {
      before.ended = lost.ended;
      before.error = std::move(lost.error);
      before.charged = false;
    }
    change.attempts.push_back(std::move(begun->attempt));
  } else if (auto* ended = std::get_if<EndAttempt>(&entry.what)) {
    if (change.attempts.empty()) {
      if (!change.added) change.earlier_ended = std::move(ended->attempt);
    } else {
      auto& attempt = change.attempts.back();
      attempt.ended = ended->attempt.ended;
      attempt.error = std::move(ended->attempt.error);
      attempt.stderr_tail = std::move(ended->attempt.stderr_tail);
      attempt.charged = ended->attempt.charged;
    }
  } else if (auto* end = std::get_if<EndJob>(&entry.what)) {
    batch.results = batch.results || (for_power && end->end.result_stored);
    if (open_ > 0) --open_;
    change.end = std::move(end->end);
  } else if (std::holds_alternative<Reopen>(entry.what)) {
    change.end.reset();
    change.reopened = true;
    ++open_;
  } else {
    if (change.added) {
      if (open_ > 0) --open_;
      batch.drop(entry.number);
    } else {
      change.forgotten = true;
    }
  }
}

Result<void> Journal::write_all(const Batch& batch) {
  if (batch.results && options_.sync_results)
    if (auto synced = options_.sync_results(); !synced)
      return fail(synced.error().code == Code::internal ? Code::io : synced.error().code,
                  fmt::format("the results of jobs cannot be taken to their medium: {}", synced.error().message));
  return writer_.write(batch.changes, batch.durability);
}

/// True when everything of the batch is committed. Else what was new is refused and the rest stays for another time.
bool Journal::write(Batch& batch) {
  if (batch.changes.empty()) return true;
  const auto written = write_all(batch);
  if (written) {
    if (std::exchange(failing_, false)) base::log().info("journal: written again");
    return true;
  }
  if (written.error().code == Code::internal) return write_one_by_one(batch);
  if (!std::exchange(failing_, true))
    base::log().error("journal: {}; new jobs are refused, what has ended is tried again", to_string(written.error()));
  refuse_new(batch, written.error());
  return false;
}

/// One change that SQLite will never take must not hold up the others: each has a transaction of its own.
bool Journal::write_one_by_one(Batch& batch) {
  auto changes = std::exchange(batch.changes, {});
  batch.at.clear();
  for (auto& change : changes) {
    const auto written = writer_.write({change}, batch.durability);
    if (written) continue;
    if (written.error().code == Code::internal) {
      base::log().error("journal: job {}: {}", to_job_id(change.number), to_string(written.error()));
      if (change.added) {
        for (auto& [number, committed] : batch.waiting)
          if (number == change.number && committed)
            boost::asio::post(options_.executor, [told = std::exchange(committed, nullptr), error = written.error()] {
              told(std::unexpected(error));
            });
      }
      continue;
    }
    batch.at[change.number] = batch.changes.size();
    batch.changes.push_back(std::move(change));
  }
  return batch.changes.empty();
}

void Journal::refuse_new(Batch& batch, const Error& error) {
  std::vector<Committed> refused;
  std::vector<std::pair<std::uint64_t, Committed>> staying;
  for (auto& [number, committed] : batch.waiting) {
    const auto place = batch.at.find(number);
    const auto* change = place == batch.at.end() ? nullptr : &batch.changes[place->second];
    const bool is_new = change && (change->added || (change->reopened && !change->end));
    (is_new ? refused.emplace_back(std::move(committed)) : staying.emplace_back(number, std::move(committed)).second);
  }
  batch.waiting = std::move(staying);
  std::vector<std::uint64_t> dropped;
  for (const auto& change : batch.changes)
    if (change.added || (change.reopened && !change.end)) dropped.push_back(change.number);
  for (const auto number : dropped) batch.drop(number);
  open_ -= std::min(open_, dropped.size());
  if (batch.changes.empty()) batch.durability = Durability::process;
  if (refused.empty()) return;
  boost::asio::post(options_.executor, [refused = std::move(refused), error] {
    for (const auto& committed : refused) committed(std::unexpected(error));
  });
}

void Journal::tell(Batch& batch) {
  if (batch.waiting.empty()) return;
  boost::asio::post(options_.executor, [waiting = std::exchange(batch.waiting, {})] {
    for (const auto& [number, committed] : waiting)
      if (committed) committed({});
  });
}

bool Journal::forget_old(std::size_t at_once) {
  while (true) {
    const auto gone = writer_.forget_old(options_.retention, host::system_clock().wall(), at_once);
    if (!gone) {
      base::log().warn("journal: forgetting old jobs: {}", to_string(gone.error()));
      return true;
    }
    if (gone->empty()) break;
    if (options_.forgotten) options_.forgotten(*gone);
    const std::lock_guard lock(mutex_);
    if (!queue_.empty()) return false;
  }
  if (auto shrunk = writer_.shrink(); !shrunk) base::log().warn("journal: {}", to_string(shrunk.error()));
  return true;
}

// ---- reading -----------------------------------------------------------------------------------------------------

Result<std::optional<JournalRecord>> Journal::find(std::uint64_t number) const {
  const std::lock_guard lock(reading_);
  return reader_.find(number);
}
Result<std::optional<JournalRecord>> Journal::find_key(std::string_view idempotency_key) const {
  const std::lock_guard lock(reading_);
  return reader_.find_key(idempotency_key);
}
Result<std::vector<JournalRecord>> Journal::ended(const JournalFilter& filter) const {
  const std::lock_guard lock(reading_);
  return reader_.ended(filter);
}
Result<std::vector<JournalRecord>> Journal::unfinished() const {
  const std::lock_guard lock(reading_);
  return reader_.unfinished();
}
Result<std::vector<JournalAttempt>> Journal::attempts(std::uint64_t number) const {
  const std::lock_guard lock(reading_);
  return reader_.attempts(number);
}

}  // namespace hotwell::pool

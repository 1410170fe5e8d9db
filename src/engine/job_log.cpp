#include "engine/job_log.hpp"

#include "base/assert.hpp"
#include "base/log.hpp"
#include "engine/job_text.hpp"
#include "pool/job_id.hpp"

namespace hotwell::engine {
namespace {

std::uint64_t number_of(std::string_view id) {
  const auto number = pool::parse_job_id(id);
  HOTWELL_ASSERT(number.has_value());
  return *number;
}

Result<std::optional<LoggedJob>> optional_job(Result<std::optional<pool::JournalRecord>> found) {
  if (!found) return std::unexpected(found.error());
  if (!*found) return std::nullopt;
  auto job = logged_job(std::move(**found));
  if (!job) return std::unexpected(job.error());
  return std::move(*job);
}

}  // namespace

Result<LoggedJob> logged_job(pool::JournalRecord record) {
  auto request = request_of(record.request);
  if (!request) return std::unexpected(request.error());
  request->operation = record.operation;
  request->priority = record.priority;
  request->idempotency_key = record.idempotency_key;
  request->durability = record.durability;
  LoggedJob job{.durability = record.durability, .crashes = record.crashes, .behind = behind_of(record.queue)};
  job.record = {.id = pool::to_job_id(record.number),
                .operation = std::move(record.operation),
                .input = input_text(request->input),
                .params = request->params,
                .priority = record.priority,
                .tenant = request->tenant,
                .state = record.state,
                .progress = record.state == JobState::completed ? 1.0 : 0.0,
                .attempts = record.attempts,
                .created_at = record.created,
                .started_at = record.started,
                .finished_at = record.finished,
                .error = std::move(record.error),
                .stderr_tail = std::move(record.stderr_tail),
                .result = {}};
  if (record.state == JobState::completed) {
    auto result = result_of(record.result);
    if (!result) return std::unexpected(result.error());
    job.record.result = std::move(*result);
  }
  job.request = std::move(*request);
  return job;
}

Result<std::unique_ptr<JobLog>> JobLog::open(const std::filesystem::path& directory, pool::JournalRetention retention,
                                             boost::asio::any_io_executor engine_thread,
                                             std::function<Result<void>()> sync_results) {
  auto uploads = KeptUploads::open(directory / "uploads");
  if (!uploads) return std::unexpected(uploads.error());
  std::unique_ptr<JobLog> log(new JobLog(std::move(*uploads)));
  auto journal = pool::Journal::open({.directory = directory,
                                      .executor = std::move(engine_thread),
                                      .retention = retention,
                                      .sync_results = std::move(sync_results),
                                      .forgotten = [kept = log->uploads_](const std::vector<std::uint64_t>& gone) {
                                        for (const auto number : gone) kept.remove(pool::to_job_id(number));
                                      }});
  if (!journal) return std::unexpected(journal.error());
  log->journal_ = std::move(*journal);
  return log;
}

void JobLog::add(const JobRecord& record, const JobRequest& request, Durability durability, const QueuedBehind& behind,
                 Committed committed) {
  pool::JournalRecord entry{.number = number_of(record.id),
                            .operation = record.operation,
                            .priority = record.priority,
                            .durability = durability,
                            .state = record.state,
                            .idempotency_key = request.idempotency_key,
                            .request = to_text(request),
                            .queue = to_text(behind),
                            .created = record.created_at,
                            .started = record.started_at,
                            .finished = record.finished_at,
                            .attempts = record.attempts,
                            .error = record.error,
                            .stderr_tail = record.stderr_tail};
  if (record.result) entry.result = to_text(*record.result);
  entry.result_stored = record.result && !record.result->key.empty();
  journal_->add(std::move(entry), std::move(committed));
}

void JobLog::begin_attempt(std::string_view id, JobAttempt attempt) {
  journal_->begin_attempt(number_of(id), std::move(attempt));
}

void JobLog::end_attempt(std::string_view id, JobAttempt attempt) {
  journal_->end_attempt(number_of(id), std::move(attempt));
}

void JobLog::end(const JobRecord& record, Durability durability, Committed committed) {
  HOTWELL_ASSERT(is_final(record.state) && record.finished_at);
  pool::JournalEnd end{.number = number_of(record.id),
                       .state = record.state,
                       .started = record.started_at,
                       .finished = *record.finished_at,
                       .attempts = record.attempts,
                       .error = record.error,
                       .stderr_tail = record.stderr_tail};
  if (record.result) end.result = to_text(*record.result);
  end.result_stored = record.result && !record.result->key.empty();
  journal_->end(std::move(end), durability, std::move(committed));
}

void JobLog::reopen(std::string_view id, Durability durability, Committed committed) {
  journal_->reopen(number_of(id), durability, std::move(committed));
}

void JobLog::forget(std::string_view id) { journal_->forget(number_of(id)); }

Result<std::optional<LoggedJob>> JobLog::find(std::string_view id) const {
  const auto number = pool::parse_job_id(id);
  if (!number) return std::nullopt;
  return optional_job(journal_->find(*number));
}

Result<std::optional<LoggedJob>> JobLog::find_key(std::string_view idempotency_key) const {
  return optional_job(journal_->find_key(idempotency_key));
}

Result<std::vector<LoggedJob>> JobLog::unfinished() const {
  auto records = journal_->unfinished();
  if (!records) return std::unexpected(records.error());
  std::vector<LoggedJob> jobs;
  for (auto& record : *records) {
    const auto number = record.number;
    auto job = logged_job(std::move(record));
    if (job) {
      jobs.push_back(std::move(*job));
    } else {
      base::log().error("job {} is left in the journal: {}", pool::to_job_id(number), to_string(job.error()));
    }
  }
  return jobs;
}

Result<std::vector<JobRecord>> JobLog::ended(const JobFilter& filter, std::string_view before,
                                             std::size_t limit) const {
  pool::JournalFilter wanted{.state = filter.state, .operation = filter.operation, .limit = limit};
  if (!before.empty()) wanted.before = pool::parse_job_id(before);
  auto records = journal_->ended(wanted);
  if (!records) return std::unexpected(records.error());
  std::vector<JobRecord> jobs;
  for (auto& record : *records) {
    auto job = logged_job(std::move(record));
    if (!job) return std::unexpected(job.error());
    jobs.push_back(std::move(job->record));
  }
  return jobs;
}

Result<std::vector<JobAttempt>> JobLog::attempts(std::string_view id) const {
  const auto number = pool::parse_job_id(id);
  if (!number) return std::vector<JobAttempt>{};
  return journal_->attempts(*number);
}

void JobLog::sweep_uploads() const {
  uploads_.remove_all_but([this](std::string_view id) {
    const auto number = pool::parse_job_id(id);
    const auto job = number ? journal_->find(*number) : Result<std::optional<pool::JournalRecord>>{};
    return !job || (*job && (*job)->state != JobState::completed);
  });
}

}  // namespace hotwell::engine

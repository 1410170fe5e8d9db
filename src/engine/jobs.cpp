// Accepting, running and ending jobs; jobs_asking.cpp answers who asks about them.
#include "engine/jobs.hpp"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "cache/tiered_cache.hpp"
#include "engine/job_text.hpp"
#include "pool/job_id.hpp"

namespace hotwell::engine {
namespace {

constexpr auto release_interval = std::chrono::seconds{1};

void copy_progress(const Progress& progress, JobRecord& record) {
  record.state = progress.state;
  record.progress = progress.fraction;
  record.attempts = progress.attempts;
  if (progress.started_at) record.started_at = progress.started_at;
}

bool is_refusal(const Result<Object>& result) {
  return !result && (result.error().code == Code::overloaded || result.error().code == Code::draining);
}

std::unexpected<Error> another_request(const std::string& key, std::string_view id) {
  return fail(Code::invalid_argument,
              fmt::format("the idempotency key \"{}\" belongs to another request (job {})", key, id));
}

JobRecord new_record(const std::string& id, const JobRequest& request, WallTime now) {
  JobRecord record{.id = id, .operation = request.operation};
  record.input = input_text(request.input);
  record.params = request.params;
  record.priority = request.priority;
  record.tenant = request.tenant;
  record.created_at = now;
  return record;
}

void complete(JobRecord& record, const Object& object, std::optional<Level> cached, WallTime now) {
  record.state = JobState::completed;
  record.progress = 1;
  record.finished_at = now;
  record.result = JobRecord::ResultInfo{std::string(object.key), object.size().value_or(0),
                                        std::string(object.content_type), cached};
}

}  // namespace

Jobs::Jobs(Options options, const Requests& requests, Computations& computations, Cache& cache, WorkerPool& pool,
           JobLog* log, const host::Clock& clock)
    : options_(options),
      requests_(requests),
      computations_(computations),
      cache_(cache),
      pool_(pool),
      log_(log),
      engine_thread_(pool.executor()),
      clock_(clock),
      table_(options.table, clock),
      releasing_(std::make_unique<boost::asio::steady_timer>(engine_thread_)) {}

Result<void> Jobs::start() {
  release_later();
  if (!log_) return {};
  auto jobs = log_->unfinished();
  if (!jobs) return std::unexpected(jobs.error());
  if (!jobs->empty()) base::log().info("taking up {} jobs that the journal has unfinished", jobs->size());
  for (auto& job : *jobs) take_up(std::move(job));
  boost::asio::post(reading_, [this] { log_->sweep_uploads(); });
  return {};
}

void Jobs::stop() {
  releasing_.reset();
  live_.clear();
  reading_.join();
}

void Jobs::release_later() {
  if (!releasing_) return;
  table_.release_expired();
  releasing_->expires_after(release_interval);
  releasing_->async_wait([this](boost::system::error_code error) {
    if (!error) release_later();
  });
}

// ---- accepting ---------------------------------------------------------------------------------------------------

Durability Jobs::durability_of(const Ask& ask) const {
  if (!log_ || !can_outlive(ask.request)) return Durability::memory;
  if (ask.request.durability) return *ask.request.durability;
  return ask.operation->durability.value_or(options_.durability);
}

QueuedBehind Jobs::behind() const {
  const PoolStats stats = pool_.stats();
  const auto& waiting = stats.queue.by_priority;
  return {{waiting.high, waiting.normal, waiting.low}, stats.workers.busy, stats.workers.max};
}

void Jobs::submit(JobRequest request, Accepted accepted) {
  auto prepared = requests_.prepare(std::move(request));
  if (!prepared) return accepted(std::unexpected(prepared.error()));
  prepared->durability = durability_of(*prepared);
  std::string id = pool::to_job_id(pool::next_job_number());
  const bool has_key = log_ && !prepared->request.idempotency_key.empty();
  const bool has_upload =
      prepared->durability != Durability::memory && std::holds_alternative<InputUpload>(prepared->request.input);
  if (!has_key && !has_upload)
    return boost::asio::post(engine_thread_, [this, id = std::move(id), ask = std::move(*prepared),
                                              accepted = std::move(accepted)]() mutable {
      admit(id, std::move(ask), std::nullopt, std::move(accepted));
    });
  boost::asio::post(reading_, [this, id = std::move(id), ask = std::move(*prepared), accepted = std::move(accepted),
                               has_upload]() mutable {
    Result<std::optional<LoggedJob>> logged;
    if (log_ && !ask.request.idempotency_key.empty()) logged = log_->find_key(ask.request.idempotency_key);
    if (logged && !*logged && has_upload) {
      const auto kept = log_->uploads().keep(id, std::get<InputUpload>(ask.request.input), ask.durability);
      if (!kept) logged = std::unexpected(kept.error());
    }
    boost::asio::post(engine_thread_, [this, id = std::move(id), ask = std::move(ask), logged = std::move(logged),
                                       accepted = std::move(accepted)]() mutable {
      if (!logged) return accepted(std::unexpected(logged.error()));
      admit(id, std::move(ask), std::move(*logged), std::move(accepted));
    });
  });
}

void Jobs::admit(const std::string& id, Ask ask, std::optional<LoggedJob> known, Accepted accepted) {
  const auto drop_upload = [this, id, durability = ask.durability,
                            has_one = std::holds_alternative<InputUpload>(ask.request.input)] {
    if (has_one && durability != Durability::memory)
      boost::asio::post(reading_, [this, id] { log_->uploads().remove(id); });
  };
  auto mine = table_.find_idempotent(ask.request);
  if (!mine || *mine || known) drop_upload();
  if (!mine) return accepted(std::unexpected(mine.error()));
  if (*mine) {
    if (!log_) return accepted(std::move(**mine));
    // It may be on its way into the journal: it is accepted when that is committed, for whoever asks.
    return log_->barrier([this, first = (*mine)->id, accepted = std::move(accepted)](const Result<void>&) {
      auto record = table_.find(first);
      if (!record) return accepted(fail(Code::unavailable, "the request with this idempotency key was refused"));
      accepted(std::move(*record));
    });
  }
  if (known) {
    if (!same_request(known->request, ask.request))
      return accepted(another_request(ask.request.idempotency_key, known->record.id));
    return accepted(std::move(known->record));
  }
  table_.add(new_record(id, ask.request, clock_.wall()), ask.request);
  live_[id] = {.durability = ask.durability, .behind = behind()};
  run(id, std::move(ask), std::move(accepted), [this, id, drop_upload] {
    table_.remove(id);
    drop_upload();
  });
}

void Jobs::retry(std::string_view id, Accepted accepted) {
  if (!log_ || table_.find(id))
    return boost::asio::post(engine_thread_, [this, id = std::string(id), accepted = std::move(accepted)]() mutable {
      resubmit(id, std::move(accepted));
    });
  boost::asio::post(reading_, [this, id = std::string(id), accepted = std::move(accepted)]() mutable {
    auto logged = recall(id);
    boost::asio::post(engine_thread_, [this, id, logged = std::move(logged), accepted = std::move(accepted)]() mutable {
      if (!logged) return accepted(std::unexpected(logged.error()));
      if (is_final(logged->record.state)) table_.restore(std::move(logged->record), std::move(logged->request));
      resubmit(id, std::move(accepted));
    });
  });
}

void Jobs::resubmit(const std::string& id, Accepted accepted) {
  auto request = table_.request(id);
  const auto before = table_.find(id);
  if (!request || !before) return accepted(known(id));
  if (auto reopened = table_.reopen(id); !reopened) return accepted(std::unexpected(reopened.error()));
  const auto undo = [this, before] { table_.end(before->id, [&](JobRecord& record) { record = *before; }); };
  const auto prepare = [&]() -> Result<Ask> {
    if (auto* upload = std::get_if<InputUpload>(&request->input); upload && !upload->file) {
      if (!log_) return fail(Code::result_gone, fmt::format("the upload of job {} is no longer held", id));
      auto kept = log_->uploads().find(id);
      if (!kept) return std::unexpected(kept.error());
      upload->file = std::move(*kept);
    }
    return requests_.prepare(std::move(*request));
  };
  auto ask = prepare();
  if (!ask) {
    undo();
    return accepted(std::unexpected(ask.error()));
  }
  cache_.impl().failures().forget(ask->key);  // whoever asks for another run means it
  ask->durability = durability_of(*ask);
  Live& live = live_[id];
  live = {.durability = ask->durability, .behind = behind()};
  live.entered = live.reopening = live.durability != Durability::memory;
  run(id, std::move(*ask), std::move(accepted), undo);
}

/// A job that was accepted before this process began.
void Jobs::take_up(LoggedJob job) {
  const std::string id = job.record.id;
  Live& live = live_[id];
  live = {.durability = job.durability, .behind = job.behind.value_or(QueuedBehind{}), .entered = true};
  JobRecord record = job.record;
  table_.add(job.record, job.request);
  const auto prepare = [&]() -> Result<Ask> {
    if (auto* upload = std::get_if<InputUpload>(&job.request.input)) {
      auto kept = log_->uploads().find(id);
      if (!kept) return std::unexpected(kept.error());
      upload->file = std::move(*kept);
    }
    return requests_.prepare(std::move(job.request));
  };
  auto ask = prepare();
  if (!ask) {
    record.state = JobState::failed;
    record.finished_at = clock_.wall();
    record.error = ask.error();
    return conclude(id, std::move(record), {}, [](const Result<void>&) {});
  }
  ask->durability = job.durability;
  ask->past = JobPast{.attempts = job.record.attempts, .crashes = job.crashes};
  run(id, std::move(*ask), [](const Result<JobRecord>&) {}, [] {});
}

// ---- running -----------------------------------------------------------------------------------------------------

void Jobs::run(const std::string& id, Ask ask, Accepted accepted, std::function<void()> undo) {
  const auto acceptance = std::make_shared<Acceptance>(std::move(accepted));
  live_.at(id).acceptance = acceptance;
  if (const auto object = requests_.remembered(ask)) {
    JobRecord record = *table_.find(id);
    complete(record, *object, object->level, clock_.wall());
    return conclude(id, std::move(record), *object, [this, id, acceptance, undo](const Result<void>& written) {
      if (!written) undo();
      acceptance->answer(written ? known(id) : std::unexpected(written.error()));
    });
  }
  live_.at(id).seat = computations_.ask(std::move(ask), id, asker(id, acceptance, std::move(undo)));
}

Asker Jobs::asker(const std::string& id, std::shared_ptr<Acceptance> acceptance, std::function<void()> undo) {
  Asker asker;
  asker.accepted = [this, id, acceptance, undo](const Progress&) {
    const auto live = live_.find(id);
    if (live == live_.end() || live->second.ending) return;  // the end answers
    if (live->second.durability == Durability::memory) return acceptance->answer(known(id));
    if (live->second.entered && !live->second.reopening) return;
    enter(id, [this, id, acceptance, undo](const Result<void>& written) {
      if (written) return acceptance->answer(known(id));
      const auto refused = live_.find(id);
      if (refused == live_.end()) return acceptance->answer(std::unexpected(written.error()));
      // Whatever its computation comes to: it was never accepted.
      acceptance->answer(std::unexpected(written.error()));
      refused->second.refused = written.error();
      if (refused->second.ending) return;
      live_.erase(refused);
      undo();
    });
  };
  asker.changed = [this, id](const Progress& progress) {
    table_.update(id, [&](JobRecord& record) { copy_progress(progress, record); });
  };
  asker.attempt_begun = [this, id](const Progress& progress) {
    const auto live = live_.find(id);
    if (live == live_.end() || !live->second.entered) return;
    live->second.in_attempt = true;
    log_->begin_attempt(id, {.worker = progress.worker, .why = progress.why, .started = clock_.wall()});
  };
  asker.attempt_failed = [this, id](const Error& error, const Progress& progress) {
    const auto live = live_.find(id);
    if (live == live_.end() || !std::exchange(live->second.in_attempt, false)) return;
    log_->end_attempt(id, {.ended = clock_.wall(), .error = error, .stderr_tail = progress.stderr_tail});
  };
  asker.settle = [this, id](const Result<Object>& result, const Progress& progress, std::function<void()> done) {
    settle(id, result, progress, std::move(done));
  };
  asker.ended = [this, id, acceptance, undo](const Result<Object>& result, const Progress& progress) {
    ended(id, result, progress, acceptance, undo);
  };
  return asker;
}

/// Tells the journal of a job that the pool took.
void Jobs::enter(const std::string& id, pool::Journal::Committed committed) {
  Live& live = live_.at(id);
  if (std::exchange(live.reopening, false)) return log_->reopen(id, live.durability, std::move(committed));
  live.entered = true;
  JobRecord record = *table_.find(id);
  record.state = JobState::queued;
  log_->add(record, *table_.request(id), live.durability, live.behind, std::move(committed));
}

// ---- ending ------------------------------------------------------------------------------------------------------

JobRecord Jobs::record_at_end(const std::string& id, const Result<Object>& result, const Progress& progress) const {
  JobRecord record = *table_.find(id);
  copy_progress(progress, record);
  if (result) {
    complete(record, *result, progress.found ? std::optional(result->level) : std::nullopt, clock_.wall());
    return record;
  }
  if (!is_final(record.state)) record.state = JobState::failed;
  record.finished_at = clock_.wall();
  record.error = result.error();
  record.stderr_tail = progress.stderr_tail;
  return record;
}

void Jobs::write_end(Live& live, const JobRecord& record, pool::Journal::Committed committed) {
  if (live.entered && std::exchange(live.reopening, false))
    log_->reopen(record.id, live.durability, [](const auto&) {});
  if (std::exchange(live.in_attempt, false))
    log_->end_attempt(record.id,
                      {.ended = record.finished_at, .error = record.error, .stderr_tail = record.stderr_tail});
  if (live.entered) return log_->end(record, live.durability, std::move(committed));
  live.entered = true;
  log_->add(record, *table_.request(record.id), live.durability, live.behind, std::move(committed));
}

void Jobs::settle(const std::string& id, const Result<Object>& result, const Progress& progress,
                  std::function<void()> done) {
  const auto found = live_.find(id);
  if (found == live_.end() || found->second.ending || found->second.durability == Durability::memory) return done();
  Live& live = found->second;
  if (progress.drained && live.entered && !live.reopening) {
    if (std::exchange(live.in_attempt, false))
      log_->end_attempt(id, {.ended = clock_.wall(),
                             .error = Error{Code::draining, "given back by a drain: it runs after the next start"},
                             .stderr_tail = progress.stderr_tail,
                             .charged = false});
    live.given_back = true;
    return done();
  }
  live.ending = true;
  live.end = record_at_end(id, result, progress);
  write_end(live, *live.end, [this, id, done = std::move(done)](const Result<void>& written) {
    if (const auto settled = live_.find(id); settled != live_.end()) {
      settled->second.settled = true;
      if (!written) settled->second.refused = written.error();
    }
    done();
  });
}

void Jobs::ended(const std::string& id, const Result<Object>& result, const Progress& progress,
                 const std::shared_ptr<Acceptance>& acceptance, const std::function<void()>& undo) {
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  Live& live = found->second;
  if (live.refused) {
    const Error error = *live.refused;
    live_.erase(found);
    undo();
    return acceptance->answer(std::unexpected(error));
  }
  if (live.settled) {
    const JobRecord record = *live.end;
    return show_end(id, record, result ? std::optional(*result) : std::nullopt);
  }
  if (live.ending) return;  // cancelled a moment ago
  const bool accepted = live.entered && !live.reopening;
  if (live.given_back || (is_refusal(result) && accepted)) return give_back(id, acceptance);
  if (is_refusal(result)) {
    live_.erase(found);
    undo();
    return acceptance->answer(std::unexpected(result.error()));
  }
  auto held = result ? std::optional(*result) : std::nullopt;
  conclude(id, record_at_end(id, result, progress), std::move(held),
           [this, id, acceptance, undo](const Result<void>& written) {
             if (!written) undo();
             acceptance->answer(written ? known(id) : std::unexpected(written.error()));
           });
}

void Jobs::give_back(const std::string& id, const std::shared_ptr<Acceptance>& acceptance) {
  live_.erase(id);
  table_.give_back(id);
  if (acceptance->callback)
    log_->barrier([this, id, acceptance](const Result<void>&) { acceptance->answer(known(id)); });
}

void Jobs::conclude(const std::string& id, JobRecord record, std::optional<Object> held,
                    std::function<void(Result<void>)> then) {
  Live& live = live_.at(id);
  live.ending = true;
  if (live.durability == Durability::memory) {
    show_end(id, record, std::move(held));
    return then({});
  }
  const bool is_new = !live.entered;
  write_end(live, record,
            [this, id, is_new, record, held = std::move(held), then = std::move(then)](Result<void> written) mutable {
              // One that is written anew for its end alone is not accepted where that fails; the end of any other is
              // tried again by the journal.
              if (!written && is_new) {
                live_.erase(id);
                return then(std::move(written));
              }
              show_end(id, record, std::move(held));
              then({});
            });
}

/// From here on everybody sees it.
void Jobs::show_end(const std::string& id, const JobRecord& record, std::optional<Object> held) {
  const auto live = live_.find(id);
  const bool journaled = live != live_.end() && live->second.durability != Durability::memory;
  const bool done = record.state == JobState::completed || record.state == JobState::cancelled;
  if (journaled && done && releasing_) {
    const auto request = table_.request(id);
    if (request && std::holds_alternative<InputUpload>(request->input))
      boost::asio::post(reading_, [this, id] { log_->uploads().remove(id); });
  }
  std::shared_ptr<Acceptance> acceptance;
  if (live != live_.end()) {
    acceptance = std::move(live->second.acceptance);
    live_.erase(live);
  }
  table_.end(id, [&](JobRecord& shown) { shown = record; }, std::move(held));
  if (acceptance) acceptance->answer(record);  // cancelled before the pool took it
}

void Jobs::cancel(std::string_view id, Accepted done) {
  boost::asio::post(engine_thread_, [this, id = std::string(id), done = std::move(done)]() mutable {
    auto record = table_.find(id);
    const auto live = live_.find(id);
    if (!record || is_final(record->state) || live == live_.end()) return find(id, std::move(done));
    if (live->second.ending) {
      const auto ticket = table_.when_ended(id, done);
      HOTWELL_ASSERT(ticket.has_value());
      return;
    }
    record->state = JobState::cancelled;
    record->finished_at = clock_.wall();
    record->error = Error{Code::cancelled, "cancelled on request", nullptr};
    live->second.ending = true;
    live->second.seat.reset();
    conclude(id, std::move(*record), {}, [this, id, done = std::move(done)](const Result<void>& written) {
      done(written ? known(id) : std::unexpected(written.error()));
    });
  });
}

}  // namespace hotwell::engine

#include "engine/jobs.hpp"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "cache/tiered_cache.hpp"
#include "pool/job_id.hpp"

namespace hotwell::engine {
namespace {

constexpr auto release_interval = std::chrono::seconds{1};

std::string input_text(const Input& input) {
  if (const auto* path = std::get_if<InputPath>(&input)) return path->path;
  if (const auto* object = std::get_if<InputObject>(&input)) return "cache:" + object->key;
  if (const auto* upload = std::get_if<InputUpload>(&input)) return upload->name.empty() ? "upload" : upload->name;
  if (const auto* handle = std::get_if<InputHandle>(&input)) return handle->name;
  return {};
}

void copy_progress(const Progress& progress, JobRecord& record) {
  record.state = progress.state;
  record.progress = progress.fraction;
  record.attempts = progress.attempts;
  record.started_at = progress.started_at;
}

bool is_refusal(const Result<Object>& result) {
  return !result && (result.error().code == Code::overloaded || result.error().code == Code::draining);
}

std::unexpected<Error> no_such_job(std::string_view id) {
  return fail(Code::not_found, fmt::format("there is no job \"{}\"", id));
}

}  // namespace

Jobs::Jobs(JobTable::Options options, const Requests& requests, Computations& computations, Cache& cache,
           boost::asio::any_io_executor engine_thread, const host::Clock& clock)
    : requests_(requests),
      computations_(computations),
      cache_(cache),
      engine_thread_(std::move(engine_thread)),
      clock_(clock),
      table_(options, clock),
      releasing_(std::make_unique<boost::asio::steady_timer>(engine_thread_)) {}

void Jobs::start() {
  if (!releasing_) return;
  table_.release_expired();
  releasing_->expires_after(release_interval);
  releasing_->async_wait([this](boost::system::error_code error) {
    if (!error) start();
  });
}

void Jobs::stop() {
  releasing_.reset();
  seats_.clear();
}

void Jobs::submit(JobRequest request, Accepted accepted) {
  auto ask = requests_.prepare(std::move(request));
  if (!ask) return accepted(std::unexpected(ask.error()));
  boost::asio::post(engine_thread_, [this, ask = std::move(*ask), accepted = std::move(accepted)]() mutable {
    auto known = table_.find_idempotent(ask.request);
    if (!known) return accepted(std::unexpected(known.error()));
    if (*known) return accepted(std::move(**known));
    const std::string id = pool::to_job_id(pool::next_job_number());
    JobRecord record{.id = id, .operation = ask.operation->name};
    record.input = input_text(ask.request.input);
    record.params = ask.request.params;
    record.priority = ask.request.priority;
    record.created_at = clock_.wall();
    table_.add(std::move(record), ask.request);
    run(id, std::move(ask), std::move(accepted), [this, id] { table_.remove(id); });
  });
}

void Jobs::retry(std::string_view id, Accepted accepted) {
  auto request = table_.request(id);
  if (!request) return accepted(no_such_job(id));
  if (const auto* upload = std::get_if<InputUpload>(&request->input); upload && !upload->file)
    return accepted(fail(Code::result_gone, fmt::format("the upload of job {} is no longer held", id)));
  auto ask = requests_.prepare(std::move(*request));
  if (!ask) return accepted(std::unexpected(ask.error()));
  boost::asio::post(engine_thread_, [this, id = std::string(id), ask = std::move(*ask), accepted]() mutable {
    const auto before = table_.find(id);
    if (auto reopened = table_.reopen(id); !reopened) return accepted(std::unexpected(reopened.error()));
    run(id, std::move(ask), std::move(accepted),
        [this, before] { table_.end(before->id, [&](JobRecord& record) { record = *before; }); });
  });
}

Result<JobRecord> Jobs::cancel(std::string_view id) {
  table_.end(id, [this](JobRecord& record) {
    record.state = JobState::cancelled;
    record.finished_at = clock_.wall();
    record.error = Error{Code::cancelled, "cancelled on request", nullptr};
  });
  boost::asio::post(engine_thread_, [this, id = std::string(id)] { seats_.erase(id); });
  return find(id);
}

Result<JobRecord> Jobs::find(std::string_view id) const {
  auto record = table_.find(id);
  if (!record) return no_such_job(id);
  return std::move(*record);
}

void Jobs::wait(std::string_view id, Duration limit, std::function<void(Result<JobRecord>)> done) {
  boost::asio::post(engine_thread_, [this, id = std::string(id), limit, done = std::move(done)] {
    // The job's end and the timer both want to answer: whoever takes the ticket away from the other does.
    auto timer = std::make_shared<boost::asio::steady_timer>(engine_thread_);
    const auto ticket = table_.when_ended(id, [timer, done, thread = engine_thread_](JobRecord record) {
      boost::asio::post(thread, [timer, done, record = std::move(record)]() mutable {
        timer->cancel();
        done(std::move(record));
      });
    });
    if (!ticket) return done(no_such_job(id));
    if (*ticket == 0) return;
    timer->expires_after(limit);
    timer->async_wait([this, id, ticket = *ticket, timer, done](boost::system::error_code) {
      if (table_.forget(id, ticket)) done(find(id));
    });
  });
}

void Jobs::result(std::string_view id, Requests::Done done) {
  boost::asio::post(engine_thread_, [this, id = std::string(id), done = std::move(done)]() mutable {
    const auto record = table_.find(id);
    if (!record) return done(no_such_job(id));
    if (!is_final(record->state)) {
      const auto seat = seats_.find(id);
      HOTWELL_ASSERT(seat != seats_.end());
      const bool watched = watch_bytes(seat->second->flight(), std::move(done), computations_);
      HOTWELL_ASSERT(watched);
      return;
    }
    if (record->state != JobState::completed) return done(std::unexpected(*record->error));
    if (auto held = table_.held(id)) return done(Fetched{.object = std::move(*held)});
    boost::asio::post(cache_.impl().background(), [this, id, key = record->result->key, done = std::move(done)] {
      auto found = key.empty() ? Result<std::optional<Object>>{} : cache_.impl().lookup(key);
      if (!found) return done(std::unexpected(found.error()));
      if (!*found) return done(fail(Code::result_gone, fmt::format("the result of job {} is no longer held", id)));
      done(Fetched{.object = std::move(**found)});
    });
  });
}

void Jobs::run(const std::string& id, Ask ask, Accepted accepted, std::function<void()> undo) {
  if (const auto object = requests_.remembered(ask)) {
    complete(id, *object, object->level);
    return accepted(find(id));
  }
  const auto acceptance = std::make_shared<Acceptance>(std::move(accepted));
  Asker asker;
  asker.accepted = [this, id, acceptance](const Progress&) { acceptance->answer(find(id)); };
  asker.changed = [this, id](const Progress& progress) {
    table_.update(id, [&](JobRecord& record) { copy_progress(progress, record); });
  };
  asker.ended = [this, id, acceptance, undo = std::move(undo)](const Result<Object>& result, const Progress& progress) {
    if (is_refusal(result)) {
      undo();
      acceptance->answer(std::unexpected(result.error()));
    } else {
      end(id, result, progress);
      acceptance->answer(find(id));
    }
    seats_.erase(id);
  };
  seats_[id] = computations_.ask(std::move(ask), id, std::move(asker));
}

void Jobs::end(const std::string& id, const Result<Object>& result, const Progress& progress) {
  if (!result) {
    table_.end(id, [&](JobRecord& record) {
      copy_progress(progress, record);
      if (!is_final(record.state)) record.state = JobState::failed;
      record.finished_at = clock_.wall();
      record.error = result.error();
      record.stderr_tail = progress.stderr_tail;
    });
    return;
  }
  table_.update(id, [&](JobRecord& record) {
    record.attempts = progress.attempts;
    record.started_at = progress.started_at;
  });
  complete(id, *result, progress.found ? std::optional(result->level) : std::nullopt);
}

void Jobs::complete(const std::string& id, const Object& object, std::optional<Level> cached) {
  table_.end(
      id,
      [&](JobRecord& record) {
        record.state = JobState::completed;
        record.progress = 1;
        record.finished_at = clock_.wall();
        record.result = JobRecord::ResultInfo{std::string(object.key), object.size().value_or(0),
                                              std::string(object.content_type), cached};
      },
      object);
}

}  // namespace hotwell::engine

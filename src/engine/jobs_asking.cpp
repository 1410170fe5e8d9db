// Asking about jobs: the table has those of the moment, the journal all others.
#include "engine/jobs.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "cache/tiered_cache.hpp"
#include "engine/explain.hpp"
#include "pool/job_id.hpp"

namespace hotwell::engine {
namespace {

std::unexpected<Error> unknown_job(std::string_view id) {
  return fail(Code::not_found, fmt::format("there is no job \"{}\"", id));
}

}  // namespace

/// As the table has it.
Result<JobRecord> Jobs::known(std::string_view id) const {
  auto record = table_.find(id);
  if (!record) return unknown_job(id);
  return std::move(*record);
}

/// As the journal has it. Blocks.
Result<LoggedJob> Jobs::recall(std::string_view id) const {
  auto logged = log_->find(id);
  if (!logged) return std::unexpected(logged.error());
  if (!*logged) return unknown_job(id);
  return std::move(**logged);
}

void Jobs::find(std::string_view id, Accepted done) {
  if (auto record = table_.find(id); record || !log_) return done(record ? std::move(*record) : known(id));
  boost::asio::post(reading_, [this, id = std::string(id), done = std::move(done)] {
    auto record = known(id);
    if (!record)
      if (auto logged = recall(id)) record = std::move(logged->record);
    boost::asio::post(engine_thread_, [done, record = std::move(record)]() mutable { done(std::move(record)); });
  });
}

void Jobs::wait(std::string_view id, Duration limit, Accepted done) {
  boost::asio::post(engine_thread_, [this, id = std::string(id), limit, done = std::move(done)] {
    // The job's end and the timer both want to answer: whoever takes the ticket away from the other does.
    auto timer = std::make_shared<boost::asio::steady_timer>(engine_thread_);
    const auto ticket = table_.when_ended(id, [timer, done, thread = engine_thread_](JobRecord record) {
      boost::asio::post(thread, [timer, done, record = std::move(record)]() mutable {
        timer->cancel();
        done(std::move(record));
      });
    });
    if (!ticket) return find(id, done);
    if (*ticket == 0) return;
    timer->expires_after(limit);
    timer->async_wait([this, id, ticket = *ticket, timer, done](boost::system::error_code) {
      if (table_.forget(id, ticket)) done(known(id));
    });
  });
}

void Jobs::result(std::string_view id, Requests::Done done) {
  boost::asio::post(engine_thread_, [this, id = std::string(id), done = std::move(done)]() mutable {
    const auto record = table_.find(id);
    if (record && !is_final(record->state)) {
      const auto live = live_.find(id);
      if (live != live_.end() && live->second.seat && watch_bytes(live->second.seat->flight(), done, computations_))
        return;
      // Its end is being written.
      const auto ticket = table_.when_ended(id, [this, done](const JobRecord& ended) {
        boost::asio::post(engine_thread_, [this, done, ended] { bring_result(ended.id, ended, done); });
      });
      HOTWELL_ASSERT(ticket.has_value());
      return;
    }
    if (record) return bring_result(id, *record, std::move(done));
    find(id, [this, id, done = std::move(done)](Result<JobRecord> found) mutable {
      if (!found) return done(std::unexpected(found.error()));
      bring_result(id, *found, std::move(done));
    });
  });
}

void Jobs::bring_result(const std::string& id, const JobRecord& record, Requests::Done done) {
  if (record.state != JobState::completed)
    return done(std::unexpected(
        record.error.value_or(Error{Code::draining, fmt::format("job {} runs after the next start", id), nullptr})));
  if (auto held = table_.held(id)) return done(Fetched{.object = std::move(*held)});
  boost::asio::post(cache_.impl().background(), [this, id, key = record.result->key, done = std::move(done)] {
    auto found = key.empty() ? Result<std::optional<Object>>{} : cache_.impl().lookup(key);
    if (!found) return done(std::unexpected(found.error()));
    if (!*found) return done(fail(Code::result_gone, fmt::format("the result of job {} is no longer held", id)));
    done(Fetched{.object = std::move(**found)});
  });
}

void Jobs::page(JobFilter filter, std::function<void(Result<JobPage>)> done) {
  if (!log_) return done(table_.page(filter));
  if (!filter.cursor.empty() && !pool::parse_job_id(filter.cursor))
    return done(fail(Code::invalid_argument,
                     fmt::format("\"{}\" is no cursor: use the \"next\" of the page before", filter.cursor)));
  boost::asio::post(reading_, [this, filter = std::move(filter), done = std::move(done)] {
    auto page = read_page(filter);
    boost::asio::post(engine_thread_, [done, page = std::move(page)]() mutable { done(std::move(page)); });
  });
}

/// What the table has, among what the journal alone still has.
Result<JobPage> Jobs::read_page(const JobFilter& filter) const {
  auto mine = table_.page(filter);
  if (!mine) return mine;
  std::vector<JobRecord> all = std::move(mine->jobs);
  std::string before = filter.cursor;
  std::size_t old = 0;
  while (old <= filter.limit) {
    const std::size_t wanted = filter.limit + 1;
    auto more = log_->ended(filter, before, wanted);
    if (!more) return std::unexpected(more.error());
    if (!more->empty()) before = more->back().id;
    const bool last = more->size() < wanted;
    for (auto& record : *more) {
      if (table_.find(record.id)) continue;  // it may be another's state there: the table is right
      all.push_back(std::move(record));
      ++old;
    }
    if (last) break;
  }
  std::ranges::sort(all, std::greater{}, &JobRecord::id);
  const auto repeated = std::ranges::unique(all, {}, &JobRecord::id);  // one left the table meanwhile
  all.erase(repeated.begin(), repeated.end());
  JobPage page;
  const bool more = all.size() > filter.limit || !mine->next.empty();
  if (all.size() > filter.limit) all.resize(filter.limit);
  if (more && !all.empty()) page.next = all.back().id;
  page.jobs = std::move(all);
  return page;
}

void Jobs::explain(std::string_view id, std::function<void(Result<JobExplanation>)> done) {
  boost::asio::post(engine_thread_, [this, id = std::string(id), done = std::move(done)] {
    JobExplanation explanation;
    const auto record = known(id);
    if (record) explanation.job = *record;
    if (const auto live = live_.find(id); live != live_.end()) {
      explanation.durability = live->second.durability;
      explanation.behind = live->second.behind;
    }
    if (!log_) {
      if (!record) return done(std::unexpected(record.error()));
      tell_story(explanation, behind());
      return done(std::move(explanation));
    }
    boost::asio::post(
        reading_, [this, id, done, record, explanation = std::move(explanation), now = behind()]() mutable {
          auto answer = [&]() -> Result<JobExplanation> {
            auto logged = recall(id);
            if (!record && !logged) return std::unexpected(logged.error());
            if (logged) {
              if (!record) explanation.job = std::move(logged->record);
              explanation.durability = logged->durability;
              explanation.behind = logged->behind;
              auto attempts = log_->attempts(id);
              if (!attempts) return std::unexpected(attempts.error());
              explanation.attempts = std::move(*attempts);
            }
            tell_story(explanation, now);
            return std::move(explanation);
          }();
          boost::asio::post(engine_thread_, [done, answer = std::move(answer)]() mutable { done(std::move(answer)); });
        });
  });
}

}  // namespace hotwell::engine

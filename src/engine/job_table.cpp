#include "engine/job_table.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"
#include "engine/job_text.hpp"

namespace hotwell::engine {
namespace {

bool is_memory(const Object& object) { return std::holds_alternative<Buffer>(object.body); }

}  // namespace

void JobTable::add(JobRecord record, JobRequest request) {
  const std::lock_guard lock(mutex_);
  HOTWELL_ASSERT(!is_final(record.state));
  std::string id = record.id;
  if (!request.idempotency_key.empty()) by_idempotency_key_[request.idempotency_key] = id;
  const bool added =
      entries_.try_emplace(std::move(id), Entry{std::move(record), std::move(request), {}, {}, false, {}}).second;
  HOTWELL_ASSERT(added);
}

void JobTable::restore(JobRecord record, JobRequest request) {
  const std::lock_guard lock(mutex_);
  HOTWELL_ASSERT(is_final(record.state));
  std::string id = record.id;
  if (!request.idempotency_key.empty()) by_idempotency_key_[request.idempotency_key] = id;
  Entry entry{std::move(record), std::move(request), {}, {}, false, {}};
  if (!entries_.try_emplace(id, std::move(entry)).second) return;
  ended_.push_back(std::move(id));
  forget_oldest();
}

void JobTable::give_back(std::string_view id) {
  std::map<std::uint64_t, std::function<void(JobRecord)>> waiters;
  JobRecord record;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || is_final(found->second.record.state)) return;
    Entry& entry = found->second;
    entry.given_back = true;
    entry.record.state = JobState::queued;
    entry.record.progress = 0;
    waiters.swap(entry.waiters);
    record = entry.record;
  }
  for (const auto& [ticket, waiter] : waiters) waiter(record);
}

void JobTable::remove(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  HOTWELL_ASSERT(!is_final(entry->second.record.state));
  by_idempotency_key_.erase(entry->second.request.idempotency_key);
  entries_.erase(entry);
}

Result<JobRecord> JobTable::reopen(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return fail(Code::not_found, fmt::format("there is no job \"{}\"", id));
  JobRecord& record = entry->second.record;
  if (!is_final(record.state) || record.state == JobState::completed)
    return fail(Code::invalid_argument,
                fmt::format("job {} is {}: only one that failed, died or was cancelled is run again", id,
                            to_string(record.state)));
  record.state = JobState::queued;
  record.progress = 0;
  record.started_at.reset();
  record.finished_at.reset();
  record.error.reset();
  record.stderr_tail.clear();
  std::erase(holding_, record.id);
  std::erase(ended_, record.id);
  return record;
}

Result<std::optional<JobRecord>> JobTable::find_idempotent(const JobRequest& request) const {
  if (request.idempotency_key.empty()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto id = by_idempotency_key_.find(request.idempotency_key);
  if (id == by_idempotency_key_.end()) return std::nullopt;
  const Entry& entry = entries_.find(id->second)->second;
  if (!same_request(entry.request, request))
    return fail(Code::invalid_argument, fmt::format("the idempotency key \"{}\" belongs to another request (job {})",
                                                    request.idempotency_key, id->second));
  return entry.record;
}

bool JobTable::update(std::string_view id, const std::function<void(JobRecord&)>& change) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end() || is_final(entry->second.record.state)) return false;
  change(entry->second.record);
  HOTWELL_ASSERT(!is_final(entry->second.record.state));
  return true;
}

bool JobTable::end(std::string_view id, const std::function<void(JobRecord&)>& change, std::optional<Object> held) {
  std::map<std::uint64_t, std::function<void(JobRecord)>> waiters;
  JobRecord record;
  std::shared_ptr<const FileHandle> done_upload;
  std::vector<Released> released;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || is_final(found->second.record.state)) return false;
    Entry& entry = found->second;
    change(entry.record);
    HOTWELL_ASSERT(is_final(entry.record.state));
    entry.held = std::move(held);
    entry.held_until = clock_->now() + options_.hold;
    // Only a job that did not complete may be retried and needs its upload again.
    if (entry.record.state == JobState::completed) {
      if (auto* upload = std::get_if<InputUpload>(&entry.request.input)) done_upload = std::move(upload->file);
    }
    holding_.push_back(entry.record.id);
    if (entry.held) (is_memory(*entry.held) ? held_memory_ : held_disk_) += Bytes{entry.held->size().value_or(0)};
    while (holds_too_much()) {
      if (const auto oldest = entries_.find(holding_.front()); oldest != entries_.end())
        released.push_back(release(oldest->second));
      holding_.pop_front();
    }
    waiters.swap(entry.waiters);
    record = entry.record;
    ended_.push_back(record.id);
    forget_oldest();
  }
  for (const auto& [ticket, waiter] : waiters) waiter(record);
  return true;
}

std::optional<JobRecord> JobTable::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return std::nullopt;
  return entry->second.record;
}

std::optional<JobRequest> JobTable::request(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return std::nullopt;
  return entry->second.request;
}

std::optional<Object> JobTable::held(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end() || clock_->now() >= entry->second.held_until) return std::nullopt;
  return entry->second.held;
}

Result<JobPage> JobTable::page(const JobFilter& filter) const {
  if (!filter.cursor.empty() &&
      filter.cursor.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz") != std::string::npos)
    return fail(Code::invalid_argument,
                fmt::format("\"{}\" is no cursor: use the \"next\" of the page before", filter.cursor));
  const std::lock_guard lock(mutex_);
  JobPage page;
  auto entry = filter.cursor.empty() ? entries_.end() : entries_.lower_bound(filter.cursor);
  while (entry != entries_.begin()) {
    --entry;
    const JobRecord& record = entry->second.record;
    if (filter.state && record.state != *filter.state) continue;
    if (!filter.operation.empty() && record.operation != filter.operation) continue;
    if (page.jobs.size() == filter.limit) {
      page.next = page.jobs.back().id;
      break;
    }
    page.jobs.push_back(record);
  }
  return page;
}

std::optional<std::uint64_t> JobTable::when_ended(std::string_view id, std::function<void(JobRecord)> done) {
  std::optional<JobRecord> ended;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) return std::nullopt;
    if (!is_final(entry->second.record.state) && !entry->second.given_back) {
      entry->second.waiters.emplace(++last_ticket_, std::move(done));
      return last_ticket_;
    }
    ended = entry->second.record;
  }
  done(std::move(*ended));
  return 0;
}

bool JobTable::forget(std::string_view id, std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  return entry != entries_.end() && entry->second.waiters.erase(ticket) != 0;
}

void JobTable::release_expired() {
  std::vector<Released> released;
  const std::lock_guard lock(mutex_);
  const auto now = clock_->now();
  while (!holding_.empty()) {
    const auto oldest = entries_.find(holding_.front());
    if (oldest != entries_.end()) {
      if (now < oldest->second.held_until) return;
      released.push_back(release(oldest->second));
    }
    holding_.pop_front();
  }
}

JobTable::Released JobTable::release(Entry& entry) {
  if (entry.held) (is_memory(*entry.held) ? held_memory_ : held_disk_) -= Bytes{entry.held->size().value_or(0)};
  Released released{std::exchange(entry.held, std::nullopt), {}};
  if (auto* upload = std::get_if<InputUpload>(&entry.request.input))
    released.input = InputUpload{std::move(upload->file)};
  return released;
}

bool JobTable::holds_too_much() const {
  return holding_.size() > options_.max_held || held_memory_ > options_.max_held_memory ||
         held_disk_ > options_.max_held_disk;
}

void JobTable::forget_oldest() {
  while (ended_.size() > options_.keep) {
    const auto entry = entries_.find(ended_.front());
    ended_.pop_front();
    if (entry == entries_.end()) continue;
    const auto key = by_idempotency_key_.find(entry->second.request.idempotency_key);
    if (key != by_idempotency_key_.end() && key->second == entry->first) by_idempotency_key_.erase(key);
    (void)release(entry->second);
    entries_.erase(entry);
  }
}

}  // namespace hotwell::engine

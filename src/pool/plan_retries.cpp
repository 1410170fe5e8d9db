// What follows from an attempt's end: nothing more, another attempt later, or a pause for all jobs of its operation.
// Sources: full jitter, Brooker, "Exponential backoff and jitter" (2015); the breaker, Nygard, "Release It!" (2007).
#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "pool/plan.hpp"

namespace hotwell::pool {
namespace {

constexpr Duration unknown_estimate = std::chrono::milliseconds{100};
constexpr double estimate_weight = 0.2;  ///< of the newest value in the moving average
constexpr std::size_t max_operations = 1024;

constexpr Duration longest_backoff = std::chrono::minutes{10};
constexpr int disk_full_factor = 10;  ///< a full disk takes people, or an eviction, to pass

constexpr Duration first_pause = std::chrono::seconds{1};
constexpr Duration longest_pause = std::chrono::seconds{30};

}  // namespace

/// An attempt is over, its worker free or gone: the job ends, or gets another attempt.
void Plan::settle_attempt(Job& job, std::optional<Error> error, bool charged) {
  const Duration used = job.finish - job.start;
  queue_.settle(job.place, job.estimate, used);
  const bool was_alone = std::exchange(job.alone, false);
  if (exclusive_ == job.spec.number) exclusive_.reset();
  if (charged && !job.stop) {
    if (error && error->code == Code::crashed)
      crashed(*job.operation, job.spec.number);
    else
      close_breaker(*job.operation);
  }
  let_go(job);
  if (!error && !job.stop) {
    learn(*job.operation, used);
    return end(job, std::nullopt, false);
  }
  if (drain_cut_ && !job.stop && (!charged || info(error->code).retry != Retry::never)) job.stop = Stop::drain;
  if (job.stop) error = stop_error(job);
  const bool goes_on = !job.stop || job.stop == Stop::timeout || job.stop == Stop::no_progress;
  if (!charged || job.stop == Stop::drain) --job.charged;
  if (!goes_on) return end(job, std::move(error), false);
  job.stop.reset();
  if (charged) return end_or_retry(job, std::move(*error));
  job.alone = was_alone;
  count_pending(job);
  enqueue(job);
}

/// A charged attempt failed.
void Plan::end_or_retry(Job& job, Error error) {
  switch (info(error.code).retry) {
    case Retry::never:
    case Retry::by_caller: return end(job, std::move(error), false);
    case Retry::yes: break;
    case Retry::up_to_max_crashes:
      if (++job.crashes >= rules_.types[job.spec.type].max_crashes) return end(job, std::move(error), true);
      break;
    case Retry::once_alone:
      if (job.tried_alone) return end(job, std::move(error), true);
      job.alone = job.tried_alone = true;
      break;
  }
  if (job.charged > job.spec.retries) return end(job, std::move(error), true);
  retry_later(job, std::move(error));
}

/// Full jitter below a ceiling that doubles with every attempt. A disk that is full now is full in a second: that waits
/// ten times as long, and at least half of it.
void Plan::retry_later(Job& job, Error error) {
  Duration ceiling = std::min(job.spec.backoff, longest_backoff);
  for (unsigned i = 1; i < job.charged && ceiling < longest_backoff; ++i) ceiling *= 2;
  double part = random_();
  if (error.code == Code::disk_full) {
    ceiling = std::min(ceiling, longest_backoff) * disk_full_factor;
    part = 0.5 + part / 2;
  }
  ceiling = std::min(ceiling, longest_backoff);
  const Duration delay{static_cast<std::int64_t>(static_cast<double>(ceiling.count()) * part)};
  job.state = Job::State::waiting;
  count_pending(job);
  set_timer(job, std::min(now_ + delay, job.spec.deadline.value_or(MonoTime::max())));
  actions_.push_back(AnnounceRetry{job.spec.number, std::move(error), delay});
}

Error Plan::stop_error(const Job& job) const {
  switch (job.stop.value_or(Stop::cancelled)) {
    case Stop::cancelled: return {Code::cancelled, "the job was cancelled"};
    case Stop::timeout:
      return {Code::timeout, fmt::format("the job did not end within {}", to_string(job.spec.timeout))};
    case Stop::no_progress:
      return {Code::no_progress,
              fmt::format("the job gave no sign of progress for {}", to_string(job.spec.no_progress))};
    case Stop::deadline: return {Code::timeout, "the job's deadline passed while it ran"};
    case Stop::drain: return {Code::cancelled, "the pool was drained before the job ended"};
  }
  return {Code::internal, "stopped"};
}

// ---- what is known of operations -----------------------------------------------------------------------------------

/// Operations beyond the bound share one entry: they only estimate worse, and pause together.
Plan::Operation& Plan::operation(const std::string& name) {
  if (const auto known = operation_indices_.find(name); known != operation_indices_.end())
    return operations_[known->second];
  if (operations_.size() == max_operations) return operations_.back();
  const std::size_t index = operations_.size();
  operation_indices_.emplace(name, index);
  operations_.emplace_back().index = index;
  return operations_.back();
}

Duration Plan::estimate(const Operation& operation) { return operation.estimate.value_or(unknown_estimate); }

void Plan::learn(Operation& operation, Duration used) {
  if (!operation.estimate) {
    operation.estimate = used;
    return;
  }
  const double mean = static_cast<double>(operation.estimate->count());
  operation.estimate =
      Duration{static_cast<std::int64_t>(mean + estimate_weight * (static_cast<double>(used.count()) - mean))};
}

// ---- the breaker ---------------------------------------------------------------------------------------------------

/// Crashes in a row open it; a probe's crash keeps it open for twice as long.
void Plan::crashed(Operation& operation, JobNumber number) {
  ++operation.crashes;
  if (operation.open) {
    if (operation.probe != number) return;
    operation.pause = std::min(operation.pause * 2, longest_pause);
  } else {
    if (tuning().breaker_crashes == 0 || operation.crashes < tuning().breaker_crashes) return;
    operation.open = true;
    operation.pause = first_pause;
  }
  operation.probe_at = now_ + operation.pause;
}

/// A worker survived one of its jobs.
void Plan::close_breaker(Operation& operation) {
  operation.crashes = 0;
  if (!operation.open) return;
  operation.open = false;
  operation.probe = 0;
  for (const auto& [order, number] : std::exchange(operation.held, {})) enqueue(jobs_.at(number));
}

/// Whether the breaker lets a queued job run. One that it does not is out of the queue until it does.
bool Plan::may_run(Job& job) {
  Operation& operation = *job.operation;
  if (!operation.open || operation.probe == job.spec.number) return true;
  if (operation.probe == 0 && operation.probe_at <= now_) {
    operation.probe = job.spec.number;
    return true;
  }
  hold(job);
  return false;
}

void Plan::hold(Job& job) {
  Operation& operation = *job.operation;
  queue_.erase(job.place);
  set_age(job, MonoTime::max());
  job.state = Job::State::held;
  operation.held.emplace(job.place.order, job.spec.number);
  if (operation.probe == 0) probe_timers_.emplace(operation.probe_at, operation.index);
}

/// A job that was its operation's probe is so no longer: the next one may be.
void Plan::let_go(Job& job) {
  Operation& operation = *job.operation;
  if (operation.probe != job.spec.number) return;
  operation.probe = 0;
  if (operation.open && !operation.held.empty())
    probe_timers_.emplace(std::max(operation.probe_at, now_), operation.index);
}

void Plan::fire_probes() {
  while (!probe_timers_.empty() && probe_timers_.begin()->first <= now_) {
    Operation& operation = operations_[probe_timers_.extract(probe_timers_.begin()).value().second];
    if (!operation.open || operation.probe != 0 || operation.held.empty()) continue;
    if (operation.probe_at > now_) {
      probe_timers_.emplace(operation.probe_at, operation.index);
      continue;
    }
    const auto number = operation.held.extract(operation.held.begin()).value().second;
    operation.probe = number;
    enqueue(jobs_.at(number));
  }
}

}  // namespace hotwell::pool

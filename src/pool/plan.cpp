// Events and jobs; plan_workers.cpp has the workers and the assignment.
#include "pool/plan.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell::pool {
namespace {

constexpr Duration unknown_estimate = std::chrono::milliseconds{100};
constexpr Duration longest_backoff = std::chrono::minutes{10};
constexpr double estimate_weight = 0.2;  ///< of the newest value in the moving average
constexpr std::size_t max_estimates = 1024;

}  // namespace

Plan::Plan(Rules rules, std::function<double()> random)
    : rules_(std::move(rules)),
      random_(std::move(random)),
      queue_(rules_.types.size(), rules_.weights),
      types_(rules_.types.size()) {}

Actions Plan::step(Event event, MonoTime now) {
  now_ = now;
  std::visit([this](auto&& e) { on(std::forward<decltype(e)>(e)); }, std::move(event));
  fire_timers();
  dispatch();
  finish_drain();
  count_workers();
  return std::exchange(actions_, {});
}

bool Plan::can_cancel(JobNumber number) const {
  const auto job = jobs_.find(number);
  return job != jobs_.end() && job->second.state != Job::State::settling;
}

// ---- events ----------------------------------------------------------------------------------------------------

void Plan::on(Submit&& event) {
  PlannedJob& spec = event.job;
  HOTWELL_ASSERT(spec.type < types_.size() && !jobs_.contains(spec.number));
  const auto refuse = [&](Code code, std::string why) {
    actions_.push_back(End{.job = spec.number, .error = Error{code, std::move(why)}, .refused = true});
  };
  if (draining_) return refuse(Code::draining, "the pool is draining and takes no new jobs");
  std::uint64_t pending = 0;
  for (const auto count : figures_.pending) pending += count;
  // A job that can start at once does not wait in the queue, so a limit of 0 still lets idle workers work.
  if (pending >= rules_.queue_limit && (pending > 0 || running_ >= rules_.max_workers))
    return refuse(Code::overloaded, fmt::format("the queue is full ({} jobs)", pending));
  if (spec.deadline && *spec.deadline <= now_) {
    ++figures_.accepted;
    ++figures_.failed;
    actions_.push_back(Accept{spec.number});
    actions_.push_back(End{.job = spec.number, .error = Error{Code::timeout, "the job's deadline had passed already"}});
    return;
  }
  Job& job = jobs_[spec.number];
  job.spec = std::move(spec);
  job.place = {job.spec.priority, job.spec.type, job.spec.deadline.value_or(MonoTime::max()), ++last_order_};
  job.accepted = now_;
  ++figures_.accepted;
  ++figures_.pending[static_cast<std::size_t>(job.spec.priority)];
  actions_.push_back(Accept{job.spec.number});
  enqueue(job);
}

void Plan::on(const CancelJob& event) {
  const auto found = jobs_.find(event.job);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  switch (job.state) {
    case Job::State::queued:
    case Job::State::waiting: end(job, Error{Code::cancelled, "the job was cancelled before it started"}, false); break;
    case Job::State::running: begin_stop(job, Stop::cancelled); break;
    case Job::State::settling: break;  // too late
  }
}

void Plan::on(const RaiseJob& event) {
  const auto found = jobs_.find(event.job);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  if (event.priority >= job.place.priority || job.state == Job::State::settling) return;  // high is the smallest
  const bool pending = job.state == Job::State::queued || job.state == Job::State::waiting;
  if (pending) {
    --figures_.pending[static_cast<std::size_t>(job.place.priority)];
    ++figures_.pending[static_cast<std::size_t>(event.priority)];
  }
  if (job.state == Job::State::queued) queue_.erase(job.place);
  // A running job was charged to its old class, where its settlement belongs too.
  if (job.state == Job::State::running) queue_.settle(job.place.priority, job.estimate, Duration{});
  job.place.priority = event.priority;
  if (job.state == Job::State::running) queue_.settle(job.place.priority, Duration{}, job.estimate);
  if (job.state == Job::State::queued) queue_.push(job.spec.number, job.place, estimate(job.spec.operation));
}

void Plan::on(const WorkerReleased& event) {
  const auto found = jobs_.find(event.job);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  if (job.attempt != event.attempt || job.state != Job::State::running) return;
  const WorkerId id = job.worker;
  job.state = Job::State::settling;
  job.finish = now_;
  set_timer(job, MonoTime::max());
  if (const auto worker = workers_.find(id); worker != workers_.end()) release(id, worker->second);
}

void Plan::on(AttemptEnded&& event) {
  const auto found = jobs_.find(event.job);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  if (job.attempt != event.attempt) return;
  if (job.state == Job::State::running) on(WorkerReleased{job.worker, event.job, event.attempt});
  if (job.state == Job::State::settling) settle_attempt(job, std::move(event.error), true);
}

void Plan::on(const DrainRequest& event) {
  draining_ = true;
  drain_at_ = std::min(drain_at_, event.limit < Duration::max() / 2 ? now_ + event.limit : MonoTime::max());
}

void Plan::on(const SetLimits& event) {
  rules_.types.front().min = event.min_workers;
  rules_.max_workers = event.max_workers;
  rules_.queue_limit = event.queue_limit;
  for (auto& [id, worker] : workers_)
    if (figures_.workers > rules_.max_workers && worker.state == Worker::State::idle) {
      retire(id, worker);
      --figures_.workers;  // counted anew at the end of the step
    }
}

// ---- jobs --------------------------------------------------------------------------------------------------------

void Plan::enqueue(Job& job) {
  job.state = Job::State::queued;
  queue_.push(job.spec.number, job.place, estimate(job.spec.operation));
  set_timer(job, job.spec.deadline.value_or(MonoTime::max()));
}

/// Out of the queue or the waiting room, and out of the count of pending jobs.
void Plan::dequeue(Job& job) {
  if (job.state == Job::State::queued) queue_.erase(job.place);
  --figures_.pending[static_cast<std::size_t>(job.place.priority)];
}

void Plan::set_timer(Job& job, MonoTime when) {
  if (job.timer == when) return;
  if (job.timer != MonoTime::max()) job_timers_.erase({job.timer, job.spec.number});
  job.timer = when;
  if (when != MonoTime::max()) job_timers_.emplace(when, job.spec.number);
}

/// Asks first; the grace period's end kills. The job ends when its worker answers or is gone.
void Plan::begin_stop(Job& job, Stop why) {
  if (job.stop) {
    if (why == Stop::cancelled) job.stop = why;  // nobody wants another attempt any more
    return;
  }
  job.stop = why;
  actions_.push_back(AskToStop{job.worker, job.spec.number});
  set_timer(job, now_ + rules_.kill_grace);
}

Error Plan::stop_error(const Job& job) const {
  switch (job.stop.value_or(Stop::cancelled)) {
    case Stop::cancelled: return {Code::cancelled, "the job was cancelled"};
    case Stop::timeout:
      return {Code::timeout, fmt::format("the job did not end within {}", to_string(job.spec.timeout))};
    case Stop::deadline: return {Code::timeout, "the job's deadline passed while it ran"};
    case Stop::drain: return {Code::cancelled, "the pool was drained before the job ended"};
  }
  return {Code::internal, "stopped"};
}

/// An attempt is over, its worker free or gone: the job ends, or gets another attempt.
void Plan::settle_attempt(Job& job, std::optional<Error> error, bool charged) {
  const Duration used = job.finish - job.start;
  queue_.settle(job.place.priority, job.estimate, used);
  if (exclusive_ == job.spec.number) exclusive_.reset();
  job.alone = false;
  if (job.stop) error = stop_error(job);
  if (!error) {
    learn(job.spec.operation, used);
    return end(job, std::nullopt, false);
  }
  if (drain_cut_ && !job.stop && (!charged || info(error->code).retry != Retry::never)) job.stop = Stop::drain;
  if (job.stop) error = stop_error(job);
  if (!charged && !job.stop) {
    --job.charged;
    ++figures_.pending[static_cast<std::size_t>(job.place.priority)];
    return enqueue(job);
  }
  if (job.stop && job.stop != Stop::timeout) return end(job, std::move(error), false);
  job.stop.reset();
  const bool attempts_left = job.charged <= job.spec.retries;
  switch (info(error->code).retry) {
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
  if (!attempts_left) return end(job, std::move(error), true);
  retry_later(job, std::move(*error));
}

/// Full jitter below a ceiling that doubles with every attempt.
void Plan::retry_later(Job& job, Error error) {
  Duration ceiling = std::min(job.spec.backoff, longest_backoff);
  for (unsigned i = 1; i < job.charged && ceiling < longest_backoff; ++i)
    ceiling = std::min(ceiling * 2, longest_backoff);
  const Duration delay{static_cast<std::int64_t>(static_cast<double>(ceiling.count()) * random_())};
  job.state = Job::State::waiting;
  ++figures_.pending[static_cast<std::size_t>(job.place.priority)];
  set_timer(job, std::min(now_ + delay, job.spec.deadline.value_or(MonoTime::max())));
  actions_.push_back(AnnounceRetry{job.spec.number, std::move(error), delay});
}

void Plan::end(Job& job, std::optional<Error> error, bool dead) {
  if (job.state == Job::State::queued || job.state == Job::State::waiting) dequeue(job);
  set_timer(job, MonoTime::max());
  End last{.job = job.spec.number, .dead = dead, .attempts = job.charged};
  last.queued = (job.attempt > 0 ? job.first_start : now_) - job.accepted;
  last.ran = job.attempt > 0 ? job.finish - job.start : Duration{};
  if (!error) {
    ++figures_.completed;
    figures_.executed += last.ran;
  } else if (error->code == Code::cancelled) {
    ++figures_.cancelled;
  } else {
    ++figures_.failed;
  }
  last.error = std::move(error);
  actions_.push_back(std::move(last));
  jobs_.erase(job.spec.number);
}

Duration Plan::estimate(const std::string& operation) const {
  const auto known = estimates_.find(operation);
  return known == estimates_.end() ? unknown_estimate : known->second;
}

void Plan::learn(const std::string& operation, Duration used) {
  const auto known = estimates_.find(operation);
  if (known == estimates_.end()) {
    if (estimates_.size() < max_estimates) estimates_.emplace(operation, used);
    return;
  }
  const double mean = static_cast<double>(known->second.count());
  known->second =
      Duration{static_cast<std::int64_t>(mean + estimate_weight * (static_cast<double>(used.count()) - mean))};
}

void Plan::fire_job(JobNumber number) {
  Job& job = jobs_.at(number);
  const bool too_late = job.spec.deadline && *job.spec.deadline <= now_;
  switch (job.state) {
    case Job::State::waiting:
      if (!too_late) return enqueue(job);
      [[fallthrough]];
    case Job::State::queued:
      return end(job, Error{Code::timeout, "the job's deadline passed before it could start"}, false);
    case Job::State::running: break;
    case Job::State::settling: return;
  }
  if (!job.stop) return begin_stop(job, too_late ? Stop::deadline : Stop::timeout);
  kill(job.worker, workers_.at(job.worker));
  if (rules_.types[job.spec.type].style != Style::thread) return;
  // A thread cannot be killed: its owner stops waiting, its place stays taken until it returns.
  workers_.at(job.worker).job = 0;
  job.finish = now_;
  --running_;
  settle_attempt(job, std::nullopt, true);
}

/// The drain's time is up: nothing starts any more, what runs is killed.
void Plan::cut_drain() {
  drain_at_ = MonoTime::max();
  drain_cut_ = true;
  std::vector<JobNumber> all;
  for (const auto& [number, job] : jobs_) all.push_back(number);
  std::sort(all.begin(), all.end());
  drain_killed_ = drain_killed_ || !all.empty();
  for (const auto number : all) {
    Job& job = jobs_.at(number);
    if (job.state == Job::State::queued || job.state == Job::State::waiting) {
      end(job, Error{Code::cancelled, "the pool was drained before the job could run"}, false);
    } else if (job.state == Job::State::running) {
      begin_stop(job, Stop::drain);
      if (job.stop == Stop::timeout) job.stop = Stop::drain;  // no further attempt
      if (rules_.types[job.spec.type].style != Style::thread) kill(job.worker, workers_.at(job.worker));
    }
  }
}

void Plan::fire_timers() {
  if (drain_at_ <= now_) cut_drain();
  while (!job_timers_.empty() && job_timers_.begin()->first <= now_) {
    const auto number = job_timers_.begin()->second;
    set_timer(jobs_.at(number), MonoTime::max());
    fire_job(number);
  }
  while (!worker_timers_.empty() && worker_timers_.begin()->first <= now_) fire_worker(worker_timers_.begin()->second);
  if (shrink_at_ <= now_) shrink();
}

}  // namespace hotwell::pool

// Time that runs out: attempts that last too long or give no sign of life, stops that are not heeded, workers that
// neither come nor go, jobs that have waited for long.
#include <algorithm>

#include "base/assert.hpp"
#include "pool/plan.hpp"

namespace hotwell::pool {
namespace {

MonoTime after(MonoTime from, Duration time) { return time < Duration::max() / 2 ? from + time : MonoTime::max(); }

}  // namespace

// ---- attempts ----------------------------------------------------------------------------------------------------

void Plan::on(const AttemptStarted& event) {
  const auto found = jobs_.find(event.job);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  if (job.attempt != event.attempt || job.state != Job::State::running) return;
  job.told = true;
  begin(job);
}

/// Moves no timer: the one that is set fires, looks, and is set anew.
void Plan::on(const AttemptAlive& event) {
  const auto found = jobs_.find(event.job);
  if (found != jobs_.end() && found->second.attempt == event.attempt) found->second.alive = now_;
}

/// The time of a job's attempt starts to run.
void Plan::begin(Job& job) {
  if (job.begun) return;
  job.begun = true;
  job.start = job.alive = now_;
  if (!job.first_start) job.first_start = now_;
  if (job.stop)
    push_stop(job);  // it was asked before it began
  else
    watch(job);
}

void Plan::watch(Job& job) {
  set_timer(job, std::min({after(job.start, job.spec.timeout), after(job.alive, job.spec.no_progress),
                           job.spec.deadline.value_or(MonoTime::max())}));
}

/// Asks first. An attempt that goes on is sent the signal to end halfway through the grace period, and killed at its
/// end. One that its worker has not begun holds nobody up: it is only asked until its turn comes.
void Plan::begin_stop(Job& job, Stop why) {
  if (job.stop) {
    if (why == Stop::cancelled) job.stop = why;  // nobody wants another attempt any more
    return;
  }
  job.stop = why;
  job.stage = Stage::asked;
  actions_.push_back(AskToStop{job.worker, job.spec.number});
  set_timer(job, MonoTime::max());
  if (job.begun) push_stop(job);
}

/// Sets the clock for what follows if the worker does not heed where the stop has come to.
void Plan::push_stop(Job& job) {
  const bool thread = rules_.types[job.spec.type].style == Style::thread;
  set_timer(job, now_ + (thread ? tuning().kill_grace : tuning().kill_grace / 2));
}

void Plan::fire_job(JobNumber number) {
  Job& job = jobs_.at(number);
  const bool too_late = job.spec.deadline && *job.spec.deadline <= now_;
  switch (job.state) {
    case Job::State::waiting:
      if (!too_late) return enqueue(job);
      [[fallthrough]];
    case Job::State::queued:
    case Job::State::held:
      return end(job, Error{Code::timeout, "the job's deadline passed before it could start"}, false);
    case Job::State::running: break;
    case Job::State::settling: return;
  }
  if (!job.stop) {
    if (too_late) return begin_stop(job, Stop::deadline);
    if (after(job.start, job.spec.timeout) <= now_) return begin_stop(job, Stop::timeout);
    if (after(job.alive, job.spec.no_progress) <= now_) return begin_stop(job, Stop::no_progress);
    return watch(job);  // it was alive meanwhile
  }
  Worker& worker = workers_.at(job.worker);
  if (rules_.types[job.spec.type].style != Style::thread) {
    if (job.stage == Stage::asked) {
      job.stage = Stage::terminated;
      going(worker);
      worker.terminated = true;
      actions_.push_back(TerminateWorker{job.worker});
      return push_stop(job);
    }
    return kill(job.worker, worker);
  }
  // A thread cannot be killed: its owner stops waiting, its place stays taken until it returns.
  kill(job.worker, worker);
  worker.line.clear();
  --busy_;
  --running_;
  job.state = Job::State::settling;
  job.finish = now_;
  settle_attempt(job, std::nullopt, true);
}

// ---- queued jobs ---------------------------------------------------------------------------------------------------

/// Strict mode alone needs it: in fair mode the weights leave nobody behind.
void Plan::fire_ages() {
  while (!ages_.empty() && ages_.begin()->first <= now_) {
    const auto [due, number] = *ages_.begin();
    Job& job = jobs_.at(number);
    HOTWELL_ASSERT(job.state == Job::State::queued && job.place.priority != Priority::high);
    move_to(job, static_cast<Priority>(static_cast<unsigned>(job.place.priority) - 1));
    set_age(job, due);
  }
}

/// `from`: since when it waits in its class; the end of time: it does not wait.
void Plan::set_age(Job& job, MonoTime from) {
  const bool ages = from != MonoTime::max() && tuning().strict && tuning().ageing > Duration{} &&
                    job.place.priority != Priority::high;
  const MonoTime when = ages ? after(from, tuning().ageing) : MonoTime::max();
  if (job.ages_at != MonoTime::max()) ages_.erase({job.ages_at, job.spec.number});
  job.ages_at = when;
  if (when != MonoTime::max()) ages_.emplace(when, job.spec.number);
}

// ---- workers -----------------------------------------------------------------------------------------------------

/// It neither became ready nor left in time.
void Plan::fire_worker(WorkerId id) {
  Worker& worker = workers_.at(id);
  set_timer(id, worker, MonoTime::max());
  worker.late = worker.state == Worker::State::starting;
  kill(id, worker);
}

// ---- timers ------------------------------------------------------------------------------------------------------

void Plan::set_timer(Job& job, MonoTime when) {
  if (job.timer == when) return;
  if (job.timer != MonoTime::max()) job_timers_.erase({job.timer, job.spec.number});
  job.timer = when;
  if (when != MonoTime::max()) job_timers_.emplace(when, job.spec.number);
}

void Plan::set_timer(WorkerId id, Worker& worker, MonoTime when) {
  if (worker.timer == when) return;
  if (worker.timer != MonoTime::max()) worker_timers_.erase({worker.timer, id});
  worker.timer = when;
  if (when != MonoTime::max()) worker_timers_.emplace(when, id);
}

/// Whether any was due. (Shrinking waits until it is known who of the idle is needed.)
bool Plan::fire_timers() {
  const auto next = next_timer();
  if (!next || *next > now_) return false;
  if (drain_at_ <= now_) cut_drain();
  while (!job_timers_.empty() && job_timers_.begin()->first <= now_) {
    const auto number = job_timers_.begin()->second;
    set_timer(jobs_.at(number), MonoTime::max());
    fire_job(number);
  }
  while (!worker_timers_.empty() && worker_timers_.begin()->first <= now_) fire_worker(worker_timers_.begin()->second);
  fire_ages();
  fire_probes();
  return true;
}

std::optional<MonoTime> Plan::next_timer() const {
  MonoTime next = std::min(drain_at_, shrink_at_);
  const auto consider = [&next](const auto& timers) {
    if (!timers.empty()) next = std::min(next, timers.begin()->first);
  };
  consider(job_timers_);
  consider(worker_timers_);
  consider(ages_);
  consider(probe_timers_);
  for (const auto& type : types_)
    if (type.not_before > now_) next = std::min(next, type.not_before);
  return next == MonoTime::max() ? std::nullopt : std::optional{next};
}

}  // namespace hotwell::pool

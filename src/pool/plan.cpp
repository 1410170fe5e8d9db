// Jobs come and go.
#include "pool/plan.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace hotwell::pool {

Plan::Plan(Rules rules, std::function<double()> random)
    : rules_(std::move(rules)),
      random_(std::move(random)),
      queue_(rules_.types.size(), rules_.tuning.weights),
      types_(rules_.types.size()) {
  apply_tuning();
}

Actions Plan::step(Event event, MonoTime now) {
  now_ = now;
  // Signs of life give no worker to anybody.
  const bool quiet = std::holds_alternative<AttemptAlive>(event) || std::holds_alternative<AttemptStarted>(event);
  std::visit([this](auto&& e) { on(std::forward<decltype(e)>(e)); }, std::move(event));
  if (fire_timers() || !quiet) {
    dispatch();
    if (shrink_at_ <= now_) shrink();
    finish_drain();
    count_workers();
  }
  return std::exchange(actions_, {});
}

bool Plan::can_cancel(JobNumber number) const {
  const auto job = jobs_.find(number);
  return job != jobs_.end() && job->second.state != Job::State::settling;
}

std::optional<Plan::Standing> Plan::standing(JobNumber number) const {
  const auto job = jobs_.find(number);
  if (job == jobs_.end()) return std::nullopt;
  switch (job->second.state) {
    case Job::State::queued: return Standing::queued;
    case Job::State::held: return Standing::held;
    case Job::State::waiting: return Standing::waiting;
    case Job::State::running: return job->second.begun ? Standing::running : Standing::in_line;
    case Job::State::settling: return Standing::settling;
  }
  return std::nullopt;
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
  if (!spec.past && pending >= tuning().queue_limit && (pending > 0 || running_ >= tuning().max_workers))
    return refuse(Code::overloaded, fmt::format("the queue is full ({} jobs)", pending));
  const Past past = spec.past.value_or(Past{});
  if (spec.deadline && *spec.deadline <= now_) {
    ++figures_.accepted;
    ++figures_.failed;
    actions_.push_back(Accept{spec.number});
    actions_.push_back(End{.job = spec.number,
                           .error = Error{Code::timeout, "the job's deadline had passed already"},
                           .attempts = past.attempts});
    return;
  }
  Job& job = jobs_[spec.number];
  job.spec = std::move(spec);
  job.operation = &operation(job.spec.operation);
  job.place = {.priority = job.spec.priority,
               .type = job.spec.type,
               .deadline = job.spec.deadline.value_or(MonoTime::max()),
               .order = ++last_order_,
               .tenant = queue_.enter(job.spec.tenant)};
  job.attempt = job.charged = job.counted = past.attempts;
  job.crashes = past.crashes;
  job.accepted = now_;
  ++figures_.accepted;
  count_pending(job);
  actions_.push_back(Accept{job.spec.number});
  enqueue(job);
}

void Plan::on(const CancelJob& event) {
  const auto found = jobs_.find(event.job);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  switch (job.state) {
    case Job::State::queued:
    case Job::State::held:
    case Job::State::waiting: return end(job, Error{Code::cancelled, "the job was cancelled before it started"}, false);
    case Job::State::running: return begin_stop(job, Stop::cancelled);
    case Job::State::settling: return;  // too late
  }
}

void Plan::on(const RaiseJob& event) {
  const auto found = jobs_.find(event.job);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  if (event.priority >= job.spec.priority) return;  // high is the smallest
  const bool pending = job.state != Job::State::running && job.state != Job::State::settling;
  if (pending) uncount_pending(job);
  job.spec.priority = event.priority;
  if (pending) count_pending(job);
  // One whose attempt is being settled gets its new place with its next attempt.
  if (event.priority < job.place.priority && job.state != Job::State::settling) move_to(job, event.priority);
  if (job.state == Job::State::queued) set_age(job, now_);
}

void Plan::on(const DrainRequest& event) {
  draining_ = true;
  drain_at_ = std::min(drain_at_, event.limit < Duration::max() / 2 ? now_ + event.limit : MonoTime::max());
}

void Plan::on(const Retune& event) {
  rules_.tuning = event.tuning;
  apply_tuning();
  drop_surplus();
  for (const auto number : numbers_where([](const Job& job) { return job.state == Job::State::queued; })) {
    Job& job = jobs_.at(number);
    if (job.ages_at == MonoTime::max() || !tuning().strict) set_age(job, now_);
  }
}

void Plan::apply_tuning() {
  queue_.set_weights(tuning().weights);
  queue_.set_strict(tuning().strict);
  queue_.set_retry_share(tuning().retry_share);
  if (tuning().min_workers) rules_.types.front().min = *tuning().min_workers;
}

// ---- jobs --------------------------------------------------------------------------------------------------------

std::vector<JobNumber> Plan::numbers_where(const std::function<bool(const Job&)>& is) const {
  std::vector<JobNumber> numbers;
  for (const auto& [number, job] : jobs_)
    if (is(job)) numbers.push_back(number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

void Plan::enqueue(Job& job) {
  job.state = Job::State::queued;
  job.place.retry = job.charged > 0;
  job.place.priority = std::min(job.place.priority, job.spec.priority);
  queue_.push(job.spec.number, job.place, estimate(*job.operation));
  set_timer(job, job.spec.deadline.value_or(MonoTime::max()));
  set_age(job, now_);
}

/// Out of wherever it waits, and out of the count of pending jobs.
void Plan::dequeue(Job& job) {
  if (job.state == Job::State::queued) queue_.erase(job.place);
  if (job.state == Job::State::held) job.operation->held.erase({job.place.order, job.spec.number});
  set_age(job, MonoTime::max());
  uncount_pending(job);
}

/// A job at a worker was charged to its old class, where its settlement belongs too.
void Plan::move_to(Job& job, Priority priority) {
  if (job.state == Job::State::queued) queue_.erase(job.place);
  if (job.state == Job::State::running) queue_.settle(job.place, job.estimate, Duration{});
  job.place.priority = priority;
  if (job.state == Job::State::running) queue_.settle(job.place, Duration{}, job.estimate);
  if (job.state == Job::State::queued) queue_.push(job.spec.number, job.place, estimate(*job.operation));
}

void Plan::end(Job& job, std::optional<Error> error, bool dead) {
  if (job.state != Job::State::running && job.state != Job::State::settling) dequeue(job);
  set_timer(job, MonoTime::max());
  let_go(job);
  End last{.job = job.spec.number,
           .dead = dead,
           .drained = job.stop == Stop::drain,
           .attempts = job.charged,
           .queued = job.first_start.value_or(now_) - job.accepted,
           .ran = job.first_start ? job.finish - job.start : Duration{}};
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
  queue_.leave(job.place.tenant);
  jobs_.erase(job.spec.number);
}

// ---- drain -------------------------------------------------------------------------------------------------------

/// The drain's time is up: nothing starts any more, what runs is killed.
void Plan::cut_drain() {
  drain_at_ = MonoTime::max();
  drain_cut_ = true;
  drain_killed_ = drain_killed_ || !jobs_.empty();
  for (const auto number : numbers_where([](const Job&) { return true; })) {
    Job& job = jobs_.at(number);
    if (job.state == Job::State::settling) continue;
    if (job.state != Job::State::running) {
      job.stop = Stop::drain;
      end(job, Error{Code::cancelled, "the pool was drained before the job could run"}, false);
      continue;
    }
    begin_stop(job, Stop::drain);
    if (job.stop == Stop::timeout || job.stop == Stop::no_progress) job.stop = Stop::drain;  // no further attempt
    if (rules_.types[job.spec.type].style != Style::thread) kill(job.worker, workers_.at(job.worker));
  }
}

void Plan::finish_drain() {
  if (!draining_ || !jobs_.empty()) return;
  bool any_left = false;
  for (auto& [id, worker] : workers_) {
    if (worker.state == Worker::State::idle || worker.state == Worker::State::starting) retire(id, worker);
    // A function that does not return holds its thread, but no process.
    any_left = any_left || rules_.types[worker.type].style != Style::thread;
  }
  if (any_left || drain_reported_) return;
  drain_reported_ = true;
  actions_.push_back(Drained{drain_killed_});
}

}  // namespace hotwell::pool

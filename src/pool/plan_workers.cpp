// The workers' lives: they start, become ready, are let go when they are worn or not needed, and end.
#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "pool/plan.hpp"

namespace hotwell::pool {
namespace {

constexpr Duration first_start_delay = std::chrono::milliseconds{100};
constexpr Duration longest_start_delay = std::chrono::seconds{30};
constexpr double recycle_spread = 0.1;  ///< workers that started together are not worn together

}  // namespace

// ---- events ----------------------------------------------------------------------------------------------------

void Plan::on(const WorkerReady& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end() || found->second.state != Worker::State::starting || found->second.killed) return;
  Worker& worker = found->second;
  Type& type = types_[worker.type];
  --type.starting;
  type.absent = false;
  worker.window = event.window;
  worker.ready_at = now_;
  set_timer(event.worker, worker, MonoTime::max());
  make_idle(event.worker, worker);
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
  if (const auto worker = workers_.find(id); worker != workers_.end()) free_from(id, worker->second, job);
}

void Plan::on(AttemptEnded&& event) {
  const auto found = jobs_.find(event.job);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  if (job.attempt != event.attempt) return;
  if (job.state == Job::State::running) on(WorkerReleased{job.worker, event.job, event.attempt});
  if (job.state == Job::State::settling) settle_attempt(job, std::move(event.error), true);
}

void Plan::on(WorkerGone&& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end()) return;
  set_timer(event.worker, found->second, MonoTime::max());
  const Worker worker = std::move(workers_.extract(found).mapped());
  Type& type = types_[worker.type];
  if (worker.state == Worker::State::idle) std::erase(type.idle, event.worker);
  if (worker.state == Worker::State::starting) --type.starting;
  if (worker.is_going()) --going_;
  if (worker.state == Worker::State::busy && !worker.line.empty()) --busy_;
  running_ -= static_cast<unsigned>(worker.line.size());
  --type.alive;
  const bool left = worker.state == Worker::State::leaving;
  if (event.charged && !left && (!worker.used || event.cannot_start)) start_failed(worker.type, worker, event);

  // What the worker ended of costs an attempt; what only stood in its line does not. A worker that was made to end
  // ended of the attempt that had to be stopped.
  const bool any_told = std::ranges::any_of(worker.line, [this](JobNumber n) { return jobs_.at(n).told; });
  bool first = true;
  for (const auto number : worker.line) {
    Job& job = jobs_.at(number);
    const bool at_it = worker.terminated || worker.killed ? job.stop && job.begun : any_told ? job.told : first;
    first = false;
    if (!job.begun) job.start = now_;
    job.state = Job::State::settling;
    job.finish = now_;
    set_timer(job, MonoTime::max());
    settle_attempt(job, event.reason, event.charged && at_it);
  }
}

/// The breaker of a type whose workers do not come up: ever longer pauses between the starts, and from some failed
/// start on each costs the jobs that wait an attempt, so that they learn of it by their own retries and never wait for
/// ever. A program that does not exist will not exist in a second either: who waits for it is told at once.
void Plan::start_failed(TypeIndex index, const Worker& worker, const WorkerGone& event) {
  Type& type = types_[index];
  Duration delay = first_start_delay;
  for (unsigned i = 0; i < type.failed_starts && delay < longest_start_delay; ++i) delay *= 2;
  ++type.failed_starts;
  type.not_before = now_ + std::min(delay, longest_start_delay);
  type.absent = event.cannot_start;
  if (event.cannot_start) {
    const auto waits = [index](const Job& job) {
      return job.spec.type == index && job.state != Job::State::running && job.state != Job::State::settling;
    };
    for (const auto number : numbers_where(waits)) end(jobs_.at(number), event.reason, false);
    return;
  }
  if (tuning().start_failures == 0 || type.failed_starts < tuning().start_failures) return;
  const Error error{
      Code::unavailable,
      worker.late
          ? fmt::format("worker \"{}\" was started {} times in a row, and the last time was not ready within {}",
                        rules_.types[index].name, type.failed_starts, to_string(tuning().start_limit))
          : fmt::format("worker \"{}\" was started {} times in a row and ended each time before it was ready: {}",
                        rules_.types[index].name, type.failed_starts, event.reason.message)};
  const auto waits = [index](const Job& job) { return job.spec.type == index && job.state == Job::State::queued; };
  for (const auto number : numbers_where(waits)) {
    Job& job = jobs_.at(number);
    dequeue(job);
    job.state = Job::State::settling;
    ++job.charged;
    let_go(job);
    end_or_retry(job, error);
  }
}

// ---- life --------------------------------------------------------------------------------------------------------

unsigned Plan::max_of(TypeIndex type) const {
  return std::min(rules_.types[type].max.value_or(tuning().max_workers), tuning().max_workers);
}

/// Whether the type itself allows one more for a job that waits; the global maximum is another question. A program that
/// was absent is tried once for every job: it fails at once, or it has been installed meanwhile.
bool Plan::may_spawn(TypeIndex index) const {
  if (types_[index].alive >= max_of(index)) return false;
  if (rules_.types[index].style == Style::thread) return true;
  return spawner_up_ && (types_[index].absent || types_[index].not_before <= now_);
}

WorkerId Plan::spawn(TypeIndex type) {
  const WorkerId id = ++last_worker_;
  Worker& worker = workers_[id];
  worker.type = type;
  worker.ready_at = now_;
  ++types_[type].alive;
  actions_.push_back(SpawnWorker{id, type});
  if (rules_.types[type].style == Style::warm) {
    worker.jitter = 1 + recycle_spread * (2 * random_() - 1);
    ++types_[type].starting;
    set_timer(id, worker, now_ + tuning().start_limit);
  } else {
    make_idle(id, worker);
  }
  return id;
}

/// Takes a job that is over out of its worker's line.
void Plan::free_from(WorkerId id, Worker& worker, Job& job) {
  std::erase(worker.line, job.spec.number);
  --running_;
  ++worker.jobs_done;
  if (worker.line.empty()) {
    --busy_;
    release(id, worker);
  } else if (worker.is_going()) {
    kill(id, worker);  // whether it heeds the signal now or later: the rest of its line is not its business any more
  } else {
    begin(jobs_.at(worker.line.front()));
  }
}

/// Its last job has ended.
void Plan::release(WorkerId id, Worker& worker) {
  types_[worker.type].failed_starts = 0;
  types_[worker.type].absent = false;
  const Style style = rules_.types[worker.type].style;
  if (style == Style::per_job || worker.killed) {
    going(worker);
    worker.state = Worker::State::leaving;  // it is ending by itself
  } else if (worker.terminated || workers_.size() - going_ > tuning().max_workers ||
             (style == Style::warm && (!rules_.reuse_workers || is_worn(worker)))) {
    retire(id, worker);
  } else {
    make_idle(id, worker);
  }
}

void Plan::make_idle(WorkerId id, Worker& worker) {
  worker.state = Worker::State::idle;
  worker.idle_since = now_;
  Type& type = types_[worker.type];
  type.idle.push_back(id);
  if (type.alive > rules_.types[worker.type].min) shrink_at_ = std::min(shrink_at_, now_ + tuning().idle_after);
}

/// To be called before a worker starts to leave or is made to.
void Plan::going(const Worker& worker) { going_ += !worker.is_going(); }

/// Lets an idle worker go; one that does not is killed.
void Plan::retire(WorkerId id, Worker& worker) {
  HOTWELL_ASSERT(worker.line.empty() || rules_.types[worker.type].style == Style::thread);
  if (worker.state == Worker::State::idle) std::erase(types_[worker.type].idle, id);
  if (worker.state == Worker::State::starting) --types_[worker.type].starting;
  going(worker);
  worker.state = Worker::State::leaving;
  actions_.push_back(RetireWorker{id});
  if (rules_.types[worker.type].style != Style::thread) set_timer(id, worker, now_ + tuning().kill_grace);
}

void Plan::kill(WorkerId id, Worker& worker) {
  if (worker.killed) return;
  going(worker);
  worker.killed = true;
  if (rules_.types[worker.type].style == Style::thread) {
    retire(id, worker);
  } else {
    actions_.push_back(KillWorker{id});
  }
}

// ---- recycling and shrinking
// -----------------------------------------------------------------------------------------

void Plan::on(const WorkerMemory& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  if (!worker.memory_at_first) worker.memory_at_first = event.private_bytes;
  if (tuning().recycle_growth == 0 || event.private_bytes <= *worker.memory_at_first) return;
  const auto growth = static_cast<double>(event.private_bytes - *worker.memory_at_first);
  worker.worn = worker.worn || growth > static_cast<double>(tuning().recycle_growth) * worker.jitter;
  if (worker.worn && worker.state == Worker::State::idle) retire(event.worker, worker);
}

/// Asked when a worker has done a job: one that rests wears no further.
bool Plan::is_worn(const Worker& worker) const {
  const auto over = [&](double value, double limit) { return limit > 0 && value >= limit * worker.jitter; };
  return worker.worn || over(worker.jobs_done, tuning().recycle_jobs) ||
         over(static_cast<double>((now_ - worker.ready_at).count()), static_cast<double>(tuning().recycle_age.count()));
}

/// Idle workers beyond the minimum go when they have not been needed for a while, the longest idle first.
void Plan::shrink() {
  shrink_at_ = MonoTime::max();
  for (TypeIndex index = 0; index < types_.size(); ++index) {
    unsigned staying = 0;
    for (const auto& [id, worker] : workers_) staying += worker.type == index && !worker.is_going();
    const auto idle = types_[index].idle;
    for (const WorkerId id : idle) {
      if (staying <= rules_.types[index].min) break;
      Worker& worker = workers_.at(id);
      if (worker.idle_since + tuning().idle_after <= now_) {
        retire(id, worker);
        --staying;
      } else {
        shrink_at_ = std::min(shrink_at_, worker.idle_since + tuning().idle_after);
      }
    }
  }
}

/// A maximum that was lowered: idle workers go at once, busy ones when they are done.
void Plan::drop_surplus() {
  for (auto& [id, worker] : workers_)
    if (workers_.size() - going_ > tuning().max_workers && worker.state == Worker::State::idle) retire(id, worker);
  shrink_at_ = std::min(shrink_at_, now_ + tuning().idle_after);
}

void Plan::count_workers() {
  figures_.workers = workers_.size();
  figures_.busy = busy_;
  figures_.idle = 0;
  figures_.min_workers = 0;
  for (TypeIndex index = 0; index < types_.size(); ++index) {
    figures_.idle += types_[index].idle.size();
    figures_.min_workers += rules_.types[index].min;
  }
  figures_.max_workers = tuning().max_workers;
}

}  // namespace hotwell::pool

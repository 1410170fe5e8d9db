// Workers and the assignment of jobs to them.
#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "pool/plan.hpp"

namespace hotwell::pool {
namespace {

constexpr Duration first_start_delay = std::chrono::milliseconds{100};
constexpr Duration longest_start_delay = std::chrono::seconds{30};

}  // namespace

// ---- events ----------------------------------------------------------------------------------------------------

void Plan::on(const WorkerReady& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end() || found->second.state != Worker::State::starting) return;
  Worker& worker = found->second;
  Type& type = types_[worker.type];
  --type.starting;
  type.absent = false;
  set_timer(event.worker, worker, MonoTime::max());
  make_idle(event.worker, worker);
}

void Plan::on(WorkerGone&& event) {
  const auto found = workers_.find(event.worker);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  Type& type = types_[worker.type];
  if (worker.state == Worker::State::idle) std::erase(type.idle, event.worker);
  if (worker.state == Worker::State::starting) --type.starting;
  const bool left = worker.state == Worker::State::leaving;
  if (event.charged && !left && (!worker.used || event.cannot_start)) start_failed(worker.type, event);
  --type.alive;
  set_timer(event.worker, worker, MonoTime::max());
  const JobNumber number = worker.job;
  workers_.erase(found);
  if (number == 0) return;
  Job& job = jobs_.at(number);
  --running_;
  job.state = Job::State::settling;
  job.finish = now_;
  set_timer(job, MonoTime::max());
  settle_attempt(job, std::move(event.reason), event.charged);
}

/// The breaker of a type whose workers do not come up: it only delays. But a program that does not exist will not
/// exist in a second either, so whoever waits for it is told.
void Plan::start_failed(TypeIndex index, const WorkerGone& event) {
  Type& type = types_[index];
  Duration delay = first_start_delay;
  for (unsigned i = 0; i < type.failed_starts && delay < longest_start_delay; ++i) delay *= 2;
  ++type.failed_starts;
  type.not_before = now_ + std::min(delay, longest_start_delay);
  type.absent = event.cannot_start;
  if (!event.cannot_start) return;
  std::vector<JobNumber> lost;
  for (const auto& [number, job] : jobs_)
    if (job.spec.type == index && (job.state == Job::State::queued || job.state == Job::State::waiting))
      lost.push_back(number);
  std::sort(lost.begin(), lost.end());
  for (const auto number : lost) end(jobs_.at(number), event.reason, false);
}

// ---- workers -----------------------------------------------------------------------------------------------------

unsigned Plan::max_of(TypeIndex type) const {
  return std::min(rules_.types[type].max.value_or(rules_.max_workers), rules_.max_workers);
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
  ++types_[type].alive;
  actions_.push_back(SpawnWorker{id, type});
  if (rules_.types[type].style == Style::warm) {
    ++types_[type].starting;
    set_timer(id, worker, now_ + rules_.start_limit);
  } else {
    make_idle(id, worker);
  }
  return id;
}

void Plan::assign(Job& job, WorkerId id) {
  Worker& worker = workers_.at(id);
  HOTWELL_ASSERT(worker.state == Worker::State::idle && job.state == Job::State::queued);
  std::erase(types_[worker.type].idle, id);
  job.estimate = queue_.take(job.place);
  --figures_.pending[static_cast<std::size_t>(job.place.priority)];
  worker.state = Worker::State::busy;
  worker.job = job.spec.number;
  if (worker.used) ++figures_.reuses;
  worker.used = true;
  if (job.spec.affinity != 0) {
    const auto last = std::find(worker.held.begin(), worker.held.end() - 1, job.spec.affinity);
    std::rotate(worker.held.begin(), last, last + 1);
    worker.held.front() = job.spec.affinity;
  }
  job.state = Job::State::running;
  job.worker = id;
  job.start = now_;
  if (job.attempt == 0) job.first_start = now_;
  ++job.attempt;
  if (++job.charged > 1) ++figures_.retried;
  ++running_;
  if (job.alone) exclusive_ = job.spec.number;
  Duration time_left = job.spec.timeout;
  if (job.spec.deadline) time_left = std::min(time_left, *job.spec.deadline - now_);
  set_timer(job, time_left < Duration::max() / 2 ? now_ + time_left : MonoTime::max());
  actions_.push_back(Assign{id, job.spec.number, job.attempt, time_left});
}

/// Its job has ended.
void Plan::release(WorkerId id, Worker& worker) {
  worker.job = 0;
  --running_;
  types_[worker.type].failed_starts = 0;
  types_[worker.type].absent = false;
  const TypeRules& rules = rules_.types[worker.type];
  if (rules.style == Style::per_job) {
    worker.state = Worker::State::leaving;  // it is ending by itself
  } else if (worker.killed) {
    worker.state = Worker::State::leaving;
  } else if (!rules_.reuse_workers && rules.style == Style::warm) {
    retire(id, worker);
  } else if (workers_.size() > rules_.max_workers) {
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
  if (type.alive > rules_.types[worker.type].min) shrink_at_ = std::min(shrink_at_, now_ + rules_.idle_after);
}

/// Lets an idle worker go; one that does not is killed.
void Plan::retire(WorkerId id, Worker& worker) {
  if (worker.state == Worker::State::idle) std::erase(types_[worker.type].idle, id);
  if (worker.state == Worker::State::starting) --types_[worker.type].starting;
  worker.state = Worker::State::leaving;
  actions_.push_back(RetireWorker{id});
  if (rules_.types[worker.type].style != Style::thread) set_timer(id, worker, now_ + rules_.kill_grace);
}

void Plan::kill(WorkerId id, Worker& worker) {
  if (worker.killed) return;
  worker.killed = true;
  if (rules_.types[worker.type].style == Style::thread) {
    retire(id, worker);
  } else {
    actions_.push_back(KillWorker{id});
  }
}

void Plan::set_timer(WorkerId id, Worker& worker, MonoTime when) {
  if (worker.timer == when) return;
  if (worker.timer != MonoTime::max()) worker_timers_.erase({worker.timer, id});
  worker.timer = when;
  if (when != MonoTime::max()) worker_timers_.emplace(when, id);
}

/// It neither became ready nor left in time.
void Plan::fire_worker(WorkerId id) {
  Worker& worker = workers_.at(id);
  set_timer(id, worker, MonoTime::max());
  kill(id, worker);
}

/// Idle workers beyond the minimum go when they have not been needed for a while, the longest idle first.
void Plan::shrink() {
  shrink_at_ = MonoTime::max();
  for (TypeIndex index = 0; index < types_.size(); ++index) {
    unsigned staying = 0;
    for (const auto& [id, worker] : workers_) staying += worker.type == index && worker.state != Worker::State::leaving;
    const auto idle = types_[index].idle;
    for (const WorkerId id : idle) {
      if (staying <= rules_.types[index].min) break;
      Worker& worker = workers_.at(id);
      if (worker.idle_since + rules_.idle_after <= now_) {
        retire(id, worker);
        --staying;
      } else {
        shrink_at_ = std::min(shrink_at_, worker.idle_since + rules_.idle_after);
      }
    }
  }
}

std::optional<WorkerId> Plan::pick_idle(TypeIndex type, std::uint64_t affinity) const {
  const auto& idle = types_[type].idle;
  if (idle.empty()) return std::nullopt;
  if (affinity != 0)
    for (const WorkerId id : idle) {
      const auto& held = workers_.at(id).held;
      if (std::find(held.begin(), held.end(), affinity) != held.end()) return id;
    }
  return idle.back();
}

/// An idle worker of another type to make room: the longest idle one, of a type beyond its minimum if there is one.
std::optional<WorkerId> Plan::pick_victim(TypeIndex for_type) const {
  std::optional<WorkerId> best;
  bool best_spare = false;
  for (TypeIndex index = 0; index < types_.size(); ++index) {
    if (index == for_type) continue;
    const bool spare = types_[index].alive > rules_.types[index].min;
    for (const WorkerId id : types_[index].idle) {
      const bool older = best && workers_.at(id).idle_since < workers_.at(*best).idle_since;
      if (!best || (spare && !best_spare) || (spare == best_spare && older)) {
        best = id;
        best_spare = spare;
      }
    }
  }
  return best;
}

// ---- assignment ----------------------------------------------------------------------------------------------------

/// Walks the queue in its order and gives every job a worker, a worker that is starting, or the room that a leaving one
/// makes. Whatever is promised to an earlier job is not given to a later one.
void Plan::dispatch() {
  if (exclusive_) return;
  if (queue_.empty()) return restore_minimum();
  std::vector<unsigned> promised(types_.size());  // workers that are starting
  std::size_t leaving = 0;
  for (const auto& [id, worker] : workers_) leaving += worker.state == Worker::State::leaving || worker.killed;
  std::size_t promised_leaving = 0;

  auto scan = queue_.scan();
  while (const auto number = scan.next()) {
    Job& job = jobs_.at(*number);
    const TypeIndex index = job.spec.type;
    Type& type = types_[index];
    if (job.alone && running_ > 0) return;  // nothing new starts until it has had its turn
    const auto give = [&](WorkerId id) {
      assign(job, id);
      return job.alone;
    };
    if (const auto idle = pick_idle(index, job.spec.affinity)) {
      if (give(*idle)) return;
      continue;
    }
    if (promised[index] < type.starting) {
      ++promised[index];
      continue;
    }
    if (!may_spawn(index)) {
      scan.exclude(index);
      continue;
    }
    if (workers_.size() < rules_.max_workers) {
      const WorkerId id = spawn(index);
      if (rules_.types[index].style == Style::warm) {
        ++promised[index];
      } else if (give(id)) {
        return;
      }
      continue;
    }
    if (promised_leaving < leaving) {
      ++promised_leaving;
      continue;
    }
    if (const auto victim = pick_victim(index)) {
      retire(*victim, workers_.at(*victim));
      ++leaving;
      ++promised_leaving;
      continue;
    }
    return;  // everybody is busy
  }
  restore_minimum();
}

/// Nobody waits for room: keeps every type's minimum warm.
void Plan::restore_minimum() {
  if (draining_) return;
  for (TypeIndex index = 0; index < types_.size(); ++index) {
    if (rules_.types[index].style == Style::per_job) continue;
    while (types_[index].alive < rules_.types[index].min && workers_.size() < rules_.max_workers &&
           types_[index].not_before <= now_ && may_spawn(index))
      spawn(index);
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

std::optional<MonoTime> Plan::next_timer() const {
  MonoTime next = std::min(drain_at_, shrink_at_);
  if (!job_timers_.empty()) next = std::min(next, job_timers_.begin()->first);
  if (!worker_timers_.empty()) next = std::min(next, worker_timers_.begin()->first);
  for (const auto& type : types_)
    if (type.not_before > now_) next = std::min(next, type.not_before);
  return next == MonoTime::max() ? std::nullopt : std::optional{next};
}

void Plan::count_workers() {
  figures_.workers = workers_.size();
  figures_.busy = running_;
  figures_.idle = 0;
  figures_.min_workers = 0;
  for (TypeIndex index = 0; index < types_.size(); ++index) {
    figures_.idle += types_[index].idle.size();
    figures_.min_workers += rules_.types[index].min;
  }
  figures_.max_workers = rules_.max_workers;
}

}  // namespace hotwell::pool

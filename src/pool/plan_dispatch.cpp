// Who gets which worker.
#include <algorithm>

#include "base/assert.hpp"
#include "pool/plan.hpp"

namespace hotwell::pool {
namespace {

/// Only jobs expected to take less than this are fed ahead.
constexpr Duration brief = std::chrono::milliseconds{1};

}  // namespace

void Plan::assign(Job& job, WorkerId id) {
  Worker& worker = workers_.at(id);
  HOTWELL_ASSERT(job.state == Job::State::queued);
  if (worker.state == Worker::State::idle) {
    std::erase(types_[worker.type].idle, id);
    worker.state = Worker::State::busy;
    ++busy_;
  }
  job.estimate = queue_.take(job.place);
  set_age(job, MonoTime::max());
  uncount_pending(job);
  if (worker.used) ++figures_.reuses;
  worker.used = true;
  if (job.spec.affinity != 0) {
    const auto last = std::find(worker.held.begin(), worker.held.end() - 1, job.spec.affinity);
    std::rotate(worker.held.begin(), last, last + 1);
    worker.held.front() = job.spec.affinity;
  }
  job.state = Job::State::running;
  job.worker = id;
  job.begun = job.told = false;
  job.start = now_;
  ++job.attempt;
  if (++job.charged > std::max(1U, job.counted)) ++figures_.retried;
  job.counted = std::max(job.counted, job.charged);
  ++running_;
  if (job.alone) exclusive_ = job.spec.number;
  Duration time_left = job.spec.timeout;
  if (job.spec.deadline) time_left = std::min(time_left, *job.spec.deadline - now_);
  set_timer(job, job.spec.deadline.value_or(MonoTime::max()));
  worker.line.push_back(job.spec.number);
  actions_.push_back(Assign{id, job.spec.number, job.attempt, time_left});
  if (worker.line.size() > 1) return;
  job.told = true;
  begin(job);
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

void Plan::dispatch() {
  if (exclusive_) return;
  if (!queue_.empty() && !place_jobs()) return;
  feed();
  restore_minimum();
}

/// Walks the queue in its order and gives every job a worker, a worker that is starting, or the room that a leaving one
/// makes. Whatever is promised to an earlier job is not given to a later one. False where a job has to have, or has,
/// the machine for itself.
bool Plan::place_jobs() {
  std::vector<unsigned> promised;  // workers that are starting, by type
  std::size_t promised_going = 0;
  auto scan = queue_.scan();
  while (const auto number = scan.next()) {
    Job& job = jobs_.at(*number);
    if (!may_run(job)) continue;
    if (job.alone && running_ > 0) return false;  // nothing new starts until it has had its turn
    const TypeIndex index = job.spec.type;
    const auto give = [&](WorkerId id) {
      assign(job, id);
      return job.alone;
    };
    if (const auto idle = pick_idle(index, job.spec.affinity)) {
      if (give(*idle)) return false;
      continue;
    }
    if (promised.empty()) promised.resize(types_.size());
    if (promised[index] < types_[index].starting) {
      ++promised[index];
      continue;
    }
    if (!may_spawn(index)) {
      scan.exclude(index);
      continue;
    }
    if (workers_.size() < tuning().max_workers) {
      const WorkerId id = spawn(index);
      if (rules_.types[index].style == Style::warm) {
        ++promised[index];
      } else if (give(id)) {
        return false;
      }
      continue;
    }
    if (promised_going < going_) {
      ++promised_going;
      continue;
    }
    if (const auto victim = pick_victim(index)) {
      retire(*victim, workers_.at(*victim));
      ++promised_going;
      continue;
    }
    return true;  // everybody is busy
  }
  return true;
}

// ---- feeding ahead -------------------------------------------------------------------------------------------------

bool Plan::is_brief(const Job& job) const {
  const Operation& operation = *job.operation;
  return operation.estimate && *operation.estimate < brief && !operation.open && !job.alone && !job.stop;
}

/// Workers that are down to half of what they may have, and have nothing but brief jobs of one class. Refilling them by
/// halves lets several jobs travel together.
std::vector<Plan::Room> Plan::rooms() const {
  std::vector<Room> found;
  for (const auto& [id, worker] : workers_) {
    const std::size_t most = std::min(tuning().feed_ahead, worker.window);
    if (worker.state != Worker::State::busy || worker.is_going() || worker.line.size() > most / 2) continue;
    if (rules_.types[worker.type].style != Style::warm || !rules_.reuse_workers || is_worn(worker)) continue;
    const Priority priority = jobs_.at(worker.line.front()).place.priority;
    if (std::ranges::all_of(worker.line, [&](JobNumber number) {
          const Job& job = jobs_.at(number);
          return is_brief(job) && job.place.priority == priority;
        }))
      found.push_back({id, priority, worker.line.size(), most});
  }
  return found;
}

Plan::Room* Plan::pick_room(std::vector<Room>& rooms, const Job& job) const {
  Room* best = nullptr;
  for (Room& room : rooms)
    if (room.have < room.most && room.priority == job.place.priority &&
        workers_.at(room.worker).type == job.spec.type && (best == nullptr || room.have < best->have))
      best = &room;
  return best;
}

/// Hands busy workers brief jobs ahead, in the queue's order: never past a job that waits for room, and nothing but
/// HIGH while HIGH waits.
void Plan::feed() {
  if (tuning().feed_ahead <= 1 || queue_.empty()) return;
  auto rooms_left = rooms();
  if (rooms_left.empty()) return;
  auto scan = queue_.scan();
  while (const auto number = scan.next()) {
    Job& job = jobs_.at(*number);
    if (job.alone) return;
    if (!may_run(job)) continue;
    const bool high_waits = job.place.priority != Priority::high && queue_.size(Priority::high) > 0;
    Room* room = is_brief(job) && !high_waits ? pick_room(rooms_left, job) : nullptr;
    if (room != nullptr) {
      assign(job, room->worker);
      ++room->have;
    } else if (may_spawn(job.spec.type)) {
      return;
    } else {
      scan.exclude(job.spec.type);
    }
  }
}

/// Nobody waits for room: keeps every type's minimum warm.
void Plan::restore_minimum() {
  if (draining_) return;
  for (TypeIndex index = 0; index < types_.size(); ++index) {
    if (rules_.types[index].style == Style::per_job) continue;
    while (types_[index].alive < rules_.types[index].min && workers_.size() < tuning().max_workers &&
           types_[index].not_before <= now_ && may_spawn(index))
      spawn(index);
  }
}

}  // namespace hotwell::pool

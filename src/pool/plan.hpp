/// Plan: what the pool does next, as a pure state machine: step(event, now) answers actions. It knows jobs and workers
/// by number alone; processes, sockets, sinks and time are elsewhere.
///
/// Invariants, whatever happens in whatever order:
/// - at most `max_workers` workers exist, those that are starting, being killed or leaving included;
/// - every submitted job gets exactly one End;
/// - a worker has at most one job, and a job at most one worker;
/// - a worker's end costs at most one attempt of one job; a spawner's end costs none;
/// - words about an older attempt change nothing.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool/plan_events.hpp"

namespace hotwell::pool {

class Plan {
 public:
  /// `random` answers numbers in [0, 1).
  Plan(Rules rules, std::function<double()> random);

  [[nodiscard]] Actions step(Event event, MonoTime now);
  /// When a Tick is due, if nothing else happens before.
  [[nodiscard]] std::optional<MonoTime> next_timer() const;
  [[nodiscard]] const Figures& figures() const { return figures_; }
  /// False once the job ended (or never was), or its outcome is already being settled.
  [[nodiscard]] bool can_cancel(JobNumber job) const;

 private:
  enum class Stop : std::uint8_t { cancelled, timeout, deadline, drain };
  struct Job {
    PlannedJob spec;
    enum class State : std::uint8_t { queued, running, settling, waiting } state = State::queued;
    Place place;
    std::uint32_t attempt = 0;  ///< of all starts, those that were not charged included
    unsigned charged = 0;
    unsigned crashes = 0;
    bool alone = false;  ///< its next attempt runs with no other job beside it
    bool tried_alone = false;
    WorkerId worker = 0;
    std::optional<Stop> stop;
    MonoTime accepted{};
    MonoTime first_start{};
    MonoTime start{};
    MonoTime finish{};
    Duration estimate{};
    MonoTime timer = MonoTime::max();
  };
  struct Worker {
    TypeIndex type = 0;
    enum class State : std::uint8_t { starting, idle, busy, leaving } state = State::starting;
    JobNumber job = 0;
    bool used = false;
    bool killed = false;
    std::array<std::uint64_t, 4> held{};  ///< inputs that it may still have open, newest first
    MonoTime idle_since{};
    MonoTime timer = MonoTime::max();
  };
  struct Type {
    unsigned alive = 0;
    unsigned starting = 0;
    unsigned failed_starts = 0;  ///< since a worker last did a job
    MonoTime not_before = MonoTime::min();
    bool absent = false;         ///< its program was not there when it was last tried
    std::vector<WorkerId> idle;  ///< the one used last is last
  };

  void on(Submit&& event);
  void on(const CancelJob& event);
  void on(const RaiseJob& event);
  void on(const WorkerReady& event);
  void on(const AttemptStarted&) {}
  void on(const AttemptAlive&) {}
  void on(const WorkerMemory&) {}
  void on(const WorkerReleased& event);
  void on(AttemptEnded&& event);
  void on(WorkerGone&& event);
  void on(const SpawnerState& event) { spawner_up_ = event.up; }
  void on(const DrainRequest& event);
  void on(const SetLimits& event);
  void on(const Tick&) {}

  // Jobs
  void enqueue(Job& job);
  void dequeue(Job& job);
  void set_timer(Job& job, MonoTime when);
  void begin_stop(Job& job, Stop why);
  void settle_attempt(Job& job, std::optional<Error> error, bool charged);
  void retry_later(Job& job, Error error);
  void end(Job& job, std::optional<Error> error, bool dead);
  [[nodiscard]] Error stop_error(const Job& job) const;
  [[nodiscard]] Duration estimate(const std::string& operation) const;
  void learn(const std::string& operation, Duration used);
  void fire_job(JobNumber number);
  void cut_drain();

  // Workers
  WorkerId spawn(TypeIndex type);
  void assign(Job& job, WorkerId id);
  void release(WorkerId id, Worker& worker);
  void make_idle(WorkerId id, Worker& worker);
  void retire(WorkerId id, Worker& worker);
  void kill(WorkerId id, Worker& worker);
  void set_timer(WorkerId id, Worker& worker, MonoTime when);
  void fire_worker(WorkerId id);
  void shrink();
  void start_failed(TypeIndex index, const WorkerGone& event);
  [[nodiscard]] std::optional<WorkerId> pick_idle(TypeIndex type, std::uint64_t affinity) const;
  [[nodiscard]] std::optional<WorkerId> pick_victim(TypeIndex for_type) const;
  [[nodiscard]] unsigned max_of(TypeIndex type) const;
  [[nodiscard]] bool may_spawn(TypeIndex type) const;

  void fire_timers();
  void dispatch();
  void restore_minimum();
  void finish_drain();
  void count_workers();

  Rules rules_;
  std::function<double()> random_;
  Queue queue_;
  std::unordered_map<JobNumber, Job> jobs_;
  std::map<WorkerId, Worker> workers_;
  std::vector<Type> types_;
  std::map<std::string, Duration, std::less<>> estimates_;  ///< moving averages by operation
  std::set<std::pair<MonoTime, JobNumber>> job_timers_;
  std::set<std::pair<MonoTime, WorkerId>> worker_timers_;
  MonoTime shrink_at_ = MonoTime::max();
  MonoTime drain_at_ = MonoTime::max();
  bool draining_ = false;
  bool drain_reported_ = false;
  bool drain_cut_ = false;  ///< its time is up: nothing starts or is tried again
  bool drain_killed_ = false;
  bool spawner_up_ = true;
  unsigned running_ = 0;  ///< jobs on a worker
  std::optional<JobNumber> exclusive_;
  WorkerId last_worker_ = 0;
  std::uint64_t last_order_ = 0;
  Figures figures_;
  MonoTime now_{};
  Actions actions_;
};

}  // namespace hotwell::pool

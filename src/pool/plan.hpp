/// Plan: what the pool does next, as a pure state machine: step(event, now) answers actions. It knows jobs and workers
/// by number alone; processes, sockets, sinks and time are elsewhere.
///
/// Invariants, whatever happens in whatever order:
/// - at most `max_workers` workers exist, those that are starting, being killed or leaving included;
/// - every submitted job gets exactly one End, and never has two attempts at once;
/// - a worker has one job, and more only as feed_ahead allows it: then one after the other, and the one that it is at
///   is known;
/// - a worker's end costs one attempt of one job (of each that had started, where the worker starts several at once);
///   a spawner's end and a drain cost none;
/// - breakers and shares of retries only delay: they end no job and charge no attempt;
/// - a worker that is busy is never retired, and killed only for the job that it is at; the jobs behind that go back;
/// - no worker is idle while a job of its type waits that may run;
/// - words about an older attempt change nothing.
///
/// By file: plan.cpp has the jobs' comings and goings, plan_dispatch.cpp who gets which worker, plan_watchdogs.cpp time
/// that runs out, plan_retries.cpp what follows from an attempt's end, plan_workers.cpp the workers' lives.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool/plan_events.hpp"
#include "pool/queue.hpp"

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

  enum class Standing : std::uint8_t {
    queued,   ///< waits for a worker
    held,     ///< waits because its operation has crashed again and again
    waiting,  ///< for its next attempt's time
    in_line,  ///< at a worker that has not begun it yet
    running,
    settling,  ///< its worker is done with it, its outcome is not
  };
  /// None once it ended, or never was.
  [[nodiscard]] std::optional<Standing> standing(JobNumber job) const;

 private:
  enum class Stop : std::uint8_t { cancelled, timeout, no_progress, deadline, drain };
  /// How far a stop has gone.
  enum class Stage : std::uint8_t { asked, terminated, killed };

  /// What is known of an operation: how long it takes, and whether it crashes.
  struct Operation {
    std::size_t index = 0;
    std::optional<Duration> estimate;  ///< a moving average over its successes
    unsigned crashes = 0;              ///< in a row
    bool open = false;                 ///< the breaker: its jobs are held back, but for a probe
    Duration pause{};
    MonoTime probe_at{};                                 ///< when the next one may run, to see
    JobNumber probe = 0;                                 ///< the one that may run now
    std::set<std::pair<std::uint64_t, JobNumber>> held;  ///< by order of acceptance
  };
  struct Job {
    PlannedJob spec;
    enum class State : std::uint8_t { queued, held, waiting, running, settling } state = State::queued;
    Place place;
    Operation* operation = nullptr;
    std::uint32_t attempt = 0;  ///< of all starts, those that were not charged included
    unsigned charged = 0;
    unsigned counted = 0;  ///< of the charged ones, those that the figures have
    unsigned crashes = 0;
    bool alone = false;  ///< its next attempt runs with no other job beside it
    bool tried_alone = false;
    WorkerId worker = 0;
    bool begun = false;  ///< at a worker, and first in its line: its time runs
    bool told = false;   ///< at a worker that is known to have started it
    std::optional<Stop> stop;
    Stage stage = Stage::asked;
    MonoTime accepted{};
    std::optional<MonoTime> first_start;
    MonoTime start{};
    MonoTime alive{};  ///< the attempt's last sign of life
    MonoTime finish{};
    Duration estimate{};
    MonoTime timer = MonoTime::max();
    MonoTime ages_at = MonoTime::max();
  };
  struct Worker {
    TypeIndex type = 0;
    enum class State : std::uint8_t { starting, idle, busy, leaving } state = State::starting;
    std::vector<JobNumber> line;  ///< its jobs, in the order in which it was handed them
    unsigned window = 1;
    bool used = false;
    bool terminated = false;  ///< it was sent the signal to end
    bool killed = false;
    bool late = false;                    ///< it was not ready in time
    bool worn = false;                    ///< to be replaced as soon as it is idle
    std::array<std::uint64_t, 4> held{};  ///< inputs that it may still have open, newest first
    double jitter = 1;                    ///< of when it is worn
    unsigned jobs_done = 0;
    std::optional<std::uint64_t> memory_at_first;
    MonoTime ready_at{};
    MonoTime idle_since{};
    MonoTime timer = MonoTime::max();

    [[nodiscard]] bool is_going() const { return state == State::leaving || terminated || killed; }
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
  void on(const AttemptStarted& event);
  void on(const AttemptAlive& event);
  void on(const WorkerReleased& event);
  void on(AttemptEnded&& event);
  void on(const WorkerMemory& event);
  void on(WorkerGone&& event);
  void on(const SpawnerState& event) { spawner_up_ = event.up; }
  void on(const DrainRequest& event);
  void on(const Retune& event);
  void on(const Tick&) {}

  // Jobs (plan.cpp)
  void apply_tuning();
  void drop_surplus();
  void count_pending(const Job& job) { ++figures_.pending[static_cast<std::size_t>(job.spec.priority)]; }
  void uncount_pending(const Job& job) { --figures_.pending[static_cast<std::size_t>(job.spec.priority)]; }
  void enqueue(Job& job);
  void dequeue(Job& job);
  void move_to(Job& job, Priority priority);
  [[nodiscard]] std::vector<JobNumber> numbers_where(const std::function<bool(const Job&)>& is) const;
  void end(Job& job, std::optional<Error> error, bool dead);
  void cut_drain();
  void finish_drain();

  // What follows from an attempt's end (plan_retries.cpp)
  void settle_attempt(Job& job, std::optional<Error> error, bool charged);
  void end_or_retry(Job& job, Error error);
  void retry_later(Job& job, Error error);
  [[nodiscard]] Error stop_error(const Job& job) const;
  Operation& operation(const std::string& name);
  [[nodiscard]] static Duration estimate(const Operation& operation);
  void learn(Operation& operation, Duration used);
  void crashed(Operation& operation, JobNumber number);
  void close_breaker(Operation& operation);
  [[nodiscard]] bool may_run(Job& job);
  void hold(Job& job);
  void let_go(Job& job);
  void fire_probes();

  // Time (plan_watchdogs.cpp)
  void set_timer(Job& job, MonoTime when);
  void set_age(Job& job, MonoTime from);
  void set_timer(WorkerId id, Worker& worker, MonoTime when);
  void begin(Job& job);
  void watch(Job& job);
  void begin_stop(Job& job, Stop why);
  void push_stop(Job& job);
  void fire_job(JobNumber number);
  void fire_worker(WorkerId id);
  void fire_ages();
  bool fire_timers();

  // Workers (plan_workers.cpp)
  WorkerId spawn(TypeIndex type);
  void free_from(WorkerId id, Worker& worker, Job& job);
  void release(WorkerId id, Worker& worker);
  void make_idle(WorkerId id, Worker& worker);
  void retire(WorkerId id, Worker& worker);
  void kill(WorkerId id, Worker& worker);
  void going(const Worker& worker);
  void shrink();
  void start_failed(TypeIndex index, const Worker& worker, const WorkerGone& event);
  [[nodiscard]] bool is_worn(const Worker& worker) const;
  [[nodiscard]] unsigned max_of(TypeIndex type) const;
  [[nodiscard]] bool may_spawn(TypeIndex type) const;
  void count_workers();

  // Who gets which worker (plan_dispatch.cpp)
  void assign(Job& job, WorkerId id);
  void dispatch();
  bool place_jobs();
  void feed();
  [[nodiscard]] std::optional<WorkerId> pick_idle(TypeIndex type, std::uint64_t affinity) const;
  [[nodiscard]] std::optional<WorkerId> pick_victim(TypeIndex for_type) const;
  /// A worker whose line is to be filled up.
  struct Room {
    WorkerId worker;
    Priority priority;
    std::size_t have;
    std::size_t most;
  };
  [[nodiscard]] std::vector<Room> rooms() const;
  [[nodiscard]] Room* pick_room(std::vector<Room>& rooms, const Job& job) const;
  [[nodiscard]] bool is_brief(const Job& job) const;
  void restore_minimum();

  [[nodiscard]] const Tuning& tuning() const { return rules_.tuning; }

  Rules rules_;
  std::function<double()> random_;
  Queue queue_;
  std::unordered_map<JobNumber, Job> jobs_;
  std::map<WorkerId, Worker> workers_;
  std::vector<Type> types_;
  std::deque<Operation> operations_;  // never shrinks: jobs point into it
  std::unordered_map<std::string, std::size_t> operation_indices_;
  std::set<std::pair<MonoTime, JobNumber>> job_timers_;
  std::set<std::pair<MonoTime, JobNumber>> ages_;
  std::set<std::pair<MonoTime, WorkerId>> worker_timers_;
  std::set<std::pair<MonoTime, std::size_t>> probe_timers_;  ///< by operation
  MonoTime shrink_at_ = MonoTime::max();
  MonoTime drain_at_ = MonoTime::max();
  bool draining_ = false;
  bool drain_reported_ = false;
  bool drain_cut_ = false;  ///< its time is up: nothing starts or is tried again
  bool drain_killed_ = false;
  bool spawner_up_ = true;
  unsigned running_ = 0;   ///< jobs at workers
  std::size_t busy_ = 0;   ///< workers that have any
  std::size_t going_ = 0;  ///< workers that are leaving or being killed
  std::optional<JobNumber> exclusive_;
  WorkerId last_worker_ = 0;
  std::uint64_t last_order_ = 0;
  Figures figures_;
  MonoTime now_{};
  Actions actions_;
};

}  // namespace hotwell::pool

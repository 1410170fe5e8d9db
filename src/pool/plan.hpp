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
#include <variant>
#include <vector>

#include <hotwell/event.hpp>
#include <hotwell/result.hpp>

#include "host/clock.hpp"
#include "pool/queue.hpp"

namespace hotwell::pool {

using host::MonoTime;
using WorkerId = std::uint32_t;

/// How a type's workers live.
enum class Style : std::uint8_t {
  warm,     ///< a process that says when it is ready and then does job after job
  per_job,  ///< a process that is started with its job and ends with it
  thread,   ///< a thread of this process: ready at once, asked to stop, never killed
};

struct TypeRules {
  std::string name;
  Style style = Style::warm;
  unsigned min = 0;
  std::optional<unsigned> max;  ///< none: the global maximum
  unsigned max_crashes = 3;
};

struct Rules {
  std::vector<TypeRules> types;
  unsigned max_workers = 8;
  bool reuse_workers = true;
  std::array<unsigned, priority_count> weights{8, 3, 1};
  std::size_t queue_limit = 10'000;
  Duration kill_grace = std::chrono::milliseconds{500};
  Duration idle_after = std::chrono::minutes{1};    ///< an idle worker beyond the minimum is retired after this
  Duration start_limit = std::chrono::seconds{30};  ///< a warm worker has to be ready within this
};

struct PlannedJob {
  JobNumber number = 0;
  TypeIndex type = 0;
  std::string operation;
  Priority priority = Priority::normal;
  unsigned retries = 0;
  Duration timeout = Duration::max();
  Duration backoff = std::chrono::seconds{1};
  std::optional<MonoTime> deadline;
  std::uint64_t affinity = 0;  ///< a digest of the input's identity; 0: none
};

// ---- what happened ----
struct Submit {
  PlannedJob job;
};
struct CancelJob {
  JobNumber job;
};
struct RaiseJob {
  JobNumber job;
  Priority priority;
};
struct WorkerReady {
  WorkerId worker;
};
/// The worker is done with its attempt, whose outcome is still being settled (its sink is sealed or abandoned).
struct WorkerReleased {
  WorkerId worker;
  JobNumber job;
  std::uint32_t attempt;
};
/// Frees the worker too, if it has not been released before.
struct AttemptEnded {
  JobNumber job;
  std::uint32_t attempt;
  std::optional<Error> error;
};
/// Nothing of the worker is left. An attempt that it still had ends with `reason`.
struct WorkerGone {
  WorkerId worker;
  Error reason;
  bool charged = true;        ///< false: the spawner's end took it along
  bool cannot_start = false;  ///< there is no such program, and trying again will not help
};
struct SpawnerState {
  bool up;
};
struct DrainRequest {
  Duration limit;
};
struct SetLimits {
  unsigned min_workers;
  unsigned max_workers;
  std::size_t queue_limit;
};
struct Tick {};
using Event = std::variant<Submit, CancelJob, RaiseJob, WorkerReady, WorkerReleased, AttemptEnded, WorkerGone,
                           SpawnerState, DrainRequest, SetLimits, Tick>;

// ---- what to do ----
struct Accept {
  JobNumber job;
};
struct SpawnWorker {
  WorkerId worker;
  TypeIndex type;
};
struct Assign {
  WorkerId worker;
  JobNumber job;
  std::uint32_t attempt;
  Duration time_left;
};
struct AskToStop {
  WorkerId worker;
  JobNumber job;
};
struct KillWorker {
  WorkerId worker;
};
struct RetireWorker {
  WorkerId worker;
};
struct AnnounceRetry {
  JobNumber job;
  Error error;
  Duration delay;
};
struct End {
  JobNumber job;
  std::optional<Error> error;
  bool dead = false;
  bool refused = false;  ///< never accepted
  unsigned attempts = 0;
  Duration queued{};
  Duration ran{};
};
struct Drained {
  bool killed;
};
using Action =
    std::variant<Accept, SpawnWorker, Assign, AskToStop, KillWorker, RetireWorker, AnnounceRetry, End, Drained>;
using Actions = std::vector<Action>;

/// Exact at every moment; what WorkerPool::stats() shows.
struct Figures {
  std::uint64_t max_workers = 0, min_workers = 0, idle = 0, busy = 0, workers = 0;
  std::array<std::uint64_t, priority_count> pending{};
  std::uint64_t accepted = 0, completed = 0, failed = 0, cancelled = 0, retried = 0, reuses = 0;
  Duration executed{};  ///< sum over the completed jobs' last attempts
};

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

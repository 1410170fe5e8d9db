/// What the plan hears and what it answers: plain values. plan.hpp says what follows from them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
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

/// What may be turned while the pool runs.
struct Tuning {
  std::optional<unsigned> min_workers;  ///< of the first type; none: what its TypeRules say
  unsigned max_workers = 8;
  std::size_t queue_limit = 10'000;
  std::array<unsigned, priority_count> weights{8, 3, 1};
  bool strict = false;                         ///< classes strictly one before the other, weights play no part
  Duration ageing = std::chrono::seconds{30};  ///< strict: a job rises by a class each time it has waited so long
  double retry_share = 0.1;  ///< of a class's worker time, what retries get at most while first attempts wait
  /// Jobs that a warm worker may have at once, where they are expected to take under 1 ms and are of one class.
  unsigned feed_ahead = 1;
  Duration kill_grace = std::chrono::milliseconds{500};  ///< from asking to killing
  Duration idle_after = std::chrono::minutes{1};         ///< an idle worker beyond the minimum is retired after this
  Duration start_limit = std::chrono::seconds{30};       ///< a warm worker has to be ready within this
  /// So many starts in a row that come to nothing cost every job that waits for the type an attempt.
  unsigned start_failures = 5;
  unsigned breaker_crashes = 5;  ///< crashes in a row that hold an operation's jobs back for a while
  // A warm worker is replaced after so much, give or take a tenth; 0: never.
  unsigned recycle_jobs = 0;
  std::uint64_t recycle_growth = std::uint64_t{256} << 20;  ///< bytes of private memory since it was first measured
  Duration recycle_age{};
};

struct Rules {
  std::vector<TypeRules> types;
  bool reuse_workers = true;
  Tuning tuning{};
};

/// What lies behind a job that is taken up again after a restart.
struct Past {
  unsigned attempts = 0;  ///< charged ones
  unsigned crashes = 0;   ///< of those, ended by a crash
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
  std::uint64_t affinity = 0;              ///< a digest of the input's identity; 0: none
  std::string tenant;                      ///< tenants share a class's worker time evenly
  Duration no_progress = Duration::max();  ///< an attempt that gives no sign of life for so long is stopped
  std::optional<Past> past;                ///< it was accepted before: it is not refused for a full queue
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
  unsigned window = 1;  ///< jobs that it takes at once, as its hello says
};
/// The worker began an attempt that it had been handed while it had others.
struct AttemptStarted {
  JobNumber job;
  std::uint32_t attempt;
};
/// Progress, output that advanced, a beat: the attempt is not stuck.
struct AttemptAlive {
  JobNumber job;
  std::uint32_t attempt;
};
/// A sample of what the worker has of memory for itself alone.
struct WorkerMemory {
  WorkerId worker;
  std::uint64_t private_bytes;
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
/// Nothing of the worker is left. Attempts that it had started (the one it was handed while idle counts as started; if
/// none did, the first in its line) end with `reason`; the others go back to the queue as if never handed over.
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
struct Retune {
  Tuning tuning;
};
struct Tick {};
using Event = std::variant<Submit, CancelJob, RaiseJob, WorkerReady, AttemptStarted, AttemptAlive, WorkerReleased,
                           AttemptEnded, WorkerMemory, WorkerGone, SpawnerState, DrainRequest, Retune, Tick>;

// ---- what to do ----
struct Accept {
  JobNumber job;
};
struct SpawnWorker {
  WorkerId worker;
  TypeIndex type;
};
/// Hand the job to the worker, behind those that it still has (more than one only where `feed_ahead` allows it).
/// Several of one step for one worker may travel together.
struct Assign {
  WorkerId worker;
  JobNumber job;
  std::uint32_t attempt;
  Duration time_left;  ///< from the attempt's start
};
struct AskToStop {
  WorkerId worker;
  JobNumber job;
};
/// It was asked to stop and went on: the signal that programs end on.
struct TerminateWorker {
  WorkerId worker;
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
  bool refused = false;   ///< never accepted
  bool drained = false;   ///< only because the pool came to rest: the job could have run
  unsigned attempts = 0;  ///< charged ones
  Duration queued{};
  Duration ran{};
};
struct Drained {
  bool killed;
};
using Action = std::variant<Accept, SpawnWorker, Assign, AskToStop, TerminateWorker, KillWorker, RetireWorker,
                            AnnounceRetry, End, Drained>;
using Actions = std::vector<Action>;

/// Exact at every moment; what WorkerPool::stats() shows. `pending` jobs are at no worker: retries that wait count too.
struct Figures {
  std::uint64_t max_workers = 0, min_workers = 0, idle = 0, busy = 0, workers = 0;
  std::array<std::uint64_t, priority_count> pending{};
  std::uint64_t accepted = 0, completed = 0, failed = 0, cancelled = 0, retried = 0, reuses = 0;
  Duration executed{};  ///< sum over the completed jobs' last attempts
};

}  // namespace hotwell::pool

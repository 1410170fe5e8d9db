/// The worker pool: warm isolated processes (and functions on threads) that run jobs by priority, with retries,
/// timeouts that kill, and drain.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>

#include <hotwell/body.hpp>
#include <hotwell/event.hpp>
#include <hotwell/knob.hpp>
#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell {

enum class WorkerKind : std::uint8_t {
  function,  ///< nothing but functions on threads
  command,   ///< one process a job: an argv template
  lines,     ///< newline-delimited JSON on standard input and output, kept warm
  frames,    ///< the frames protocol on a socket with descriptors, kept warm
};

/// How much a job survives once it was accepted.
enum class Durability : std::uint8_t {
  memory,   ///< it ends with the process
  process,  ///< the kernel has it: it survives the process's death, by kill -9 too
  power,    ///< the medium has it: it survives the machine's
};
[[nodiscard]] std::string_view to_string(Durability durability) noexcept;
[[nodiscard]] std::optional<Durability> parse_durability(std::string_view text) noexcept;

enum class JobState : std::uint8_t { queued, running, retrying, completed, failed, cancelled, dead };
[[nodiscard]] std::string_view to_string(JobState state) noexcept;
[[nodiscard]] std::optional<JobState> parse_job_state(std::string_view text) noexcept;
[[nodiscard]] constexpr bool is_final(JobState state) noexcept {
  return state != JobState::queued && state != JobState::running && state != JobState::retrying;
}

/// One type of worker process.
struct WorkerSpec {
  WorkerKind kind = WorkerKind::function;
  std::vector<std::string> argv{};
  std::string name = "worker";
  /// Operations that go to this type; empty: every operation no other type names.
  std::vector<std::string> operations{};
  /// Workers get PATH, LANG, HOME, TMPDIR and this; never HOTWELL_*.
  std::map<std::string, std::string> env{};
  std::optional<unsigned> min_workers{};  ///< of this type; by default PoolOptions' for the first type, 0 for others
  std::optional<unsigned> max_workers{};  ///< of this type; by default the global maximum
  /// kind command: what the process reads on standard input; false is /dev/null.
  bool stdin_is_input = false;
  /// kind command: exit codes that end the job at once; every other non-zero code is transient.
  std::vector<int> permanent_exit_codes{};
  std::string content_type = "application/octet-stream";  ///< kind command: of the result
  std::optional<unsigned> max_crashes{};
  /// kind frames: whether workers confine themselves before their first job (worker::Sandbox); absent: as they are
  /// built.
  std::optional<bool> sandbox{};
  /// Private memory of one process; a frames worker counts from what it has when it confines itself.
  std::optional<Bytes> memory_limit{};
  /// kind frames, written with <hotwell/worker.hpp>: one process loads and prepares itself, workers are forked from it.
  bool from_template = false;
};

/// How the three priorities share the workers.
enum class Scheduling : std::uint8_t {
  fair,    ///< by their weights in worker-seconds: HIGH is first in a short queue, and nobody starves under a flood
  strict,  ///< no LOW while NORMAL waits, no NORMAL while HIGH waits; who waits for long rises
};

/// When a warm worker is replaced, after its job and give or take a tenth; 0: never.
struct Recycling {
  unsigned jobs = 0;                       ///< after so many
  Bytes growth{std::uint64_t{256} << 20};  ///< of its private memory since its first job
  Duration age{};
};

struct PoolOptions {
  WorkerSpec worker{};
  std::optional<unsigned> min_workers{};  ///< by default 2, or max_workers where that is less
  unsigned max_workers = 8;
  bool reuse_workers = true;
  Duration timeout = std::chrono::minutes{5};
  unsigned retries = 3;
  Duration backoff = std::chrono::seconds{1};  ///< ceiling of the first delay; doubles, with full jitter
  unsigned max_crashes = 3;
  std::array<unsigned, priority_count> weights{8, 3, 1};
  std::size_t queue_limit = 10'000;
  std::vector<WorkerSpec> more_workers{};                ///< further types under the same maximum
  Duration kill_grace = std::chrono::milliseconds{500};  ///< between the polite request and the kill
  std::string
      spawner{};  ///< the helper executable; empty: HOTWELL_SPAWNER, beside this program, or where it was installed
  /// Of a result that is kept in memory because its job has no sink; a longer one is Code::too_large.
  Bytes result_limit{std::uint64_t{256} << 20};
  /// An attempt of a process that gives no sign of life for so long is stopped with Code::no_progress, and retried as
  /// after a timeout; absent: never. Signs are progress, output and beats of kinds lines and frames, and whatever a
  /// command writes to its result and to standard error.
  std::optional<Duration> no_progress{};
  Scheduling scheduling = Scheduling::fair;
  Duration ageing = std::chrono::seconds{30};  ///< strict: a job rises by a class each time it has waited so long
  /// Of a class's worker time, what retries get at most while first attempts wait: a failing operation cannot crowd out
  /// healthy ones.
  double retry_share = 0.1;
  /// Crashes in a row that hold an operation's jobs back, but for one at a time and ever longer apart, until one
  /// survives; 0: never. It only delays.
  unsigned breaker_crashes = 5;
  /// Jobs that a warm worker may be handed at once, up to 8, where they are expected to take under a millisecond and
  /// are of one class. What it has not begun when it dies goes back without an attempt lost.
  unsigned feed_ahead = 1;
  Duration idle_after = std::chrono::minutes{1};    ///< an idle worker beyond the minimum leaves after this
  Duration start_limit = std::chrono::seconds{30};  ///< a warm worker has to be ready within this
  /// From so many failed starts in a row on, each costs the jobs that wait for the type an attempt (Code::unavailable);
  /// 0: they wait until it starts.
  unsigned start_failures = 5;
  Recycling recycle{};
  /// How long, up to 50 us, pool and frames workers look for each other's next word before they sleep, once a few waits
  /// in a row were that short; 0: never. It halves a round trip where callers come one right after the other and
  /// processors are free, and costs processor time; the knob pool.spin turns it.
  Duration spin{};
};

/// What to do.
struct Job {
  std::string operation{};
  std::string payload{};  ///< what the worker gets as it is, JSON by convention
  std::vector<std::shared_ptr<const FileHandle>> inputs{};
  /// Equal identities mean equal inputs: the job goes to an idle worker that still holds it open.
  std::string input_identity{};
  /// kind command: values for "{param.NAME}".
  std::map<std::string, std::string> params{};
};

/// Makes the sink of one attempt; called on the pool's thread, must not block. Every attempt gets a new one.
using SinkFactory = std::function<Result<std::unique_ptr<Sink>>(unsigned attempt)>;

/// What lies behind a job that is taken up again after a restart.
struct JobPast {
  unsigned attempts = 0;  ///< charged ones
  unsigned crashes = 0;   ///< of those, ended by a crash
};

struct JobEnd;

struct JobOptions {
  Priority priority = Priority::normal;
  std::optional<unsigned> retries{};
  std::optional<Duration> timeout{};  ///< of each attempt
  std::optional<Duration> backoff{};
  std::optional<WallTime> deadline{};  ///< a job not ended by then ends with Code::timeout
  std::stop_token stop{};              ///< requesting stop cancels the job
  SinkFactory sink{};                  ///< empty: the result is kept in memory and handed over in JobResult::body
  /// Kinds lines and frames: the result is expected to be a text that the worker answers with, so it is handed no
  /// output and the sink is made when there is a result. A worker that writes all the same does so into memory of its
  /// own.
  bool inline_result = false;
  /// Jobs of one priority share the workers evenly between tenants, whoever has how many waiting.
  std::string tenant{};
  std::optional<Duration> no_progress{};
  std::string id{};  ///< the job's id, unique for ever; empty: the pool makes one
  /// Of a job that had been accepted before: it is not refused for a full queue, and goes on with what it has left.
  std::optional<JobPast> past{};
  /// Called once on the pool's thread when an accepted job is over and its sink is ended. Its event is published and
  /// its owner told only when `done` was called, from any thread: a journal commits in between.
  std::function<void(const JobEnd& end, std::function<void()> done)> settle{};
};

struct JobResult {
  std::string job_id;
  unsigned attempts = 1;
  Duration queued{};  ///< from acceptance to the first start
  Duration ran{};     ///< the attempt that succeeded
  std::string worker;
  std::string content_type;
  std::uint64_t size = 0;
  Buffer body;  ///< empty where the job had a sink of its own

  [[nodiscard]] std::string_view text() const { return body.text(); }
  [[nodiscard]] ByteView bytes() const { return body.view(); }
};

/// How a job ended, with what only its owner wants to know.
struct JobEnd {
  std::string job_id;
  unsigned attempts = 0;
  std::string stderr_tail;  ///< of the last attempt, at most 4 KiB
  bool dead = false;        ///< attempts or max_crashes used up (else a permanent error)
  bool drained = false;     ///< it ended only because the pool came to rest: it could have run
  Result<JobResult> result;
};

/// One try of a job, as a journal keeps it.
struct JobAttempt {
  std::string worker;
  std::string why;  ///< why that worker
  WallTime started{};
  std::optional<WallTime> ended;
  std::optional<Error> error;  ///< absent for one that succeeded or still runs
  std::string stderr_tail;
  bool charged = true;  ///< false: lost to the engine's or the spawner's end, or given back by a drain
};

struct PoolStats {
  struct Workers {
    unsigned max = 0, min = 0, idle = 0, busy = 0, total = 0;
  } workers;
  struct Queue {
    std::size_t pending = 0;  ///< accepted, and at no worker: retries that wait count too
    struct ByPriority {
      std::size_t high = 0, normal = 0, low = 0;
    } by_priority;
  } queue;
  struct Jobs {
    std::uint64_t total = 0, completed = 0, failed = 0, cancelled = 0;
    std::uint64_t retried = 0;  ///< attempts beyond a job's first
    double success_rate = 1;    ///< completed / total; 1 before the first
  } jobs;
  struct Performance {
    Duration avg_execution_time{};    ///< of completed jobs' last attempts
    std::uint64_t worker_reuses = 0;  ///< jobs started on a worker that had already done one
    double reuse_rate = 0;            ///< worker_reuses / completed
    double utilization = 0;           ///< busy / max, now
  } performance;
};

/// One worker and what it does now.
struct WorkerState {
  struct Doing {
    std::string id;  ///< the job's
    std::string operation;
    unsigned attempt = 0;
    double progress = 0;  ///< 0..1, as far as the worker tells
    Duration running{};
  };
  std::string name;
  std::string type;
  bool ready = false;  ///< it has started up
  std::vector<Doing> jobs{};
  int process = 0;  ///< its id, as this program sees it; 0: functions on a thread
  double cpu = 0;   ///< processors that it and all that it started used, since somebody asked before
  Bytes memory{};   ///< that they have for themselves
};

/// Ownership: owns its spawner, workers and one thread; the destructor cancels what is left and waits until every
/// process is gone, and until every function has returned: one that ignores its stop token holds it up.
/// Threads: every member may be called from any thread. Listeners and `ended` run one at a time on the pool's thread,
/// or, unless executor() was ever asked for, on a thread that is blocked in execute() and runs the pool meanwhile;
/// blocking calls must not be made from there.
class WorkerPool {
 public:
  /// Errors: as open(), thrown as Failure.
  explicit WorkerPool(PoolOptions options);
  /// Starts the spawner and the minimum of workers, without waiting for them. Errors: invalid_argument (no argv,
  /// min over max), unavailable (no spawner executable).
  [[nodiscard]] static Result<std::unique_ptr<WorkerPool>> open(PoolOptions options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Runs a job to its end. Blocks. Errors: whatever the job ended with; overloaded and draining at once.
  Result<JobResult> execute(Job job, JobOptions options = {});
  /// The same for any Asio completion token; the signature is void(Result<JobResult>).
  /// Cancellation: by JobOptions::stop or cancel().
  template <class Token>
  auto async_execute(Job job, JobOptions options, Token&& token) {
    return boost::asio::async_initiate<Token, void(Result<JobResult>)>(
        [this](auto handler, Job j, JobOptions o) {
          auto executor = boost::asio::get_associated_executor(handler, own_executor());
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          start(std::move(j), std::move(o), [shared, executor](JobEnd end) {
            boost::asio::dispatch(executor, [shared, result = std::move(end.result)]() mutable {
              std::move (*shared)(std::move(result));
            });
          });
        },
        token, std::move(job), std::move(options));
  }
  /// The form that the others stand on: returns the job's id; calls `ended` exactly once, on the pool's thread
  /// (a refusal too, with result overloaded or draining).
  std::string start(Job job, JobOptions options, std::function<void(JobEnd)> ended);

  /// Runs a function on one of max_workers threads, by the same queue and rules. A function is cooperative: it cannot
  /// be killed, only asked through its stop token, and it ends the job when it returns.
  template <class F, class T = std::invoke_result_t<F, std::stop_token>>
  std::future<Result<T>> submit(F function, JobOptions options = {});

  /// Cancels a queued or running job: asks, then kills the process tree. False if it already ended.
  bool cancel(std::string_view job_id);
  /// Raises a queued job's priority; never lowers it.
  void raise(std::string_view job_id, Priority priority);

  /// Refuses new work, lets the rest finish until `limit`, then kills it (those jobs end as cancelled), and returns
  /// when no worker process is left. Errors: timeout if something had to be killed.
  Result<void> drain(Duration limit);

  [[nodiscard]] PoolStats stats() const;
  /// Tells what every worker does. `then` is called on the pool's thread and must not block.
  void workers(std::function<void(std::vector<WorkerState>)> then);
  template <class E>
  [[nodiscard]] Subscription on(std::function<void(const E&)> listener) {
    return events().template on<E>(std::move(listener));
  }
  [[nodiscard]] PoolEvents& events();
  /// pool.min_workers, pool.max_workers, pool.queue_limit and all else that may be turned while the pool runs.
  void register_knobs(Knobs& knobs);
  /// The pool's one thread. From the first call on nothing of the pool runs on a thread that is blocked in execute(),
  /// which makes execute() slower.
  [[nodiscard]] boost::asio::any_io_executor executor();
  /// Whether this machine lets workers be enclosed: "pid namespace" or "best effort", with why.
  [[nodiscard]] std::string containment() const;

 private:
  class Impl;
  WorkerPool(std::unique_ptr<Impl> impl, std::in_place_t);  ///< the tag keeps `WorkerPool{{}}` unambiguous
  [[nodiscard]] boost::asio::any_io_executor own_executor();
  std::string start_function(std::function<Result<std::string>(std::stop_token)> function, JobOptions options,
                             std::function<void(JobEnd)> ended);
  std::unique_ptr<Impl> impl_;
};

template <class F, class T>
std::future<Result<T>> WorkerPool::submit(F function, JobOptions options) {
  // The value travels beside the pool, which knows only whether the function succeeded.
  auto value = std::make_shared<std::optional<Result<T>>>();
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  start_function(
      [value, run = std::move(function)](std::stop_token stop) mutable -> Result<std::string> {
        if constexpr (std::is_void_v<T>) {
          run(stop);
          *value = Result<T>{};
        } else {
          *value = Result<T>{run(stop)};
        }
        return std::string{};
      },
      std::move(options),
      [value, promise](JobEnd end) {
        if (!end.result) return promise->set_value(std::unexpected(end.result.error()));
        promise->set_value(std::move(**value));
      });
  return future;
}

}  // namespace hotwell

/// The supervisor joins Plan with the world: it carries out the plan's actions on channels and sinks, and tells the
/// plan what happened. It decides nothing itself.
///
/// Invariants: one thread (the pool's). Events are stepped one after the other, never from inside a step. An attempt's
/// sink is sealed or abandoned before the plan hears of the attempt's end, so a job's next attempt never overlaps its
/// last, and whoever sees a job's end finds its result. Sinks that are not the pool's own are ended on the disk thread.
/// Figures are published before anybody can see the end that they count.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <hotwell/pool.hpp>

#include "pool/channel.hpp"
#include "pool/figures.hpp"
#include "pool/memory_sink.hpp"
#include "pool/plan.hpp"
#include "pool/spawner.hpp"

namespace hotwell::pool {

/// A job as its owner handed it in.
struct Submission {
  JobNumber number = 0;
  std::string id;
  Job job;
  JobOptions options;
  Function function;  ///< instead of the job's operation
  std::function<void(JobEnd)> ended;
};

class Supervisor final : private Channel::Listener {
 public:
  /// Precondition: the options are valid; `spawner` is empty where they name no process.
  Supervisor(boost::asio::io_context& io, const PoolOptions& options, const std::string& spawner, PoolEvents& events,
             PublishedFigures& figures);
  ~Supervisor() override;

  /// Starts the spawner and the minimum of workers. `ready` hears once how workers are enclosed.
  Result<void> start(std::function<void(bool enclosed, std::string why)> ready);
  void submit(Submission submission);
  /// How long workers may look for their next job before they sleep.
  void set_spin(Duration spin) { spin_ = spin; }
  /// What is fed now waits until the step that is being carried out is over.
  [[nodiscard]] bool stepping() const { return stepping_; }
  /// No job is known.
  [[nodiscard]] bool at_rest() const { return records_.empty(); }
  bool cancel(std::string_view id);
  void raise(std::string_view id, Priority priority);
  void drain(Duration limit, std::function<void(bool killed)> drained);
  void retune(const Tuning& tuning) { feed(Retune{tuning}); }
  /// For jobs that say nothing themselves.
  void set_defaults(Duration timeout, unsigned retries);
  /// Reads /proc for each process, some tens of microseconds, at most twice a second.
  [[nodiscard]] std::vector<WorkerState> workers();

 private:
  struct Record {
    Submission what;
    TypeIndex type = 0;
    std::optional<std::stop_callback<std::function<void()>>> on_stop;
    std::uint32_t attempt = 0;
    double progress = 0;
    host::MonoTime began{};
    std::unique_ptr<Sink> sink;
    MemorySink* memory = nullptr;  ///< `sink`, where it is the pool's own
    std::string worker;
    std::string stderr_tail;
    JobResult result;
    bool stopping = false;
  };
  /// A job's end on its way to the world.
  struct Ending {
    std::string operation;
    bool refused = false;
    Duration ran{};
    JobEnd end;
    std::function<void(JobEnd)> ended;
  };
  struct Held {
    JobNumber job = 0;
    std::uint32_t attempt = 0;
  };
  struct Hand {
    TypeIndex type = 0;
    std::string name;
    std::unique_ptr<Channel> channel;
    std::vector<Held> held;  ///< the attempts that it has
    bool ready = false;      ///< it has said so
    host::MonoTime measured{};
    /// What workers() saw last.
    struct Look {
      host::MonoTime at{};
      Duration used{};
      double cpu = 0;
      Bytes memory{};
    } look{};
  };

  void worker_ready(WorkerId worker, unsigned window) override;
  void attempt_started(JobNumber job, std::uint32_t attempt) override { feed(AttemptStarted{job, attempt}); }
  void attempt_alive(JobNumber job, std::uint32_t attempt) override { feed(AttemptAlive{job, attempt}); }
  void attempt_progress(WorkerId worker, JobNumber job, double fraction) override;
  void attempt_done(WorkerId worker, JobNumber job, Result<Answer> outcome) override;
  void worker_broken(WorkerId worker, std::string why) override;
  void worker_gone(WorkerGone gone) override;

  void measure(WorkerId worker, Hand& hand);
  static void look_at(Hand& hand, host::MonoTime now);
  void feed(Event event);
  void apply(Accept& action);
  void apply(SpawnWorker& action);
  void apply(Assign& action);
  void apply(AskToStop& action);
  void apply(TerminateWorker& action);
  void apply(KillWorker& action);
  void apply(RetireWorker& action);
  void apply(AnnounceRetry& action);
  void apply(End& action);
  void apply(Drained& action);

  void finish(Ending ending);

  [[nodiscard]] std::optional<TypeIndex> type_of(const std::string& operation) const;
  [[nodiscard]] Result<void> check(const Submission& submission) const;
  [[nodiscard]] std::optional<JobNumber> find(std::string_view id) const;
  /// How long an attempt may give no sign of life.
  [[nodiscard]] Duration patience(const JobOptions& options) const {
    return options.no_progress.value_or(no_progress_);
  }
  Result<void> open_sink(Record& record, WorkerKind kind);
  static void late_sink(Record& record, Result<Answer>& outcome);
  Result<void> begin(const Assign& action, Record& record, Hand& hand);
  /// Seals or abandons the attempt's sink, then calls `then` with what came of it (on this thread, maybe at once).
  void end_sink(Record& record, Result<Answer> outcome, std::function<void(std::optional<Error>)> then);
  [[nodiscard]] bool is_process(TypeIndex type) const;
  void spawner_lost(std::string why);
  void restart_spawner();
  void arm_timer();
  template <class E, class... Fields>
  void publish(Fields&&... fields) {
    if (events_.any<E>()) events_.publish(E{std::forward<Fields>(fields)...});
  }

  boost::asio::io_context& io_;
  std::vector<WorkerSpec> specs_;  ///< by type; the last is of functions
  Duration timeout_;
  Duration backoff_;
  Duration no_progress_;
  unsigned retries_;
  const Bytes result_limit_;
  Duration spin_;
  PoolEvents& events_;
  PublishedFigures& published_;
  Plan plan_;
  std::unordered_map<JobNumber, Record> records_;
  std::unordered_map<std::string, JobNumber> owners_ids_;  ///< ids that jobs' owners chose
  std::optional<Spawner> spawner_;
  std::function<void(bool, std::string)> on_ready_;
  std::map<WorkerId, Hand> hands_;
  std::vector<std::unique_ptr<Channel>> leaving_;  ///< said their last word, in whose middle they still are
  std::deque<Event> events_queue_;
  bool stepping_ = false;
  host::MonoTime stepped_{};  ///< when the plan last heard of something
  boost::asio::steady_timer timer_;
  host::MonoTime armed_ = host::MonoTime::max();
  boost::asio::steady_timer spawner_timer_;
  unsigned spawner_failures_ = 0;
  host::MonoTime spawner_started_{};
  std::vector<std::function<void(bool)>> drain_waiters_;
  std::optional<bool> drained_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  boost::asio::thread_pool disk_{1};
};

}  // namespace hotwell::pool

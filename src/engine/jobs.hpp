/// Jobs: requests that have a record. Each is one asker of a computation; its record follows that computation, and its
/// result is held for a while after the end.
///
/// Invariants, for jobs that are more durable than memory (docs/formats/journal.md):
/// - a job is accepted, ended, cancelled or resubmitted for others to see once the journal has it;
/// - its end is in the journal before the pool publishes it, and after its result was sealed;
/// - a job that was given back by a drain, or lost with the process, stays unfinished in the journal and runs after the
///   next start;
/// - where the journal cannot be written, nothing new is accepted and no end is told.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <hotwell/engine.hpp>
#include "engine/computations.hpp"
#include "engine/job_log.hpp"
#include "engine/job_table.hpp"
#include "engine/requests.hpp"

namespace hotwell::engine {

/// Threads: public members from any, unless they say otherwise; callbacks come on the engine's thread or on the
/// caller's before the call returns.
class Jobs {
 public:
  struct Options {
    JobTable::Options table{};
    Durability durability = Durability::process;  ///< of jobs whose request and operation name none
  };
  /// `log` may be null: then every job ends with the process. It must outlive the jobs' last callback.
  Jobs(Options options, const Requests& requests, Computations& computations, Cache& cache, WorkerPool& pool,
       JobLog* log, const host::Clock& clock);

  // As in Engine.
  using Accepted = std::function<void(Result<JobRecord>)>;
  void submit(JobRequest request, Accepted accepted);
  void retry(std::string_view id, Accepted accepted);
  void cancel(std::string_view id, Accepted done);
  void wait(std::string_view id, Duration limit, Accepted done);
  void result(std::string_view id, Requests::Done done);
  void find(std::string_view id, Accepted done);
  void page(JobFilter filter, std::function<void(Result<JobPage>)> done);
  void explain(std::string_view id, std::function<void(Result<JobExplanation>)> done);

  /// Takes up what the journal has unfinished, and begins to let go of results whose hold is over. Engine's thread.
  /// Errors: the journal's.
  Result<void> start();
  /// Leaves every computation and cancels the timer; waits for reads under way. Engine's thread.
  void stop();

 private:
  /// The answer to who submitted, given once.
  struct Acceptance {
    Accepted callback;
    void answer(Result<JobRecord> record) {
      if (const auto once = std::exchange(callback, nullptr)) once(std::move(record));
    }
  };
  /// A job that has not ended. Engine's thread.
  struct Live {
    std::shared_ptr<Computations::Seat> seat;
    Durability durability = Durability::memory;
    QueuedBehind behind;
    bool entered = false;    ///< the journal has it, or was told to
    bool reopening = false;  ///< the journal has it as ended, and is told otherwise once the pool takes it
    bool in_attempt = false;
    bool ending = false;      ///< its end is decided: no other one counts
    bool settled = false;     ///< its end is in the journal
    bool given_back = false;  ///< it ended here but not in the journal
    std::optional<JobRecord> end;
    std::optional<Error> refused;  ///< the journal did not take it
    std::shared_ptr<Acceptance> acceptance;
  };

  [[nodiscard]] Durability durability_of(const Ask& ask) const;
  [[nodiscard]] QueuedBehind behind() const;
  [[nodiscard]] Result<JobRecord> known(std::string_view id) const;
  [[nodiscard]] Result<LoggedJob> recall(std::string_view id) const;
  void admit(const std::string& id, Ask ask, std::optional<LoggedJob> known, Accepted accepted);
  void resubmit(const std::string& id, Accepted accepted);
  void take_up(LoggedJob job);
  void run(const std::string& id, Ask ask, Accepted accepted, std::function<void()> undo);
  [[nodiscard]] Asker asker(const std::string& id, std::shared_ptr<Acceptance> acceptance, std::function<void()> undo);
  void enter(const std::string& id, pool::Journal::Committed committed);
  void settle(const std::string& id, const Result<Object>& result, const Progress& progress,
              std::function<void()> done);
  void ended(const std::string& id, const Result<Object>& result, const Progress& progress,
             const std::shared_ptr<Acceptance>& acceptance, const std::function<void()>& undo);
  void give_back(const std::string& id, const std::shared_ptr<Acceptance>& acceptance);
  /// Writes the end where the journal wants it, then makes it visible.
  void conclude(const std::string& id, JobRecord record, std::optional<Object> held,
                std::function<void(Result<void>)> then);
  void write_end(Live& live, const JobRecord& record, pool::Journal::Committed committed);
  void show_end(const std::string& id, const JobRecord& record, std::optional<Object> held);
  [[nodiscard]] JobRecord record_at_end(const std::string& id, const Result<Object>& result,
                                        const Progress& progress) const;
  [[nodiscard]] Result<JobPage> read_page(const JobFilter& filter) const;
  void bring_result(const std::string& id, const JobRecord& record, Requests::Done done);
  void release_later();

  const Options options_;
  const Requests& requests_;
  Computations& computations_;
  Cache& cache_;
  WorkerPool& pool_;
  JobLog* log_;
  boost::asio::any_io_executor engine_thread_;
  const host::Clock& clock_;
  JobTable table_;
  std::unordered_map<std::string, Live> live_;            // engine's thread
  std::unique_ptr<boost::asio::steady_timer> releasing_;  // engine's thread
  boost::asio::thread_pool reading_{1};                   // the journal's reads, and uploads on their way to it
};

}  // namespace hotwell::engine

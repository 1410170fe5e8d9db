/// The engine: pool, cache and monitor wired into one. Asking for a job is a look-up in the cache that may start
/// work: one flight per result however many ask, and late askers follow the growing result.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <hotwell/cache.hpp>
#include <hotwell/config.hpp>
#include <hotwell/knob.hpp>
#include <hotwell/monitor.hpp>
#include <hotwell/pool.hpp>

namespace hotwell {

using ParamValue = std::variant<bool, double, std::string>;
using Params = std::map<std::string, ParamValue>;

/// What a job reads. Paths lie under a media root; an upload is a file that the engine owns; a stored object is
/// named by its key; a handle is a file that the caller opened itself.
struct InputPath {
  std::string path;
};
struct InputObject {
  std::string key;
};
struct InputUpload {
  std::shared_ptr<const FileHandle> file{};
  std::uint64_t size = 0;
  std::string sha256{};
  std::string name{};
};
struct InputHandle {
  std::shared_ptr<const FileHandle> file{};
  std::string name{};
};
using Input = std::variant<std::monostate, InputPath, InputObject, InputUpload, InputHandle>;
/// "cache:KEY" or a path; empty is no input.
[[nodiscard]] Input parse_input(std::string_view text);

struct JobRequest {
  std::string operation{};
  Input input{};
  Params params{};
  Priority priority = Priority::normal;
  std::optional<unsigned> retries{};
  std::optional<Duration> timeout{};
  std::optional<Duration> no_progress{};  ///< by default the operation's, else the configuration's
  std::optional<WallTime> deadline{};
  /// Asking again with the same key for the same gives the same job; for something else it is invalid_argument.
  std::string idempotency_key{};
  /// Jobs of one priority share the workers evenly between tenants, whoever has how many waiting. By default the
  /// operation's; at most 255 bytes.
  std::string tenant{};
  std::optional<Durability> durability{};  ///< by default the operation's, else the configuration's
};

/// A job as GET /v1/jobs/{id} shows it.
struct JobRecord {
  std::string id;
  std::string operation;
  std::string input;
  Params params;
  Priority priority = Priority::normal;
  std::string tenant{};
  JobState state = JobState::queued;
  double progress = 0;
  unsigned attempts = 0;
  WallTime created_at{};
  std::optional<WallTime> started_at;
  std::optional<WallTime> finished_at;
  std::optional<Error> error;
  std::string stderr_tail;
  struct ResultInfo {
    std::string key;
    std::uint64_t size = 0;
    std::string content_type;
    std::optional<Level> cached;  ///< the tier that had it already; empty where it was made
  };
  std::optional<ResultInfo> result;
};

/// What stood before a job in the pool's queue when it was accepted.
struct QueuedBehind {
  std::array<std::uint64_t, priority_count> by_priority{};
  std::uint64_t busy = 0;  ///< workers
  std::uint64_t max_workers = 0;
};

/// Why a job waited, where it ran, and how each attempt ended. Attempts and what it waited for are known of journaled
/// jobs.
struct JobExplanation {
  JobRecord job;
  Durability durability = Durability::memory;
  std::optional<QueuedBehind> behind;
  std::vector<JobAttempt> attempts;
  std::vector<std::string> story;  ///< the same in sentences, in order of time
};

struct JobFilter {
  std::optional<JobState> state{};
  std::string operation{};
  std::size_t limit = 100;
  std::string cursor{};  ///< JobPage::next of the page before
};
struct JobPage {
  std::vector<JobRecord> jobs;  ///< newest first
  std::string next;             ///< empty on the last page
};

/// How a result came to be there, for Cache-Status and Server-Timing.
struct Fetched {
  enum class From : std::uint8_t { hit, miss, collapsed };
  Object object;  ///< its body may still grow
  From from = From::hit;
  bool stored = false;  ///< a miss whose result will be kept
  Duration queued{};
  Duration ran{};
};

/// One wait of one asker. Destroying it gives up: work that nobody else wants is cancelled.
class Waiting {
 public:
  virtual ~Waiting() = default;
};

/// Ownership: owns its parts and the data directory; every Waiting must be gone before it. Threads: any. Callbacks run
/// on the engine's thread (the pool's), or on the caller's before the call returns; they must not block, and blocking
/// members must not be called from them.
class Engine {
 public:
  /// Errors: as open(), thrown as Failure.
  explicit Engine(Config config);
  /// Errors: invalid_argument (configuration), unavailable (data directory held by another, spawner missing), denied,
  /// io.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> open(Config config);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Runs a request to its end. Blocks. The result's bytes are result(record.id).
  [[nodiscard]] Result<JobRecord> run(JobRequest request);

  /// Accepts a job and calls `accepted` with its record (already completed if the cache had it), once it is as durable
  /// as it has to be. Errors: not_found, outside_root, invalid_argument, overloaded, draining, disk_full, io.
  void submit(JobRequest request, std::function<void(Result<JobRecord>)> accepted);
  /// Calls `done` with the record once the job ended, or as it stands at `limit`.
  void wait(std::string_view job_id, Duration limit, std::function<void(Result<JobRecord>)> done);
  /// The blocking forms may read the journal from disk.
  [[nodiscard]] Result<JobRecord> job(std::string_view job_id);
  void job(std::string_view job_id, std::function<void(Result<JobRecord>)> done);
  [[nodiscard]] Result<JobPage> jobs(const JobFilter& filter);
  void jobs(JobFilter filter, std::function<void(Result<JobPage>)> done);
  [[nodiscard]] Result<JobExplanation> explain(std::string_view job_id);
  void explain(std::string_view job_id, std::function<void(Result<JobExplanation>)> done);
  /// Gives a job up: it ends as cancelled at once, its work stops unless somebody else waits for the same result. A job
  /// that has ended is left as it is. Errors: not_found.
  Result<JobRecord> cancel(std::string_view job_id);
  void cancel(std::string_view job_id, std::function<void(Result<JobRecord>)> done);
  /// Runs a job that failed, died or was cancelled once more, under its id. Errors: as submit; invalid_argument for a
  /// job in any other state; result_gone if its upload is no longer there.
  void retry(std::string_view job_id, std::function<void(Result<JobRecord>)> accepted);
  /// The bytes of a job's result, possibly still growing. Errors: not_found; result_gone; the job's own error.
  void result(std::string_view job_id, std::function<void(Result<Fetched>)> done);
  [[nodiscard]] Result<Object> result(std::string_view job_id);

  /// The result itself: cached, or computed now; makes no job record. `done` is called when headers can be sent: the
  /// object is whole, or its first bytes are final. Keep the returned wait as long as somebody still reads a growing
  /// body.
  [[nodiscard]] std::shared_ptr<Waiting> fetch(JobRequest request, std::function<void(Result<Fetched>)> done);

  /// Receives an upload of unknown length into a file of its own. Errors: too_large, disk_full, io.
  class Upload {
   public:
    virtual ~Upload() = default;
    virtual Result<void> write(ByteView bytes) = 0;
    virtual Result<InputUpload> finish(std::string name) = 0;
  };
  [[nodiscard]] Result<std::unique_ptr<Upload>> begin_upload();

  /// Names of all operations that this engine offers.
  [[nodiscard]] std::vector<std::string> operations() const;
  [[nodiscard]] Cache& cache();
  [[nodiscard]] WorkerPool& pool();
  [[nodiscard]] Monitor& monitor();
  [[nodiscard]] Knobs& knobs();
  [[nodiscard]] const Config& config() const;
  /// Journal and index complete, and not draining.
  [[nodiscard]] bool ready() const;
  /// Tells the lock file where a server listens, so that clients find it by the data directory.
  void announce(std::string_view address);

  /// Refuses new work, finishes what runs until `limit`, then kills. Journaled jobs that did not end by then are given
  /// back: they run after the next start, uncharged. Blocks.
  Result<void> drain(Duration limit);

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hotwell

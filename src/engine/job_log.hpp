/// The engine's side of the journal: its records and requests as the journal's, and the uploads that they need again.
///
/// Threads: any. Writing is told on the engine's thread once it is committed; reading blocks.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <hotwell/engine.hpp>

#include "engine/kept_uploads.hpp"
#include "pool/journal.hpp"

namespace hotwell::engine {

/// A job as it comes back out of the journal.
struct LoggedJob {
  JobRecord record;
  JobRequest request;
  Durability durability = Durability::process;
  unsigned crashes = 0;
  std::optional<QueuedBehind> behind;
};

class JobLog {
 public:
  /// `directory` is made if absent; `sync_results` as the journal's. Errors: as Journal::open.
  [[nodiscard]] static Result<std::unique_ptr<JobLog>> open(const std::filesystem::path& directory,
                                                            pool::JournalRetention retention,
                                                            boost::asio::any_io_executor engine_thread,
                                                            std::function<Result<void>()> sync_results);

  using Committed = pool::Journal::Committed;
  void add(const JobRecord& record, const JobRequest& request, Durability durability, const QueuedBehind& behind,
           Committed committed);
  void begin_attempt(std::string_view id, JobAttempt attempt);
  void end_attempt(std::string_view id, JobAttempt attempt);
  /// Precondition: the record's state is final.
  void end(const JobRecord& record, Durability durability, Committed committed);
  void reopen(std::string_view id, Durability durability, Committed committed);
  void forget(std::string_view id);
  void barrier(Committed committed) { journal_->barrier(std::move(committed)); }

  [[nodiscard]] const KeptUploads& uploads() const { return uploads_; }
  /// Finds nothing for an id that is none.
  [[nodiscard]] Result<std::optional<LoggedJob>> find(std::string_view id) const;
  [[nodiscard]] Result<std::optional<LoggedJob>> find_key(std::string_view idempotency_key) const;
  /// Oldest first. Those whose text cannot be read are left out with a warning, and stay in the journal.
  [[nodiscard]] Result<std::vector<LoggedJob>> unfinished() const;
  /// Newest first; `before` is an id or empty.
  [[nodiscard]] Result<std::vector<JobRecord>> ended(const JobFilter& filter, std::string_view before,
                                                     std::size_t limit) const;
  [[nodiscard]] Result<std::vector<JobAttempt>> attempts(std::string_view id) const;
  /// Removes uploads that no job of the journal needs any more.
  void sweep_uploads() const;

 private:
  explicit JobLog(KeptUploads uploads) : uploads_(std::move(uploads)) {}
  KeptUploads uploads_;
  std::unique_ptr<pool::Journal> journal_;
};

/// A record of the journal as the engine's. Errors: io (its texts are not ours).
[[nodiscard]] Result<LoggedJob> logged_job(pool::JournalRecord record);

}  // namespace hotwell::engine

/// The journal: which jobs were accepted, how each attempt ended and what became of them, so that none of it is lost
/// with the process (docs/formats/journal.md).
///
/// Invariants:
/// - One thread writes, in the order in which it is told; what waits while it writes is its next transaction (group
///   commit), as durable as the most demanding part of it.
/// - A caller hears of a commit after it happened: in the kernel for Durability::process, on the medium for power.
/// - What was not written because the disk is full or fails is not accepted (add, reopen: the caller is told) or tried
///   again until it is (attempts, ends: the caller waits). Nothing that was committed is ever given up.
/// - Whoever has no journal pays nothing: nobody calls it.
/// Threads: any. Reading blocks on the caller's thread and sees what has been committed.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "pool/journal_store.hpp"

namespace hotwell::pool {

struct JournalOptions {
  std::filesystem::path directory;        ///< made if absent; the caller has it to itself
  boost::asio::any_io_executor executor;  ///< where commits are told, those of one transaction in one go
  JournalRetention retention{};
  std::size_t queue_limit = 100'000;  ///< what may wait to be written before add() is refused
  /// Takes the results that were stored so far to their medium; called on the journal's thread, once for all ends of a
  /// transaction that is to survive a power cut. Until it succeeds they are not written.
  std::function<Result<void>()> sync_results{};
  /// Told, on the journal's thread, of ended jobs that the retention removed.
  std::function<void(const std::vector<std::uint64_t>&)> forgotten{};
};

class Journal {
 public:
  using Committed = std::function<void(Result<void>)>;

  /// Errors: disk_full, denied, io (a damaged file), invalid_argument (another program's file, or a newer version's):
  /// the message names the file, and nothing in it was changed.
  [[nodiscard]] static Result<std::unique_ptr<Journal>> open(JournalOptions options);
  /// Writes what waits; what cannot be written then is given up with a warning.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// A job, waiting or ended already. Errors (told): overloaded, disk_full, io.
  void add(JournalRecord record, Committed committed);
  void begin_attempt(std::uint64_t number, JournalAttempt attempt);
  /// Of the attempt that was begun last.
  void end_attempt(std::uint64_t number, JournalAttempt attempt);
  void end(JournalEnd end, Durability durability, Committed committed);
  /// An ended job waits again: what came of it is wiped, its attempts stay. Errors (told): disk_full, io.
  void reopen(std::uint64_t number, Durability durability, Committed committed);
  /// A job that was not accepted after all.
  void forget(std::uint64_t number);
  /// Tells when everything before it has been committed.
  void barrier(Committed committed);
  /// Removes what the retention no longer wants now rather than within a second.
  void tidy(Committed committed);

  // Errors of all: io, unavailable.
  [[nodiscard]] Result<std::optional<JournalRecord>> find(std::uint64_t number) const;
  [[nodiscard]] Result<std::optional<JournalRecord>> find_key(std::string_view idempotency_key) const;
  [[nodiscard]] Result<std::vector<JournalRecord>> ended(const JournalFilter& filter) const;
  [[nodiscard]] Result<std::vector<JournalRecord>> unfinished() const;
  [[nodiscard]] Result<std::vector<JournalAttempt>> attempts(std::uint64_t number) const;

  /// For tests of full disks: the file may have at most so many pages.
  void limit_pages(std::int64_t pages);

 private:
  struct Add {
    JournalRecord record;
  };
  struct BeginAttempt {
    JournalAttempt attempt;
  };
  struct EndAttempt {
    JournalAttempt attempt;
  };
  struct EndJob {
    JournalEnd end;
  };
  struct Reopen {};
  struct Forget {};
  struct Barrier {};
  struct Tidy {};
  struct LimitPages {
    std::int64_t pages;
  };
  struct Entry {
    std::uint64_t number = 0;
    Durability durability = Durability::process;
    std::variant<Add, BeginAttempt, EndAttempt, EndJob, Reopen, Forget, Barrier, Tidy, LimitPages> what;
    Committed committed;
  };
  /// What one transaction writes, and whom to tell.
  struct Batch {
    std::vector<JournalChange> changes;
    std::unordered_map<std::uint64_t, std::size_t> at;
    std::vector<std::pair<std::uint64_t, Committed>> waiting;  ///< by job; 0: nobody's
    Durability durability = Durability::process;
    bool tidy = false;
    bool results = false;  ///< of an end at `power`, stored elsewhere
    JournalChange& change(std::uint64_t number);
    void drop(std::uint64_t number);
  };

  Journal(JournalOptions options, JournalStore writer, JournalStore reader);
  void push(Entry entry);
  void run();
  void merge(Entry&& entry, Batch& batch);
  Result<void> write_all(const Batch& batch);
  bool write(Batch& batch);
  bool write_one_by_one(Batch& batch);
  void refuse_new(Batch& batch, const Error& error);
  void tell(Batch& batch);
  /// False where there is more, and others wait.
  bool forget_old(std::size_t at_once);

  JournalOptions options_;
  JournalStore writer_;  // the journal's thread
  mutable std::mutex reading_;
  mutable JournalStore reader_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Entry> queue_;
  bool stopping_ = false;

  bool failing_ = false;  // the journal's thread
  std::size_t open_ = 0;  // likewise: about how many jobs have not ended
  std::thread thread_;
};

}  // namespace hotwell::pool

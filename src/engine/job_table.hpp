/// The jobs that people ask about: records by id, who waits for them, and results held until they were fetched. Where
/// there is a journal it has all of them, and this table those that are under way or ended a moment ago.
///
/// Invariants: a record's final state changes by `reopen` alone; a held result is readable until its hold ends, or
/// until later ones fill the bounds (a hold costs memory or disk, and a descriptor: bounded by options, not by load);
/// at most `keep` ended records are kept, oldest forgotten first; running ones are never forgotten; an ended job keeps
/// its upload, for a retry, no longer than a hold. Threads: any. Waiters are called by the thread that ended the job,
/// under no lock.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <hotwell/engine.hpp>
#include "host/clock.hpp"

namespace hotwell::engine {

class JobTable {
 public:
  struct Options {
    std::size_t keep = 10'000;
    Duration hold = std::chrono::minutes{10};
    std::size_t max_held = 2'000;
    Bytes max_held_memory{50ULL << 20};  ///< of results that are held as buffers
    Bytes max_held_disk{2ULL << 30};     ///< of results that are held as files
  };
  JobTable(Options options, const host::Clock& clock) : options_(options), clock_(&clock) {}

  /// A new record that has not ended; its id must be new. `request` is what a later retry repeats.
  void add(JobRecord record, JobRequest request);
  /// A record that ended before and was forgotten since.
  void restore(JobRecord record, JobRequest request);
  /// Forgets a job as if it had never been added.
  void remove(std::string_view id);
  /// Takes a job that ended without a result back to `queued`. Errors: not_found; invalid_argument for any other state.
  Result<JobRecord> reopen(std::string_view id);
  /// The job that was added with this idempotency key, if it is still known. Errors: invalid_argument when that job
  /// asked for something else.
  [[nodiscard]] Result<std::optional<JobRecord>> find_idempotent(const JobRequest& request) const;

  /// Changes a record that has not ended; false if it is unknown or has ended.
  bool update(std::string_view id, const std::function<void(JobRecord&)>& change);
  /// As update, for the change that ends it; `held` is its result. Calls its waiters.
  bool end(std::string_view id, const std::function<void(JobRecord&)>& change, std::optional<Object> held = {});

  /// The job goes on after a restart: whoever waits for it here is told how it stands, now and from now on.
  void give_back(std::string_view id);

  [[nodiscard]] std::optional<JobRecord> find(std::string_view id) const;
  [[nodiscard]] std::optional<JobRequest> request(std::string_view id) const;
  /// The result while it is held.
  [[nodiscard]] std::optional<Object> held(std::string_view id) const;
  /// Errors: invalid_argument for a cursor that is none.
  [[nodiscard]] Result<JobPage> page(const JobFilter& filter) const;

  /// Calls `done` once when the job ends: at once if it has. Returns a ticket for `forget`, 0 if it was called.
  /// An unknown job is `nullopt`.
  [[nodiscard]] std::optional<std::uint64_t> when_ended(std::string_view id, std::function<void(JobRecord)> done);
  /// The waiter will not be called any more; false if it was called already.
  bool forget(std::string_view id, std::uint64_t ticket);

  /// Lets go of results whose hold has ended.
  void release_expired();

 private:
  struct Entry {
    JobRecord record;
    JobRequest request;
    std::optional<Object> held;
    host::MonoTime held_until{};
    bool given_back = false;
    std::map<std::uint64_t, std::function<void(JobRecord)>> waiters;
  };
  /// What an ended job lets go of; freed by the caller without the lock, since it may unmap and close.
  struct Released {
    std::optional<Object> held;
    Input input;
  };
  Released release(Entry& entry);
  [[nodiscard]] bool holds_too_much() const;
  void forget_oldest();

  Options options_;
  const host::Clock* clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;  // ids sort by time
  std::unordered_map<std::string, std::string> by_idempotency_key_;
  std::deque<std::string> holding_;  // ids of ended jobs that hold a result or an upload, oldest first
  Bytes held_memory_;
  Bytes held_disk_;
  std::deque<std::string> ended_;  // ids of ended jobs, in the order in which they ended
  std::uint64_t last_ticket_ = 0;
};

}  // namespace hotwell::engine

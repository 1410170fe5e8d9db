/// Computations: the way from an absent result to a job in the pool and back into the cache.
///
/// Invariants:
/// - One computation per key at a time, however many ask (the cache's flights); its leader looks in the cache once
/// more.
/// - A result is sealed only if its input still is what it was when the key was made; else the computation starts over
///   with what the input is now, a few times.
/// - A computation that nobody waits for is cancelled; the first asker's leaving fails nobody else.
/// Threads: the engine's thread alone.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <hotwell/engine.hpp>
#include "engine/input.hpp"
#include "engine/operation.hpp"
#include "engine/placements.hpp"

namespace hotwell::engine {

/// A request that was checked and whose input is open.
struct Ask {
  const Operation* operation = nullptr;
  CanonicalParams params;
  ResolvedInput input;
  std::string key;
  /// Others may be given the same result, now and later. False: for this asker alone.
  bool shared = true;
  Durability durability = Durability::memory;
  std::optional<JobPast> past;  ///< of a job that had been accepted before
  JobRequest request;
};

/// How a computation stands; outlives it for those who still look.
struct Progress {
  std::string job_id;
  JobState state = JobState::queued;
  double fraction = 0;
  unsigned attempts = 0;
  std::optional<WallTime> started_at;
  Duration queued{};
  Duration ran{};
  std::string stderr_tail;
  std::string worker;    ///< of the attempt that runs, or ran last
  std::string why;       ///< why there
  bool found = false;    ///< the leader found it in a lower tier: nothing was computed
  bool drained = false;  ///< it ended only because the pool came to rest
};

/// What an asker wants to be told; empty functions are not called. After `ended` nothing is.
struct Asker {
  std::function<void(const Progress&)> accepted;  ///< the pool took the job (or had it already)
  std::function<void(const Progress&)> changed;
  std::function<void(const Progress&)> attempt_begun;
  std::function<void(const Error&, const Progress&)> attempt_failed;  ///< and another one follows
  std::function<void(const Object&, const Progress&)> growing;        ///< the first bytes of an attempt are final
  /// A job in the pool is over and nobody knows yet: `ended` follows when every asker called `done`, now or later on
  /// this thread. An end that no job in the pool led to comes without it.
  std::function<void(const Result<Object>&, const Progress&, std::function<void()> done)> settle;
  std::function<void(const Result<Object>&, const Progress&)> ended;
};

class Computations {
 public:
  /// `prepare` makes an ask anew whose input changed while it was read.
  using Prepare = std::function<Result<Ask>(const JobRequest&)>;
  Computations(Cache& cache, WorkerPool& pool, const host::Clock& clock, Prepare prepare);

  /// Waits for look-ups under way and asks the pool for nothing any more. Any thread; the pool must be drained before,
  /// and may be gone afterwards.
  void stop();

  /// An asker's place. Destroying it gives up; the asker is not called any more.
  class Seat {
   public:
    virtual ~Seat() = default;
    /// The flight's key: others may watch() it while it lasts.
    [[nodiscard]] virtual const std::string& flight() const = 0;
    /// Whether this asker's request started the computation.
    [[nodiscard]] virtual bool leads() const = 0;
  };

  /// Joins the computation of the ask's result, or starts it as job `job_id`. Callbacks come later, never from within.
  [[nodiscard]] std::shared_ptr<Seat> ask(Ask ask, std::string job_id, Asker asker);
  /// Tells of a computation under way without a seat in it: who watches does not keep it going. False if there is none.
  bool watch(const std::string& flight, Asker asker);

 private:
  struct Work;
  struct Place;

  void look_up(const std::shared_ptr<Work>& work);
  void start(const std::shared_ptr<Work>& work);
  void settle(const std::shared_ptr<Work>& work, const JobEnd& end, std::function<void()> done);
  void ended(const std::shared_ptr<Work>& work, JobEnd end);
  void start_over(const std::shared_ptr<Work>& work);
  void finish(const std::shared_ptr<Work>& work, Result<Object> result);
  void abandoned(const std::shared_ptr<Work>& work);
  void follow(const std::shared_ptr<Place>& place, const std::shared_ptr<Growing>& growing) const;
  [[nodiscard]] SinkFactory sinks(const std::shared_ptr<Work>& work);
  void told(const std::string& job_id, const std::function<void(Work&)>& change);

  Cache& cache_;
  WorkerPool& pool_;
  const host::Clock& clock_;
  Prepare prepare_;
  boost::asio::any_io_executor engine_thread_;
  boost::asio::thread_pool disk_{1};
  std::unordered_map<std::string, std::shared_ptr<Work>> works_;  // by flight
  std::unordered_map<std::string, std::shared_ptr<Work>> jobs_;   // by the pool's job id
  Placements placements_;
  std::vector<Subscription> subscriptions_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace hotwell::engine

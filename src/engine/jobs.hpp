/// Jobs: requests that have a record. Each is one asker of a computation; its record follows that computation, and its
/// result is held for a while after the end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include <boost/asio/steady_timer.hpp>

#include <hotwell/engine.hpp>
#include "engine/computations.hpp"
#include "engine/job_table.hpp"
#include "engine/requests.hpp"

namespace hotwell::engine {

/// Threads: public members from any, unless they say otherwise; callbacks come on the engine's thread or on the
/// caller's before the call returns.
class Jobs {
 public:
  Jobs(JobTable::Options options, const Requests& requests, Computations& computations, Cache& cache,
       boost::asio::any_io_executor engine_thread, const host::Clock& clock);

  // As in Engine.
  using Accepted = std::function<void(Result<JobRecord>)>;
  void submit(JobRequest request, Accepted accepted);
  void retry(std::string_view id, Accepted accepted);
  Result<JobRecord> cancel(std::string_view id);
  void wait(std::string_view id, Duration limit, std::function<void(Result<JobRecord>)> done);
  void result(std::string_view id, Requests::Done done);
  [[nodiscard]] Result<JobRecord> find(std::string_view id) const;
  [[nodiscard]] Result<JobPage> page(const JobFilter& filter) const { return table_.page(filter); }

  /// Begins to let go of results whose hold is over. Engine's thread.
  void start();
  /// Leaves every computation and cancels the timer. Engine's thread.
  void stop();

 private:
  /// The answer to who submitted, given once.
  struct Acceptance {
    Accepted callback;
    void answer(Result<JobRecord> record) {
      if (const auto once = std::exchange(callback, nullptr)) once(std::move(record));
    }
  };
  void run(const std::string& id, Ask ask, Accepted accepted, std::function<void()> undo);
  void end(const std::string& id, const Result<Object>& result, const Progress& progress);
  void complete(const std::string& id, const Object& object, std::optional<Level> cached);

  const Requests& requests_;
  Computations& computations_;
  Cache& cache_;
  boost::asio::any_io_executor engine_thread_;
  const host::Clock& clock_;
  JobTable table_;
  std::unordered_map<std::string, std::shared_ptr<Computations::Seat>> seats_;  // engine's thread
  std::unique_ptr<boost::asio::steady_timer> releasing_;                        // engine's thread
};

}  // namespace hotwell::engine

/// The pool's event loop. One thread at a time runs it: the pool's own, or a caller that waits for its job and so saves
/// the two wake-ups that handing the job over and being told of its end would cost (leader and followers).
///
/// Invariants: handlers never run at the same time, and each sees what those before it wrote, whatever thread ran them.
/// The loop is unattended only while its own thread has stepped aside after a caller's job, for as long as `patience`,
/// and only where nobody but this class's callers hands it work: a handler that is posted by other ways meanwhile waits
/// as long at most. Source: Schmidt et al., "Leader/Followers" (2000), for threads that take turns at one event source.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <hotwell/units.hpp>

#include "base/assert.hpp"
#include "base/spin.hpp"

namespace hotwell::pool {

class Loop {
 public:
  static constexpr Duration patience = std::chrono::milliseconds{5};

  Loop() : work_(boost::asio::make_work_guard(io_)) {}

  [[nodiscard]] boost::asio::io_context& context() { return io_; }
  /// Whether the calling thread runs the loop now. Threads: any.
  [[nodiscard]] bool here() const { return leader_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  /// Threads: any.
  template <class F>
  void post(F&& handler) {
    boost::asio::post(io_, std::forward<F>(handler));
    attend();
  }
  /// From now on its own thread alone runs the loop: somebody posts to the context itself. Threads: any.
  void keep_own_thread();

  /// Runs the loop on the calling thread, which becomes its own, until stop(). `at_rest` says whether there is nothing
  /// to be done before the next post().
  void run(const std::function<bool()>& at_rest);
  /// On the loop.
  void stop();
  /// On the loop: how long to look for the next handler before sleeping, while there is work to wait for.
  void set_spin(Duration limit) { spin_.set_limit(limit); }
  /// On the loop: a caller that may come back soon has been served. The loop's own thread steps aside for it.
  void expect_caller() { expected_ = true; }

  /// Runs `begin` and then the loop on the calling thread until `done()`. False, and nothing was done, where another
  /// thread runs the loop.
  template <class Begin, class Done>
  bool lead(Begin&& begin, Done&& done) {
    if (!take_lead()) return false;
    begin();
    while (!done()) HOTWELL_ASSERT(step() > 0);  // else the pool ended while a caller waited for its job
    leave_lead();
    return true;
  }

 private:
  void attend();
  [[nodiscard]] bool take_lead();
  void leave_lead();
  void step_aside();
  /// Runs one handler; 0 once stopped.
  std::size_t step();

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  const std::function<bool()>* at_rest_ = nullptr;
  base::Spin spin_;  ///< this and the next: touched on the loop alone
  bool expected_ = false;
  std::atomic<std::thread::id> leader_{};

  std::mutex mutex_;
  std::condition_variable changed_;
  bool aside_ = false;   ///< the own thread waits in step_aside()
  bool wanted_ = false;  ///< it is to come back
  bool own_only_ = false;
  std::uint64_t led_ = 0;  ///< times that callers led
};

}  // namespace hotwell::pool

/// A Channel is the pool's way to one worker, whatever its kind: a process that speaks frames, a command, a thread.
///
/// Invariants: every member is called, and every word is said, on the pool's thread. After assign() exactly one of
/// attempt_done and worker_gone (which ends what was not done) follows for the attempt; worker_gone is a channel's last
/// word, said after nothing of the worker is left.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include <sys/types.h>

#include <hotwell/pool.hpp>

#include "pool/plan.hpp"

namespace hotwell::pool {

using Function = std::function<Result<std::string>(std::stop_token)>;

/// One attempt of one job, as a channel needs it. What it points to lives until the attempt's end was told.
struct Attempt {
  JobNumber job = 0;
  std::uint32_t number = 0;
  Duration time_left = Duration::max();
  Duration no_progress = Duration::max();  ///< how long it may give no sign of life
  Duration spin{};                         ///< how long a worker may look for its next job before it sleeps
  const Job* what = nullptr;
  const Function* function = nullptr;
  Sink* sink = nullptr;  ///< none: the answer carries the result
};

/// What an attempt made: a text, or so many bytes in its sink or, where it had none, in a file of the answer's own.
struct Answer {
  std::string content_type;
  bool is_inline = false;
  std::string text;
  std::uint64_t size = 0;
  FileHandle file{};
};

class Channel {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    /// `window`: how many attempts it takes at once.
    virtual void worker_ready(WorkerId worker, unsigned window) = 0;
    /// It began an attempt that it had been handed behind another one.
    virtual void attempt_started(JobNumber job, std::uint32_t attempt) = 0;
    /// A sign of life, whatever it was.
    virtual void attempt_alive(JobNumber job, std::uint32_t attempt) = 0;
    virtual void attempt_progress(WorkerId worker, JobNumber job, double fraction) = 0;
    virtual void attempt_done(WorkerId worker, JobNumber job, Result<Answer> outcome) = 0;
    /// It cannot be worked with any more: kill it.
    virtual void worker_broken(WorkerId worker, std::string why) = 0;
    virtual void worker_gone(WorkerGone gone) = 0;
  };

  virtual ~Channel() = default;
  /// Behind the attempts that the worker still has, where it takes several. Errors: the attempt could not begin and is
  /// over; the worker is as before.
  virtual Result<void> assign(const Attempt& attempt) = 0;
  virtual void ask_to_stop(JobNumber job) = 0;
  /// No more jobs: leave.
  virtual void retire() = 0;
  /// It was asked to stop and did not: the signal that programs end on, where there is one.
  virtual void terminate() {}
  virtual void kill() = 0;
  /// The process at the root of what the worker is, for a look at its memory; 0: there is none, or it is not known yet.
  [[nodiscard]] virtual pid_t process() const { return 0; }
  /// The last of what the worker wrote to standard error since its job began.
  [[nodiscard]] virtual std::string stderr_tail() = 0;
};

}  // namespace hotwell::pool

// The public face: one thread with a supervisor on it, and ways to it from other threads.
#include <hotwell/pool.hpp>

#include <future>
#include <latch>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include "base/assert.hpp"
#include "base/spin.hpp"
#include "pool/job_id.hpp"
#include "pool/loop.hpp"
#include "pool/program.hpp"
#include "pool/spawner.hpp"
#include "pool/supervisor.hpp"
#include "pool/tuning.hpp"

namespace hotwell {
namespace {

constexpr Duration spawner_limit = std::chrono::seconds{10};
constexpr unsigned default_min_workers = 2;

/// A thread that no signal of the program is delivered to.
template <class F>
std::thread quiet_thread(F run) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread{std::move(run)};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

Result<void> validate(const WorkerSpec& spec, const PoolOptions& options) {
  if (spec.kind == WorkerKind::function) return {};
  const std::string who = fmt::format("worker \"{}\"", spec.name);
  if (spec.argv.empty() || spec.argv.front().empty())
    return fail(Code::invalid_argument, who + " has no argv: expected a program and its arguments");
  if (spec.min_workers && spec.max_workers && *spec.min_workers > *spec.max_workers)
    return fail(Code::invalid_argument,
                fmt::format("{}: min_workers {} is over max_workers {}", who, *spec.min_workers, *spec.max_workers));
  if (spec.max_workers && *spec.max_workers == 0)
    return fail(Code::invalid_argument, who + ": max_workers is 0, expected at least 1");
  if (spec.min_workers && *spec.min_workers > options.max_workers)
    return fail(Code::invalid_argument, fmt::format("{}: min_workers {} is over the pool's max_workers {}", who,
                                                    *spec.min_workers, options.max_workers));
  return {};
}

Result<void> validate(const PoolOptions& options) {
  if (options.max_workers == 0) return fail(Code::invalid_argument, "max_workers is 0, expected at least 1");
  if (options.max_workers > 1000)
    return fail(Code::invalid_argument, fmt::format("max_workers is {}, expected at most 1000", options.max_workers));
  if (options.min_workers > options.max_workers)
    return fail(Code::invalid_argument,
                fmt::format("min_workers {} is over max_workers {}", *options.min_workers, options.max_workers));
  for (const auto weight : options.weights)
    if (weight == 0) return fail(Code::invalid_argument, "a priority's weight is 0, expected at least 1");
  if (options.spin < Duration{} || options.spin > base::Spin::longest)
    return fail(Code::invalid_argument,
                fmt::format("spin is {}, expected 0 to {}", to_string(options.spin), to_string(base::Spin::longest)));
  if (options.timeout <= Duration{}) return fail(Code::invalid_argument, "timeout is not positive");
  if (options.backoff < Duration{}) return fail(Code::invalid_argument, "backoff is negative");
  if (options.no_progress && *options.no_progress <= Duration{})
    return fail(Code::invalid_argument, "no_progress is not positive");
  if (!(options.retry_share > 0 && options.retry_share < 1))
    return fail(Code::invalid_argument,
                fmt::format("retry_share is {}, expected more than 0 and less than 1", options.retry_share));
  if (options.feed_ahead < 1 || options.feed_ahead > 8)
    return fail(Code::invalid_argument, fmt::format("feed_ahead is {}, expected 1 to 8", options.feed_ahead));
  if (auto valid = validate(options.worker, options); !valid) return valid;
  for (const auto& spec : options.more_workers)
    if (auto valid = validate(spec, options); !valid) return valid;
  return {};
}

double seconds(Duration time) { return std::chrono::duration<double>(time).count(); }

PoolOptions with_defaults(PoolOptions options) {
  if (!options.min_workers) options.min_workers = std::min(default_min_workers, options.max_workers);
  return options;
}

bool has_processes(const PoolOptions& options) {
  bool any = options.worker.kind != WorkerKind::function;
  for (const auto& spec : options.more_workers) any = any || spec.kind != WorkerKind::function;
  return any;
}

}  // namespace

class WorkerPool::Impl {
 public:
  explicit Impl(PoolOptions options)
      : options_(with_defaults(std::move(options))), tuning_(pool::tuning_of(options_)) {}

  Result<void> open() {
    if (auto valid = validate(options_); !valid) return valid;
    std::string spawner;
    if (has_processes(options_)) {
      auto found = pool::find_spawner(options_.spawner);
      if (!found) return std::unexpected(found.error());
      spawner = std::move(*found);
    }
    if (auto ready = pool::complete_lines(options_.worker, spawner); !ready) return ready;
    for (auto& spec : options_.more_workers)
      if (auto ready = pool::complete_lines(spec, spawner); !ready) return ready;
    // Shared with the thread, which may answer after this call gave up.
    auto answer = std::make_shared<std::promise<Result<std::string>>>();
    auto opened = answer->get_future();
    thread_ = quiet_thread([this, spawner, answer] { run(spawner, answer); });
    if (opened.wait_for(spawner_limit) != std::future_status::ready)
      return fail(Code::unavailable, fmt::format("the spawner {} did not come up", spawner));
    auto result = opened.get();
    if (!result) return std::unexpected(result.error());
    containment_ = std::move(*result);
    return {};
  }

  ~Impl() {
    if (!thread_.joinable()) return;
    // Waits for nothing: what is left is cancelled and killed.
    loop_.post([this] {
      if (!supervisor_) return loop_.stop();
      supervisor_->drain(Duration{}, [this](bool) { loop_.stop(); });
    });
    thread_.join();
  }

  std::string start(pool::Submission submission) {
    name(submission);
    std::string id = submission.id;
    // From a handler of the pool's own: nothing can come of it before this call has returned.
    if (loop_.here() && supervisor_->stepping()) {
      supervisor_->submit(std::move(submission));
    } else {
      post(std::move(submission));
    }
    return id;
  }

  Result<JobResult> execute(Job job, JobOptions options) {
    HOTWELL_ASSERT(!loop_.here());
    struct Shared {
      std::atomic<bool> done{false};
      bool leading = false;  ///< the waiter itself will see `done`
      std::optional<Result<JobResult>> result;
    };
    // Shared: the waker may still touch the flag when the waiter has gone on.
    auto shared = std::make_shared<Shared>();
    pool::Submission submission{
        .job = std::move(job), .options = std::move(options), .ended = [this, shared](JobEnd end) {
          shared->result = std::move(end.result);
          shared->done.store(true, std::memory_order_release);
          if (!shared->leading) shared->done.notify_one();
          loop_.expect_caller();
        }};
    name(submission);
    const bool led = loop_.lead(
        [&] {
          shared->leading = true;
          supervisor_->submit(std::move(submission));
        },
        [&] { return shared->done.load(std::memory_order_relaxed); });
    if (!led) {
      post(std::move(submission));
      shared->done.wait(false, std::memory_order_acquire);
    }
    return std::move(*shared->result);
  }

  /// Runs `what` on the pool's thread and waits for it.
  template <class F>
  auto call(F what) {
    using T = std::invoke_result_t<F>;
    if (loop_.here()) return what();
    std::promise<T> answer;
    auto future = answer.get_future();
    loop_.post([&] {
      if constexpr (std::is_void_v<T>) {
        what();
        answer.set_value();
      } else {
        answer.set_value(what());
      }
    });
    return future.get();
  }

  Result<void> drain(Duration limit) {
    HOTWELL_ASSERT(!loop_.here());
    std::promise<bool> drained;
    loop_.post([&] { supervisor_->drain(limit, [&drained](bool killed) { drained.set_value(killed); }); });
    if (drained.get_future().get())
      return fail(Code::timeout,
                  fmt::format("the pool did not come to rest within {}: what still ran was killed", to_string(limit)));
    return {};
  }

  void register_knobs(Knobs& knobs);

  PoolOptions options_;
  PoolEvents events_;
  pool::PublishedFigures figures_;
  std::string containment_;
  pool::Loop loop_;
  std::unique_ptr<pool::Supervisor> supervisor_;  // made and destroyed on the loop's own thread, used on the loop
  std::thread thread_;
  std::mutex tuning_mutex_;
  pool::Tuning tuning_;

 private:
  static void name(pool::Submission& submission) {
    submission.number = pool::next_job_number();
    submission.id = submission.options.id.empty() ? pool::to_job_id(submission.number) : submission.options.id;
  }

  void post(pool::Submission submission) {
    loop_.post(
        [this, s = std::make_shared<pool::Submission>(std::move(submission))] { supervisor_->submit(std::move(*s)); });
  }

  void run(const std::string& spawner, std::shared_ptr<std::promise<Result<std::string>>> answer) {
    ::pthread_setname_np(::pthread_self(), "hotwell-pool");
    supervisor_ = std::make_unique<pool::Supervisor>(loop_.context(), options_, spawner, events_, figures_);
    auto started = supervisor_->start([answer](bool enclosed, const std::string& why) {
      if (why.empty())
        answer->set_value(fail(Code::unavailable, "the spawner ended before it was ready"));
      else
        answer->set_value((enclosed ? "pid namespace: " : "best effort: ") + why);
    });
    if (!started) answer->set_value(std::unexpected(started.error()));
    loop_.set_spin(options_.spin);
    loop_.run([this] { return supervisor_->at_rest(); });
    supervisor_.reset();
  }
};

void WorkerPool::Impl::register_knobs(Knobs& knobs) {
  for (const auto& knob : pool::tuning_knobs())
    knobs.add(knob.state(tuning_), [this, &knob](double value) -> Result<void> {
      const std::lock_guard lock(tuning_mutex_);
      pool::Tuning wanted = tuning_;
      knob.set(wanted, value);
      if (auto valid = pool::validate(wanted); !valid) return valid;
      tuning_ = wanted;
      loop_.post([this, wanted] { supervisor_->retune(wanted); });
      return {};
    });
  knobs.add({.name = "pool.spin",
             .description = "How long pool and workers look for each other's next word before they sleep; 0: never.",
             .unit = "seconds",
             .max = seconds(base::Spin::longest),
             .value = seconds(options_.spin)},
            [this](double value) -> Result<void> {
              loop_.post([this, spin = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value))] {
                loop_.set_spin(spin);
                supervisor_->set_spin(spin);
              });
              return {};
            });
}

WorkerPool::WorkerPool(PoolOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {
  if (auto opened = impl_->open(); !opened) throw Failure(opened.error());
}

WorkerPool::WorkerPool(std::unique_ptr<Impl> impl, std::in_place_t) : impl_(std::move(impl)) {}

Result<std::unique_ptr<WorkerPool>> WorkerPool::open(PoolOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto opened = impl->open(); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<WorkerPool>(new WorkerPool(std::move(impl), std::in_place));
}

WorkerPool::~WorkerPool() = default;

Result<JobResult> WorkerPool::execute(Job job, JobOptions options) {
  return impl_->execute(std::move(job), std::move(options));
}

std::string WorkerPool::start(Job job, JobOptions options, std::function<void(JobEnd)> ended) {
  return impl_->start({.job = std::move(job), .options = std::move(options), .ended = std::move(ended)});
}

std::string WorkerPool::start_function(std::function<Result<std::string>(std::stop_token)> function, JobOptions options,
                                       std::function<void(JobEnd)> ended) {
  return impl_->start({.job = {.operation = "function"},
                       .options = std::move(options),
                       .function = std::move(function),
                       .ended = std::move(ended)});
}

bool WorkerPool::cancel(std::string_view job_id) {
  return impl_->call([&] { return impl_->supervisor_->cancel(job_id); });
}

void WorkerPool::raise(std::string_view job_id, Priority priority) {
  impl_->loop_.post(
      [impl = impl_.get(), id = std::string{job_id}, priority] { impl->supervisor_->raise(id, priority); });
}

Result<void> WorkerPool::drain(Duration limit) { return impl_->drain(limit); }

PoolStats WorkerPool::stats() const { return impl_->figures_.stats(); }

void WorkerPool::workers(std::function<void(std::vector<WorkerState>)> then) {
  impl_->loop_.post([impl = impl_.get(), then = std::move(then)] { then(impl->supervisor_->workers()); });
}

PoolEvents& WorkerPool::events() { return impl_->events_; }

void WorkerPool::register_knobs(Knobs& knobs) { impl_->register_knobs(knobs); }

boost::asio::any_io_executor WorkerPool::executor() {
  impl_->loop_.keep_own_thread();
  return own_executor();
}

boost::asio::any_io_executor WorkerPool::own_executor() { return impl_->loop_.context().get_executor(); }

std::string WorkerPool::containment() const { return impl_->containment_; }

}  // namespace hotwell

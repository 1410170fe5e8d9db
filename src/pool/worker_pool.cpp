// The public face: one thread with a supervisor on it, and ways to it from other threads.
#include <hotwell/pool.hpp>

#include <future>
#include <latch>
#include <thread>

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "pool/job_id.hpp"
#include "pool/spawner.hpp"
#include "pool/supervisor.hpp"

namespace hotwell {
namespace {

constexpr Duration spawner_limit = std::chrono::seconds{10};

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
  if (spec.kind == WorkerKind::lines)
    return fail(Code::invalid_argument, who + ": this version offers the kinds command and frames, not lines");
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
                fmt::format("min_workers {} is over max_workers {}", options.min_workers, options.max_workers));
  for (const auto weight : options.weights)
    if (weight == 0) return fail(Code::invalid_argument, "a priority's weight is 0, expected at least 1");
  if (options.timeout <= Duration{}) return fail(Code::invalid_argument, "timeout is not positive");
  if (options.backoff < Duration{}) return fail(Code::invalid_argument, "backoff is negative");
  if (auto valid = validate(options.worker, options); !valid) return valid;
  for (const auto& spec : options.more_workers)
    if (auto valid = validate(spec, options); !valid) return valid;
  return {};
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
      : options_(std::move(options)),
        work_(boost::asio::make_work_guard(io_)),
        limits_{options_.min_workers, options_.max_workers, options_.queue_limit} {}

  Result<void> open() {
    if (auto valid = validate(options_); !valid) return valid;
    std::string spawner;
    if (has_processes(options_)) {
      auto found = pool::find_spawner(options_.spawner);
      if (!found) return std::unexpected(found.error());
      spawner = std::move(*found);
    }
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
    boost::asio::post(io_, [this] {
      if (!supervisor_) return leave();
      supervisor_->drain(Duration{}, [this](bool) { leave(); });
    });
    thread_.join();
  }

  [[nodiscard]] bool on_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

  std::string start(pool::Submission submission) {
    submission.number = pool::next_job_number();
    submission.id = submission.options.id.empty() ? pool::to_job_id(submission.number) : submission.options.id;
    std::string id = submission.id;
    boost::asio::post(io_, [this, s = std::make_shared<pool::Submission>(std::move(submission))] {
      supervisor_->submit(std::move(*s));
    });
    return id;
  }

  /// Runs `what` on the pool's thread and waits for it.
  template <class F>
  auto call(F what) {
    using T = std::invoke_result_t<F>;
    if (on_thread()) return what();
    std::promise<T> answer;
    auto future = answer.get_future();
    boost::asio::post(io_, [&] {
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
    HOTWELL_ASSERT(!on_thread());
    std::promise<bool> drained;
    boost::asio::post(io_, [&] { supervisor_->drain(limit, [&drained](bool killed) { drained.set_value(killed); }); });
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
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unique_ptr<pool::Supervisor> supervisor_;  // made, used and destroyed on the thread
  std::thread thread_;
  std::mutex limits_mutex_;
  pool::SetLimits limits_;

 private:
  void run(const std::string& spawner, std::shared_ptr<std::promise<Result<std::string>>> answer) {
    ::pthread_setname_np(::pthread_self(), "hotwell-pool");
    supervisor_ = std::make_unique<pool::Supervisor>(io_, options_, spawner, events_, figures_);
    auto started = supervisor_->start([answer](bool enclosed, const std::string& why) {
      if (why.empty())
        answer->set_value(fail(Code::unavailable, "the spawner ended before it was ready"));
      else
        answer->set_value((enclosed ? "pid namespace: " : "best effort: ") + why);
    });
    if (!started) answer->set_value(std::unexpected(started.error()));
    io_.run();
    supervisor_.reset();
  }

  void leave() {
    work_.reset();
    io_.stop();
  }
};

void WorkerPool::Impl::register_knobs(Knobs& knobs) {
  const auto add = [&](std::string name, std::string description, std::string unit, double max, double initial,
                       std::function<Result<void>(double)> apply) {
    knobs.add({.name = std::move(name),
               .description = std::move(description),
               .unit = std::move(unit),
               .min = 0,
               .max = max,
               .value = initial},
              std::move(apply));
  };
  const auto set = [this](auto change) -> Result<void> {
    const std::lock_guard lock(limits_mutex_);
    pool::SetLimits wanted = limits_;
    change(wanted);
    if (wanted.max_workers == 0) return fail(Code::invalid_argument, "pool.max_workers is 0, expected at least 1");
    if (wanted.min_workers > wanted.max_workers)
      return fail(Code::invalid_argument, fmt::format("pool.min_workers {} would be over pool.max_workers {}",
                                                      wanted.min_workers, wanted.max_workers));
    limits_ = wanted;
    boost::asio::post(io_, [this, wanted] { supervisor_->set_limits(wanted); });
    return {};
  };
  add("pool.min_workers", "Workers that are kept warm.", "", 1000, options_.min_workers, [set](double value) {
    return set([value](pool::SetLimits& l) { l.min_workers = static_cast<unsigned>(value); });
  });
  add("pool.max_workers", "Workers that exist at most, of all types together.", "", 1000, options_.max_workers,
      [set](double value) {
        return set([value](pool::SetLimits& l) { l.max_workers = static_cast<unsigned>(value); });
      });
  add("pool.queue_limit", "Jobs that wait at most; beyond, new ones are refused.", "", 1e7,
      static_cast<double>(options_.queue_limit), [set](double value) {
        return set([value](pool::SetLimits& l) { l.queue_limit = static_cast<std::size_t>(value); });
      });
}

WorkerPool::WorkerPool(PoolOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {
  if (auto opened = impl_->open(); !opened) throw Failure(opened.error());
}

WorkerPool::WorkerPool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<WorkerPool>> WorkerPool::open(PoolOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto opened = impl->open(); !opened) return std::unexpected(opened.error());
  return std::unique_ptr<WorkerPool>(new WorkerPool(std::move(impl)));
}

WorkerPool::~WorkerPool() = default;

Result<JobResult> WorkerPool::execute(Job job, JobOptions options) {
  HOTWELL_ASSERT(!impl_->on_thread());
  struct Shared {
    std::atomic<bool> done{false};
    std::optional<Result<JobResult>> result;
  };
  // Shared: the waker may still touch the flag when the waiter has gone on.
  auto shared = std::make_shared<Shared>();
  start(std::move(job), std::move(options), [shared](JobEnd end) {
    shared->result = std::move(end.result);
    shared->done.store(true, std::memory_order_release);
    shared->done.notify_one();
  });
  shared->done.wait(false, std::memory_order_acquire);
  return std::move(*shared->result);
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
  boost::asio::post(
      impl_->io_, [impl = impl_.get(), id = std::string{job_id}, priority] { impl->supervisor_->raise(id, priority); });
}

Result<void> WorkerPool::drain(Duration limit) { return impl_->drain(limit); }

PoolStats WorkerPool::stats() const { return impl_->figures_.stats(); }

PoolEvents& WorkerPool::events() { return impl_->events_; }

void WorkerPool::register_knobs(Knobs& knobs) { impl_->register_knobs(knobs); }

boost::asio::any_io_executor WorkerPool::executor() { return impl_->io_.get_executor(); }

std::string WorkerPool::containment() const { return impl_->containment_; }

}  // namespace hotwell

#include "pool/supervisor.hpp"

#include <random>

#include <fmt/format.h>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "base/digest.hpp"
#include "base/log.hpp"
#include "host/clock.hpp"
#include "pool/command_channel.hpp"
#include "pool/footprint.hpp"
#include "pool/frames_channel.hpp"
#include "pool/job_id.hpp"
#include "pool/thread_channel.hpp"
#include "pool/tuning.hpp"
#include "wire/frames.hpp"

namespace hotwell::pool {
namespace {

constexpr Duration first_spawner_delay = std::chrono::milliseconds{10};
constexpr Duration longest_spawner_delay = std::chrono::seconds{10};
constexpr Duration spawner_is_well_after = std::chrono::seconds{5};
constexpr Duration measure_interval = std::chrono::milliseconds{250};

std::vector<WorkerSpec> all_types(const PoolOptions& options) {
  std::vector<WorkerSpec> specs;
  if (options.worker.kind != WorkerKind::function) specs.push_back(options.worker);
  for (const auto& spec : options.more_workers)
    if (spec.kind != WorkerKind::function) specs.push_back(spec);
  specs.push_back({.kind = WorkerKind::function, .name = "function"});
  return specs;
}

Style style_of(WorkerKind kind) {
  switch (kind) {
    case WorkerKind::function: return Style::thread;
    case WorkerKind::command: return Style::per_job;
    case WorkerKind::lines:
    case WorkerKind::frames: return Style::warm;
  }
  return Style::thread;
}

Rules rules_of(const PoolOptions& options, const std::vector<WorkerSpec>& specs) {
  Rules rules{.reuse_workers = options.reuse_workers, .tuning = tuning_of(options)};
  for (const auto& spec : specs)
    rules.types.push_back({.name = spec.name,
                           .style = style_of(spec.kind),
                           .min = spec.min_workers.value_or(0),
                           .max = spec.max_workers,
                           .max_crashes = spec.max_crashes.value_or(options.max_crashes)});
  return rules;
}

/// The last line of a text that says something.
std::string_view last_words(std::string_view text) {
  const auto end = text.find_last_not_of(" \r\n");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  return text.substr(text.rfind('\n') + 1).substr(0, 300);  // npos + 1 is 0
}

/// Ends a sink with what its attempt came to; tells why it could not be sealed.
std::optional<Error> fill(Sink& sink, Result<Answer> outcome, Bytes limit) {
  const auto keep = [&]() -> Result<void> {
    if (!outcome) return std::unexpected(std::move(outcome.error()));
    sink.set_content_type(outcome->content_type);
    if (outcome->file) {
      auto body = map_result(outcome->file, outcome->size, limit);
      if (!body) return std::unexpected(body.error());
      if (auto written = sink.write(body->view()); !written) return written;
    } else if (outcome->is_inline && !outcome->text.empty()) {
      if (auto written = sink.write(outcome->text); !written) return written;
    }
    return sink.seal(outcome->size);
  };
  auto kept = keep();
  if (kept) return std::nullopt;
  sink.abandon(kept.error());
  return std::move(kept.error());
}

std::function<double()> jitter() {
  return [engine = std::mt19937_64{std::random_device{}()},
          range = std::uniform_real_distribution<double>{}]() mutable { return range(engine); };
}

}  // namespace

Supervisor::Supervisor(boost::asio::io_context& io, const PoolOptions& options, const std::string& spawner,
                       PoolEvents& events, PublishedFigures& figures)
    : io_(io),
      specs_(all_types(options)),
      timeout_(options.timeout),
      backoff_(options.backoff),
      no_progress_(options.no_progress.value_or(Duration::max())),
      retries_(options.retries),
      result_limit_(options.result_limit),
      spin_(options.spin),
      events_(events),
      published_(figures),
      plan_(rules_of(options, specs_), jitter()),
      timer_(io),
      spawner_timer_(io) {
  if (!spawner.empty())
    spawner_.emplace(io, spawner,
                     Spawner::Listener{.ready =
                                           [this](bool enclosed, std::string why) {
                                             if (auto ready = std::exchange(on_ready_, nullptr))
                                               ready(enclosed, std::move(why));
                                             feed(SpawnerState{true});
                                           },
                                       .lost = [this](std::string why) { spawner_lost(std::move(why)); }});
}

Supervisor::~Supervisor() {
  *alive_ = false;
  spawner_.reset();  // every process ends before the sinks that they write to
  disk_.stop();
  disk_.join();
  leaving_.clear();
  hands_.clear();  // waits for functions that still run
}

Result<void> Supervisor::start(std::function<void(bool, std::string)> ready) {
  if (!spawner_) {
    feed(Tick{});  // figures are published before anybody can ask for them
    ready(true, "no worker processes");
    return {};
  }
  on_ready_ = std::move(ready);
  spawner_started_ = host::system_clock().now();
  if (auto started = spawner_->start(); !started) return started;
  feed(SpawnerState{false});
  return {};
}

// ---- the spawner -------------------------------------------------------------------------------------------------

void Supervisor::spawner_lost(std::string why) {
  if (auto ready = std::exchange(on_ready_, nullptr)) return ready(false, {});  // it never came up: open() fails
  base::log().error("{}; its workers end with it, their jobs start again", why);
  feed(SpawnerState{false});
  const auto now = host::system_clock().now();
  if (now - spawner_started_ > spawner_is_well_after) spawner_failures_ = 0;
  if (spawner_failures_ == 0) {
    ++spawner_failures_;
    return restart_spawner();
  }
  Duration delay = first_spawner_delay;
  for (unsigned i = 1; i < spawner_failures_ && delay < longest_spawner_delay; ++i) delay *= 2;
  ++spawner_failures_;
  spawner_timer_.expires_after(delay);
  spawner_timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (!error && *alive) restart_spawner();
  });
}

void Supervisor::restart_spawner() {
  spawner_started_ = host::system_clock().now();
  if (auto started = spawner_->start(); !started) spawner_lost(started.error().message);
}

// ---- from the owner -----------------------------------------------------------------------------------------------

std::optional<TypeIndex> Supervisor::type_of(const std::string& operation) const {
  std::optional<TypeIndex> any;
  for (TypeIndex index = 0; index + 1 < specs_.size(); ++index) {
    const auto& names = specs_[index].operations;
    if (std::find(names.begin(), names.end(), operation) != names.end()) return index;
    if (names.empty() && !any) any = index;
  }
  return any;
}

bool Supervisor::is_process(TypeIndex type) const { return specs_[type].kind != WorkerKind::function; }

Result<void> Supervisor::check(const Submission& submission) const {
  if (submission.function) return {};
  const Job& job = submission.job;
  if (!type_of(job.operation))
    return fail(Code::not_found, fmt::format("no worker offers the operation \"{}\"", job.operation));
  if (job.operation.size() > wire::name_limit)
    return fail(Code::invalid_argument, fmt::format("an operation's name has at most {} bytes", wire::name_limit));
  if (job.input_identity.size() > wire::identity_limit)
    return fail(Code::invalid_argument, fmt::format("an input's identity has at most {} bytes", wire::identity_limit));
  if (job.inputs.size() > wire::descriptor_limit - 2)
    return fail(Code::invalid_argument, fmt::format("a job has at most {} inputs, this one has {}",
                                                    wire::descriptor_limit - 2, job.inputs.size()));
  if (!submission.options.id.empty() && owners_ids_.contains(submission.options.id))
    return fail(Code::invalid_argument, fmt::format("there is a job \"{}\" already", submission.options.id));
  return {};
}

void Supervisor::submit(Submission submission) {
  if (auto right = check(submission); !right) {
    // Not from inside the call that hands it in.
    boost::asio::post(io_, [s = std::make_shared<Submission>(std::move(submission)), error = right.error()] {
      s->ended({.job_id = std::move(s->id), .result = std::unexpected(error)});
    });
    return;
  }
  const auto now = host::system_clock().now();
  const JobOptions& options = submission.options;
  PlannedJob planned{
      .number = submission.number,
      .type = submission.function ? static_cast<TypeIndex>(specs_.size() - 1) : *type_of(submission.job.operation),
      .operation = submission.job.operation,
      .priority = options.priority,
      .retries = options.retries.value_or(retries_),
      .timeout = options.timeout.value_or(timeout_),
      .backoff = options.backoff.value_or(backoff_),
      .tenant = options.tenant,
      .no_progress = patience(options)};
  if (options.past) planned.past = Past{.attempts = options.past->attempts, .crashes = options.past->crashes};
  switch (style_of(specs_[planned.type].kind)) {
    case Style::thread: planned.no_progress = Duration::max(); break;  // it gives no signs
    case Style::per_job: planned.no_progress += CommandChannel::look_interval(planned.no_progress); break;
    case Style::warm: break;
  }
  if (options.deadline) planned.deadline = now + (*options.deadline - host::system_clock().wall());
  if (!submission.job.input_identity.empty()) planned.affinity = base::xxh3_64(submission.job.input_identity);
  const JobNumber number = submission.number;
  Record& record = records_[number];
  record.type = planned.type;
  record.what = std::move(submission);
  if (!record.what.options.id.empty()) owners_ids_.emplace(record.what.options.id, number);
  feed(Submit{std::move(planned)});
  const auto accepted = records_.find(number);
  if (accepted == records_.end() || !accepted->second.what.options.stop.stop_possible()) return;
  accepted->second.on_stop.emplace(accepted->second.what.options.stop, [this, number, alive = alive_] {
    boost::asio::post(io_, [this, number, alive] {
      if (*alive) feed(CancelJob{number});
    });
  });
}

std::optional<JobNumber> Supervisor::find(std::string_view id) const {
  if (const auto owners = owners_ids_.find(std::string{id}); owners != owners_ids_.end()) return owners->second;
  const auto number = parse_job_id(id);
  const auto record = number ? records_.find(*number) : records_.end();
  if (record == records_.end() || record->second.what.id != id) return std::nullopt;
  return number;
}

bool Supervisor::cancel(std::string_view id) {
  const auto number = find(id);
  if (!number || !plan_.can_cancel(*number)) return false;
  feed(CancelJob{*number});
  return true;
}

void Supervisor::raise(std::string_view id, Priority priority) {
  if (const auto number = find(id)) feed(RaiseJob{*number, priority});
}

void Supervisor::drain(Duration limit, std::function<void(bool)> drained) {
  if (drained_) return drained(*drained_);
  drain_waiters_.push_back(std::move(drained));
  feed(DrainRequest{limit});
}

void Supervisor::set_defaults(Duration timeout, unsigned retries) {
  timeout_ = timeout;
  retries_ = retries;
}

std::vector<WorkerState> Supervisor::workers() {
  const auto now = host::system_clock().now();
  std::vector<WorkerState> all;
  for (auto& [id, hand] : hands_) {
    look_at(hand, now);
    WorkerState state{.name = hand.name,
                      .type = specs_[hand.type].name,
                      .ready = hand.ready,
                      .process = std::max(hand.channel->process(), 0),
                      .cpu = hand.look.cpu,
                      .memory = hand.look.memory};
    for (const Held& held : hand.held)
      if (const auto found = records_.find(held.job); found != records_.end())
        state.jobs.push_back({.id = found->second.what.id,
                              .operation = found->second.what.job.operation,
                              .attempt = found->second.attempt,
                              .progress = found->second.progress,
                              .running = now - found->second.began});
    all.push_back(std::move(state));
  }
  return all;
}

// ---- from the channels --------------------------------------------------------------------------------------------

void Supervisor::worker_ready(WorkerId worker, unsigned window) {
  Hand& hand = hands_.at(worker);
  hand.ready = true;
  publish<WorkerStarted>(hand.name, specs_[hand.type].name);
  feed(WorkerReady{worker, window});
}

void Supervisor::attempt_progress(WorkerId, JobNumber job, double fraction) {
  const auto record = records_.find(job);
  if (record == records_.end()) return;
  record->second.progress = fraction;
  publish<JobProgress>(record->second.what.id, record->second.what.job.operation, fraction);
}

void Supervisor::attempt_done(WorkerId worker, JobNumber number, Result<Answer> outcome) {
  Hand& hand = hands_.at(worker);
  const auto held = std::ranges::find(hand.held, number, &Held::job);
  if (held == hand.held.end()) return;
  const auto told = held->attempt;
  hand.held.erase(held);
  measure(worker, hand);
  const auto found = records_.find(number);
  // Else its owner stopped waiting for a thread: the job has ended, or has another attempt.
  if (found == records_.end() || found->second.attempt != told) return;
  Record& record = found->second;
  if (!outcome) record.stderr_tail = hand.channel->stderr_tail();
  const auto attempt = record.attempt;
  late_sink(record, outcome);
  const bool is_quick = outcome && record.sink && record.sink->is_quick(outcome->size);
  if (record.sink && !record.memory && !is_quick) feed(WorkerReleased{worker, number, attempt});
  end_sink(record, std::move(outcome), [this, number, attempt](std::optional<Error> error) {
    feed(AttemptEnded{number, attempt, std::move(error)});
  });
}

void Supervisor::look_at(Hand& hand, host::MonoTime now) {
  constexpr Duration seldom = std::chrono::milliseconds{500};
  const pid_t process = hand.channel->process();
  if (process <= 0 || now - hand.look.at < seldom) return;
  const auto used = processor_time(process);
  if (!used) return;
  // What a child had used is gone for good where nobody waited for it.
  const bool first = hand.look.at == host::MonoTime{};
  const auto passed = std::chrono::duration<double>(now - hand.look.at).count();
  const auto more = std::chrono::duration<double>(*used - hand.look.used).count();
  hand.look = {now, *used, first ? 0 : std::max(more, 0.0) / passed, {private_memory(process).value_or(0)}};
}

/// After a job, and seldom: one look costs some tens of microseconds.
void Supervisor::measure(WorkerId worker, Hand& hand) {
  const pid_t process = hand.channel->process();
  if (process <= 0) return;
  const auto now = host::system_clock().now();
  if (hand.measured != host::MonoTime{} && now - hand.measured < measure_interval) return;
  hand.measured = now;
  if (const auto bytes = private_memory(process)) feed(WorkerMemory{worker, *bytes});
}

void Supervisor::worker_broken(WorkerId worker, std::string why) {
  Hand& hand = hands_.at(worker);
  base::log().warn("{} is killed: {}", hand.name, why);
  hand.channel->kill();
}

void Supervisor::worker_gone(WorkerGone gone) {
  const auto found = hands_.find(gone.worker);
  Hand& hand = found->second;
  publish<WorkerExited>(hand.name, specs_[hand.type].name, gone.reason.message);
  std::vector<JobNumber> jobs;
  for (const auto& held : hand.held)
    if (const auto record = records_.find(held.job); record != records_.end() && record->second.attempt == held.attempt)
      jobs.push_back(held.job);
  const std::string tail = hand.channel->stderr_tail();
  // The channel is in the middle of saying this: it goes when it has finished.
  leaving_.push_back(std::move(hand.channel));
  boost::asio::post(io_, [this, alive = alive_] {
    if (*alive) leaving_.clear();
  });
  hands_.erase(found);
  if (jobs.empty()) {
    if (gone.cannot_start || gone.reason.code == Code::crashed)
      base::log().debug("worker {}: {}{}{}", gone.worker, gone.reason.message, tail.empty() ? "" : ": ", tail);
    // Whoever waits for a worker that does not come up wants to know what it said.
    if (const auto words = last_words(tail); !words.empty() && !gone.cannot_start)
      gone.reason.message += fmt::format(" ({})", words);
    return feed(std::move(gone));
  }
  const Error reason = gone.reason;
  const auto last = std::make_shared<WorkerGone>(std::move(gone));
  const auto left = std::make_shared<std::size_t>(jobs.size());
  for (const JobNumber number : jobs) {
    Record& record = records_.at(number);
    record.stderr_tail = tail;
    end_sink(record, std::unexpected(reason), [this, last, left](const std::optional<Error>&) {
      if (--*left == 0) feed(std::move(*last));
    });
  }
}

// ---- sinks ---------------------------------------------------------------------------------------------------------

Result<void> Supervisor::open_sink(Record& record, WorkerKind kind) {
  record.memory = nullptr;
  if (kind == WorkerKind::function) return {};  // its value travels beside the pool
  const bool speaks = kind == WorkerKind::lines || kind == WorkerKind::frames;
  if (record.what.options.sink && record.what.options.inline_result && speaks) return {};  // made by late_sink()
  if (record.what.options.sink) {
    auto sink = record.what.options.sink(record.attempt);
    if (!sink) return std::unexpected(sink.error());
    record.sink = std::move(*sink);
    return {};
  }
  if (kind == WorkerKind::frames) return {};  // the answer carries the result
  auto sink = MemorySink::make(result_limit_);
  if (!sink) return std::unexpected(sink.error());
  record.memory = sink->get();
  record.sink = std::move(*sink);
  return {};
}

/// The sink of an attempt that had none while it ran, and succeeded.
void Supervisor::late_sink(Record& record, Result<Answer>& outcome) {
  const JobOptions& options = record.what.options;
  if (record.sink || !options.inline_result || !options.sink || record.what.function || !outcome || record.stopping)
    return;
  if (auto sink = options.sink(record.attempt); sink) {
    record.sink = std::move(*sink);
  } else {
    outcome = std::unexpected(sink.error());
  }
}

void Supervisor::end_sink(Record& record, Result<Answer> outcome, std::function<void(std::optional<Error>)> then) {
  if (record.stopping && outcome) outcome = fail(Code::cancelled, "the attempt was stopped");
  if (outcome) {
    record.result.content_type = outcome->content_type;
    record.result.size = outcome->size;
  }
  if (!record.sink) {
    if (!outcome) return then(std::move(outcome.error()));
    if (!outcome->file) {
      record.result.body = Buffer::of(std::move(outcome->text));
      return then({});
    }
    auto body = map_result(outcome->file, outcome->size, result_limit_);
    if (!body) return then(std::move(body.error()));
    record.result.body = std::move(*body);
    return then({});
  }
  if (record.memory) {
    std::optional<Error> error;
    if (!outcome) {
      error = std::move(outcome.error());
    } else if (outcome->is_inline) {
      record.result.body = Buffer::of(std::move(outcome->text));
    } else if (auto sealed = record.memory->seal(outcome->size); !sealed) {
      error = sealed.error();
    } else {
      record.result.body = record.memory->take();
    }
    record.sink.reset();
    record.memory = nullptr;
    return then(std::move(error));
  }
  if (outcome && outcome->is_inline && record.sink->is_quick(outcome->size)) {
    const auto sink = std::move(record.sink);
    return then(fill(*sink, std::move(outcome), result_limit_));
  }
  // Sealing may write, rename and sync: on the disk thread.
  boost::asio::post(disk_, [this, alive = alive_, sink = std::shared_ptr<Sink>(std::move(record.sink)),
                            outcome = std::move(outcome), then = std::move(then)]() mutable {
    auto error = fill(*sink, std::move(outcome), result_limit_);
    sink.reset();
    boost::asio::post(io_, [alive, then = std::move(then), error = std::move(error)]() mutable {
      if (*alive) then(std::move(error));
    });
  });
}

// ---- actions -------------------------------------------------------------------------------------------------------

void Supervisor::feed(Event event) {
  events_queue_.push_back(std::move(event));
  if (stepping_) return;
  stepping_ = true;
  while (!events_queue_.empty()) {
    Event next = std::move(events_queue_.front());
    events_queue_.pop_front();
    stepped_ = host::system_clock().now();
    auto actions = plan_.step(std::move(next), stepped_);
    published_.publish(plan_.figures());
    for (auto& action : actions) std::visit([this](auto& a) { apply(a); }, action);
  }
  stepping_ = false;
  arm_timer();
}

void Supervisor::apply(Accept& action) {
  const auto& what = records_.at(action.job).what;
  publish<JobQueued>(what.id, what.job.operation, what.options.priority);
}

void Supervisor::apply(SpawnWorker& action) {
  const WorkerSpec& spec = specs_[action.type];
  Hand& hand = hands_[action.worker];
  hand.type = action.type;
  hand.name = fmt::format("{}-{}", spec.name, action.worker);
  Channel::Listener& self = *this;
  switch (spec.kind) {
    case WorkerKind::function: hand.channel = std::make_unique<ThreadChannel>(io_, self, action.worker); break;
    case WorkerKind::command:
      hand.channel = std::make_unique<CommandChannel>(io_, disk_.get_executor(), *spawner_, self, action.worker, spec);
      break;
    case WorkerKind::frames:
    case WorkerKind::lines:
      hand.channel = std::make_unique<FramesChannel>(io_, *spawner_, self, action.worker, spec);
      break;
  }
}

Result<void> Supervisor::begin(const Assign& action, Record& record, Hand& hand) {
  if (auto opened = open_sink(record, specs_[hand.type].kind); !opened) return opened;
  hand.held.push_back({action.job, action.attempt});
  auto begun = hand.channel->assign({.job = action.job,
                                     .number = action.attempt,
                                     .time_left = action.time_left,
                                     .no_progress = patience(record.what.options),
                                     .spin = spin_,
                                     .what = &record.what.job,
                                     .function = &record.what.function,
                                     .sink = record.sink.get()});
  if (!begun) hand.held.pop_back();
  return begun;
}

void Supervisor::apply(Assign& action) {
  Record& record = records_.at(action.job);
  Hand& hand = hands_.at(action.worker);
  record.attempt = action.attempt;
  record.progress = 0;
  record.began = stepped_;
  record.stopping = false;
  record.worker = hand.name;
  record.stderr_tail.clear();
  publish<JobStarted>(record.what.id, record.what.job.operation, hand.name, action.attempt);
  auto begun = begin(action, record, hand);
  if (begun) return;
  end_sink(record, std::unexpected(begun.error()),
           [this, number = action.job, attempt = action.attempt](std::optional<Error> error) {
             feed(AttemptEnded{number, attempt, std::move(error)});
           });
  // A command that did not start leaves nothing behind that could end later.
  if (specs_[hand.type].kind == WorkerKind::command)
    worker_gone({.worker = action.worker, .reason = begun.error(), .charged = false});
}

void Supervisor::apply(AskToStop& action) {
  if (const auto record = records_.find(action.job); record != records_.end()) record->second.stopping = true;
  if (const auto hand = hands_.find(action.worker); hand != hands_.end()) hand->second.channel->ask_to_stop(action.job);
}

void Supervisor::apply(TerminateWorker& action) {
  if (const auto hand = hands_.find(action.worker); hand != hands_.end()) hand->second.channel->terminate();
}

void Supervisor::apply(KillWorker& action) {
  if (const auto hand = hands_.find(action.worker); hand != hands_.end()) hand->second.channel->kill();
}

void Supervisor::apply(RetireWorker& action) {
  if (const auto hand = hands_.find(action.worker); hand != hands_.end()) hand->second.channel->retire();
}

void Supervisor::apply(AnnounceRetry& action) {
  const Record& record = records_.at(action.job);
  const auto& what = record.what;
  publish<JobRetrying>(what.id, what.job.operation, action.error, action.delay, record.stderr_tail);
}

void Supervisor::apply(End& action) {
  auto node = records_.extract(action.job);
  Record& record = node.mapped();
  record.on_stop.reset();
  const auto& what = record.what;
  if (!what.options.id.empty()) owners_ids_.erase(what.options.id);
  Ending ending{.operation = what.job.operation,
                .refused = action.refused,
                .ran = action.ran,
                .end = {.job_id = what.id,
                        .attempts = action.attempts,
                        .stderr_tail = std::move(record.stderr_tail),
                        .dead = action.dead,
                        .drained = action.drained,
                        .result = std::unexpected(Error{})}};
  if (!action.error) {
    record.result.job_id = what.id;
    record.result.attempts = action.attempts;
    record.result.queued = action.queued;
    record.result.ran = action.ran;
    record.result.worker = std::move(record.worker);
    ending.end.result = std::move(record.result);
  } else {
    ending.end.result = std::unexpected(std::move(*action.error));
  }
  ending.ended = std::move(record.what.ended);
  const auto settle = std::move(record.what.options.settle);
  // Whatever the job held (inputs, sinks) is let go before its owner hears of the end.
  node = {};
  if (!settle || action.refused) return finish(std::move(ending));
  const auto waiting = std::make_shared<Ending>(std::move(ending));
  settle(waiting->end, [this, waiting, alive = alive_] {
    boost::asio::dispatch(io_, [this, waiting, alive] {
      if (*alive) finish(std::move(*waiting));
    });
  });
}

/// The end is known and, where somebody keeps a journal, in it: tells the world, then the owner.
void Supervisor::finish(Ending ending) {
  const JobEnd& end = ending.end;
  if (end.result) {
    publish<JobCompleted>(end.job_id, ending.operation, ending.ran, Bytes{end.result->size});
  } else if (!ending.refused) {
    const Error& error = end.result.error();
    if (error.code == Code::cancelled) {
      publish<JobCancelled>(end.job_id, ending.operation);
    } else if (end.dead) {
      publish<JobDead>(end.job_id, ending.operation, error);
    } else {
      publish<JobFailed>(end.job_id, ending.operation, error);
    }
  }
  ending.ended(std::move(ending.end));
}

void Supervisor::apply(Drained& action) {
  drained_ = action.killed;
  for (auto& waiter : std::exchange(drain_waiters_, {})) waiter(action.killed);
}

/// Never re-arms for later: a timer that fires too early costs a Tick, which is cheaper than moving it for every job.
void Supervisor::arm_timer() {
  const auto next = plan_.next_timer();
  if (!next || *next >= armed_) return;
  armed_ = *next;
  timer_.expires_at(std::chrono::time_point_cast<std::chrono::steady_clock::duration>(*next));
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (error || !*alive) return;
    armed_ = host::MonoTime::max();
    feed(Tick{});
  });
}

}  // namespace hotwell::pool

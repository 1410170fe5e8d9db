#include "engine/computations.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "cache/tiered_cache.hpp"
#include "engine/result_sinks.hpp"
#include "pool/job_id.hpp"

namespace hotwell::engine {
namespace {

/// How often a computation starts over because its input changed under it.
constexpr unsigned max_restarts = 3;

/// What a job's end says goes into its progress.
void conclude(Progress& progress, const JobEnd& end) {
  progress.attempts = end.attempts;
  progress.stderr_tail = end.stderr_tail;
  progress.drained = end.drained;
  if (!end.result) {
    progress.state = end.result.error().code == Code::cancelled ? JobState::cancelled
                     : end.dead                                 ? JobState::dead
                                                                : JobState::failed;
    return;
  }
  progress.state = JobState::completed;
  progress.fraction = 1;
  progress.queued = end.result->queued;
  progress.ran = end.result->ran;
}

}  // namespace

struct Computations::Work {
  std::string flight_key;
  Ask ask;
  std::shared_ptr<cache::Flight> flight;
  Progress progress;
  bool accepted = false;
  bool over = false;
  host::MonoTime submitted{};
  host::MonoTime started{};                      ///< the current attempt
  std::vector<std::weak_ptr<Place>> places;      ///< of those who sit in the flight
  std::vector<std::shared_ptr<Place>> watchers;  ///< of those who do not
  Object attempt;                                ///< the current attempt's, growing
  std::shared_ptr<Sealing> sealing = std::make_shared<Sealing>();
  unsigned restarts = 0;
  std::shared_ptr<Seat> successor;  ///< the seat in the computation that this one started over as

  template <class Tell>
  void tell(Tell tell_one) {
    for (const auto& weak : std::vector(places))
      if (const auto place = weak.lock()) tell_one(*place);
  }
};

// A seat in a flight. The flight's callbacks reach it weakly, by way of the engine's thread.
struct Computations::Place final : Seat, std::enable_shared_from_this<Place> {
  Asker asker;
  std::shared_ptr<Work> work;
  std::shared_ptr<cache::Flight> joined;
  std::uint64_t seat = 0;
  bool leader = false;
  bool done = false;

  ~Place() override {
    if (!done && joined) joined->leave(seat);
  }
  const std::string& flight() const override { return work->flight_key; }
  bool leads() const override { return leader; }

  void accepted() {
    if (!done && asker.accepted) asker.accepted(work->progress);
  }
  void attempt_begun() {
    if (!done && asker.attempt_begun) asker.attempt_begun(work->progress);
  }
  void attempt_failed(const Error& error) {
    if (!done && asker.attempt_failed) asker.attempt_failed(error, work->progress);
  }
  void changed() {
    if (!done && asker.changed) asker.changed(work->progress);
  }
  /// `growing` is a reader of the asker's own.
  void grows(const std::shared_ptr<Growing>& growing, host::MonoTime now) {
    if (done || !asker.growing || growing->watermark() == 0 || growing->state() == Growing::State::abandoned) return;
    if (work->attempt.generation != growing->generation()) return;
    work->progress.ran = now - work->started;  // so far
    auto object = work->attempt;
    object.body = growing;
    asker.growing(object, work->progress);
  }
  /// Others have read what this asker has come too late for.
  void missed() {
    if (done || !asker.growing) return;
    if (joined) joined->leave(seat);
    ended(fail(Code::too_large, "the result is more than is kept, and its beginning is gone already"));
  }
  void ended(const Result<Object>& result) {
    if (std::exchange(done, true)) return;
    const auto self = shared_from_this();  // the asker may let go of its seat
    if (asker.ended) asker.ended(result, work->progress);
  }
};

Computations::Computations(Cache& cache, WorkerPool& pool, const host::Clock& clock, Prepare prepare)
    : cache_(cache), pool_(pool), clock_(clock), prepare_(std::move(prepare)), engine_thread_(pool.executor()) {
  subscriptions_.push_back(pool.on<JobQueued>([this](const JobQueued& event) {
    told(event.job_id, [](Work& work) {
      work.accepted = true;
      work.tell([](Place& place) { place.accepted(); });
    });
  }));
  subscriptions_.push_back(pool.on<JobStarted>([this](const JobStarted& event) {
    told(event.job_id, [&](Work& work) {
      work.progress.state = JobState::running;
      work.progress.attempts = event.attempt;
      work.progress.fraction = 0;
      work.progress.worker = event.worker;
      work.progress.why = placements_.place(event.worker, work.ask.input.identity);
      work.started = clock_.now();
      if (!work.progress.started_at) {
        work.progress.started_at = clock_.wall();
        work.progress.queued = work.started - work.submitted;
      }
      work.tell([](Place& place) { place.attempt_begun(); });
    });
  }));
  subscriptions_.push_back(
      pool.on<WorkerExited>([this](const WorkerExited& event) { placements_.forget(event.worker); }));
  subscriptions_.push_back(pool.on<JobProgress>([this](const JobProgress& event) {
    told(event.job_id, [&](Work& work) { work.progress.fraction = std::clamp(event.progress, 0.0, 1.0); });
  }));
  subscriptions_.push_back(pool.on<JobRetrying>([this](const JobRetrying& event) {
    told(event.job_id, [&](Work& work) {
      work.progress.state = JobState::retrying;
      work.progress.stderr_tail = event.stderr_tail;
      work.tell([&](Place& place) { place.attempt_failed(event.error); });
    });
  }));
}

void Computations::stop() {
  stopped_ = true;
  subscriptions_.clear();
  disk_.join();
}

std::shared_ptr<Computations::Seat> Computations::ask(Ask ask, std::string job_id, Asker asker) {
  // A result of one's own flies under a name that nobody else can ask for.
  const std::string flight = ask.shared ? ask.key : ask.key + ":" + job_id;
  auto place = std::make_shared<Place>();
  place->asker = std::move(asker);
  const std::weak_ptr<Place> weak = place;
  auto joined = cache_.impl().flights().join(flight, {[this, weak](const std::shared_ptr<Growing>& growing) {
                                                        if (const auto seated = weak.lock()) follow(seated, growing);
                                                      },
                                                      [weak](const Result<Object>& result) {
                                                        if (const auto seated = weak.lock()) seated->ended(result);
                                                      }});
  place->joined = joined.flight;
  place->seat = joined.seat;
  place->leader = joined.leader;
  if (!joined.leader) {
    const auto& work = works_.at(flight);
    place->work = work;
    work->places.push_back(place);
    if (work->accepted) {
      pool_.raise(work->progress.job_id, ask.request.priority);
      boost::asio::post(engine_thread_, [weak] {
        const auto seated = weak.lock();
        if (!seated) return;
        seated->accepted();
        if (seated->work->progress.state == JobState::running) seated->attempt_begun();
      });
    }
    return place;
  }

  auto work = std::make_shared<Work>();
  work->flight_key = flight;
  work->ask = std::move(ask);
  work->flight = joined.flight;
  work->progress.job_id = std::move(job_id);
  if (work->ask.past) work->progress.attempts = work->ask.past->attempts;
  work->places.push_back(place);
  place->work = work;
  works_[flight] = work;
  // Leaving happens on the engine's thread, so this does too.
  work->flight->on_abandoned([this, dying = std::weak_ptr(work)] {
    if (const auto left = dying.lock()) abandoned(left);
  });
  if (work->ask.shared) {
    look_up(work);
  } else {
    boost::asio::post(engine_thread_, [this, work] { start(work); });
  }
  return place;
}

bool Computations::watch(const std::string& flight, Asker asker) {
  const auto found = works_.find(flight);
  if (found == works_.end()) return false;
  const auto& work = found->second;
  auto place = std::make_shared<Place>();
  place->asker = std::move(asker);
  place->work = work;
  work->watchers.push_back(place);
  if (const auto* growing = std::get_if<std::shared_ptr<Growing>>(&work->attempt.body)) follow(place, *growing);
  return true;
}

/// Tells the place on the engine's thread, once the first bytes of an attempt are final.
void Computations::follow(const std::shared_ptr<Place>& place, const std::shared_ptr<Growing>& growing) const {
  if (!place->asker.growing) return;
  // From now on nothing is let go that this asker has not read.
  const auto reader = growing->reader(0);
  if (!reader)
    return boost::asio::post(engine_thread_, [weak = std::weak_ptr(place)] {
      if (const auto told = weak.lock()) told->missed();
    });
  growing->on_change(0, [weak = std::weak_ptr(place), thread = engine_thread_, &clock = clock_, reader] {
    boost::asio::post(thread, [weak, &clock, reader] {
      if (const auto told = weak.lock()) told->grows(reader, clock.now());
    });
  });
}

void Computations::abandoned(const std::shared_ptr<Work>& work) {
  if (std::exchange(work->over, true)) return;
  works_.erase(work->flight_key);
  work->successor.reset();
  if (!stopped_ && jobs_.contains(work->progress.job_id)) pool_.cancel(work->progress.job_id);
  for (const auto& watcher : std::exchange(work->watchers, {}))
    watcher->ended(fail(Code::cancelled, "the job was cancelled"));
}

void Computations::look_up(const std::shared_ptr<Work>& work) {
  boost::asio::post(disk_, [this, work] {
    auto found = cache_.impl().lookup(work->ask.key, work->ask.operation->name);
    boost::asio::post(engine_thread_, [this, work, found = std::move(found)]() mutable {
      if (work->over) return;
      if (!found) base::log().warn("looking up {}: {}", work->ask.key, to_string(found.error()));  // a miss, then
      if (!found || !*found) {
        auto failure = cache_.impl().failures().find(work->ask.key, clock_.wall());
        if (!failure) return start(work);
        work->progress.state = JobState::failed;
        return finish(work, std::unexpected(std::move(*failure)));
      }
      work->progress.found = true;
      finish(work, std::move(**found));
    });
  });
}

void Computations::start(const std::shared_ptr<Work>& work) {
  if (work->over || stopped_) return;
  const Ask& ask = work->ask;
  Job job{.operation = ask.operation->name,
          .payload = ask.params.json,
          .inputs = {},
          .input_identity = ask.input.identity,
          .params = ask.params.texts};
  if (ask.input.file) job.inputs.push_back(ask.input.file);
  JobOptions options{.priority = ask.request.priority, .retries = ask.request.retries};
  options.timeout = ask.request.timeout ? ask.request.timeout : ask.operation->timeout;
  options.no_progress = ask.request.no_progress ? ask.request.no_progress : ask.operation->no_progress;
  options.deadline = ask.request.deadline;
  options.tenant = ask.request.tenant;
  options.sink = sinks(work);
  options.inline_result = ask.operation->inline_result;
  options.id = work->progress.job_id;
  options.past = ask.past;
  options.settle = [this, work](const JobEnd& end, std::function<void()> done) { settle(work, end, std::move(done)); };
  jobs_[options.id] = work;
  work->submitted = clock_.now();
  pool_.start(std::move(job), std::move(options), [this, work](JobEnd end) { ended(work, std::move(end)); });
}

SinkFactory Computations::sinks(const std::shared_ptr<Work>& work) {
  return [this, work](unsigned) -> Result<std::unique_ptr<Sink>> {
    SetOptions options{.type = work->ask.operation->name, .ttl = work->ask.operation->ttl};
    options.metadata = {{"operation", work->ask.operation->name}, {"input", work->ask.input.text}};
    if (work->ask.operation->inline_result)
      return inline_sink(cache_, work->ask.shared ? work->ask.key : std::string{}, std::move(options), work->ask.input,
                         work->sealing);
    auto writer = work->ask.shared ? cache_.impl().begin_result(work->ask.key, std::move(options))
                                   : cache_.impl().begin_private(std::move(options));
    if (!writer) return std::unexpected(writer.error());
    work->attempt = (*writer)->object();
    work->flight->publish((*writer)->growing());
    for (const auto& watcher : work->watchers) follow(watcher, (*writer)->growing());
    return file_sink(std::move(*writer), work->ask.input, work->sealing);
  };
}

void Computations::settle(const std::shared_ptr<Work>& work, const JobEnd& end, std::function<void()> done) {
  if (work->over || (!end.result && work->sealing->input_changed)) return done();
  conclude(work->progress, end);
  const auto result = [&]() -> Result<Object> {
    if (!end.result) return std::unexpected(end.result.error());
    HOTWELL_ASSERT(work->sealing->object);
    return *work->sealing->object;
  }();
  const auto one_done = [left = std::make_shared<std::size_t>(1), done = std::move(done)](std::size_t more) {
    *left += more;
    if (more == 0 && --*left == 0) done();
  };
  work->tell([&](Place& place) {
    if (place.done || !place.asker.settle) return;
    one_done(1);
    place.asker.settle(result, work->progress, [one_done] { one_done(0); });
  });
  one_done(0);
}

void Computations::ended(const std::shared_ptr<Work>& work, JobEnd end) {
  jobs_.erase(work->progress.job_id);
  if (work->over) return;
  if (!end.result && work->sealing->input_changed) return start_over(work);
  conclude(work->progress, end);
  if (!end.result) {
    const auto& operation = *work->ask.operation;
    if (work->ask.shared && work->progress.state == JobState::failed && operation.negative_ttl > Duration::zero())
      cache_.impl().failures().remember(
          work->ask.key, end.result.error(),
          clock_.wall() + std::chrono::duration_cast<WallTime::duration>(operation.negative_ttl));
    return finish(work, std::unexpected(end.result.error()));
  }
  HOTWELL_ASSERT(work->sealing->object);
  finish(work, std::move(*work->sealing->object));
}

void Computations::start_over(const std::shared_ptr<Work>& work) {
  const auto changed = fail(Code::input_changed, fmt::format("\"{}\" changed while it was read", work->ask.input.text));
  work->progress.state = JobState::failed;
  if (work->restarts == max_restarts || stopped_) return finish(work, changed);
  auto ask = prepare_(work->ask.request);
  if (!ask) return finish(work, std::unexpected(ask.error()));
  ask->durability = work->ask.durability;
  ask->past = JobPast{.attempts = work->progress.attempts};  // it had been accepted
  work->progress.state = JobState::retrying;
  Asker asker;
  asker.ended = [this, weak = std::weak_ptr(work)](const Result<Object>& result, const Progress& progress) {
    const auto waiting = weak.lock();
    if (!waiting || waiting->over) return;
    const std::string job_id = waiting->progress.job_id;
    waiting->progress = progress;
    waiting->progress.job_id = job_id;
    finish(waiting, result);
  };
  // Under a job of its own: the key is another, and others may ask for it already.
  work->successor = this->ask(std::move(*ask), pool::to_job_id(pool::next_job_number()), std::move(asker));
  static_cast<Place&>(*work->successor).work->restarts = work->restarts + 1;
}

void Computations::finish(const std::shared_ptr<Work>& work, Result<Object> result) {
  work->over = true;
  // First, since whom the flight's end tells may ask for the same again. The object was visible in the cache before.
  works_.erase(work->flight_key);
  work->flight->complete(result);
  for (const auto& watcher : std::exchange(work->watchers, {})) watcher->ended(result);
}

void Computations::told(const std::string& job_id, const std::function<void(Work&)>& change) {
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end()) return;
  const auto work = found->second;
  if (work->over) return;
  change(*work);
  work->tell([](Place& place) { place.changed(); });
}

}  // namespace hotwell::engine

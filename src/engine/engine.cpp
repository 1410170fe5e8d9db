// The wiring: the one place where pool, cache and monitor meet, and the order of start and stop.
#include <hotwell/engine.hpp>

#include <atomic>
#include <future>

#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "cache/tiered_cache.hpp"
#include "engine/computations.hpp"
#include "engine/jobs.hpp"
#include "engine/requests.hpp"
#include "engine/sources.hpp"
#include "engine/start.hpp"
#include "engine/upload.hpp"

namespace hotwell {

Input parse_input(std::string_view text) {
  constexpr std::string_view object_prefix = "cache:";
  if (text.empty()) return std::monostate{};
  if (text.starts_with(object_prefix)) return InputObject{std::string(text.substr(object_prefix.size()))};
  return InputPath{std::string(text)};
}

namespace {

// Blocks for the answer of a call that tells it later. Precondition: not on the engine's thread.
template <class T>
Result<T> answer_of(const std::function<void(std::function<void(Result<T>)>)>& ask) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto answer = promise->get_future();
  ask([promise](Result<T> result) { promise->set_value(std::move(result)); });
  return answer.get();
}

}  // namespace

class Engine::Impl {
 public:
  Impl(Config started_with, engine::Parts parts)
      : config(std::move(started_with)),
        data_dir(std::move(parts.data_dir)),
        cache(std::move(parts.cache)),
        monitor(config.monitor),
        pool(std::move(parts.pool)),
        requests(std::move(parts.operations), std::move(parts.inputs), *cache),
        log(std::move(parts.log)),
        computations(*cache, *pool, clock, [this](const JobRequest& request) { return requests.prepare(request); }),
        jobs(job_options(), requests, computations, *cache, *pool, log.get(), clock) {
    engine::add_sources(monitor, *cache, *pool);
    cache->register_knobs(knobs);
    pool->register_knobs(knobs);
    monitor.register_knobs(knobs);
    if (config.monitor.enabled) monitor.start();
  }

  /// Takes up what the journal has.
  Result<void> start() {
    std::promise<Result<void>> started;
    boost::asio::post(pool->executor(), [this, &started] { started.set_value(jobs.start()); });
    auto result = started.get_future().get();
    ready = result.has_value();
    return result;
  }

  /// Waits until the journal has what was said so far, or cannot be written.
  void flush() {
    if (!log) return;
    auto flushed = std::make_shared<std::promise<void>>();
    auto done = flushed->get_future();
    log->barrier([flushed](const Result<void>&) { flushed->set_value(); });
    (void)done.wait_for(std::chrono::seconds{10});
  }

  ~Impl() {
    ready = false;
    monitor.stop();
    // Ends every job, and with them everybody's wait; then nothing new begins, then the engine's thread is gone.
    (void)pool->drain(Duration::zero());
    flush();
    computations.stop();
    std::promise<void> stopped;
    boost::asio::post(pool->executor(), [this, &stopped] {
      jobs.stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
    log.reset();
    pool.reset();
  }

  engine::Jobs::Options job_options() const {
    // With a journal the table is for those who wait and hold; without, it is all that there is.
    return {.table = {.keep = config.journal.enabled ? 1'000U : 10'000U,
                      .hold = config.server.result_hold,
                      .max_held_memory = config.cache.memory_limit / 2,
                      .max_held_disk = config.cache.disk_limit / 2},
            .durability = config.journal.durability};
  }

  Config config;
  const host::Clock& clock = host::system_clock();
  Knobs knobs;
  engine::DataDir data_dir;
  std::unique_ptr<Cache> cache;
  Monitor monitor;
  std::unique_ptr<WorkerPool> pool;  // its thread is the engine's
  engine::Requests requests;
  std::unique_ptr<engine::JobLog> log;
  engine::Computations computations;
  engine::Jobs jobs;
  std::atomic<bool> ready = false;
};

Result<std::unique_ptr<Engine>> Engine::open(Config config) {
  auto parts = engine::start_parts(config, host::system_clock());
  if (!parts) return std::unexpected(parts.error());
  auto impl = std::make_unique<Impl>(std::move(config), std::move(*parts));
  if (auto started = impl->start(); !started) return std::unexpected(started.error());
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::Engine(Config config) {
  auto opened = open(std::move(config));
  if (!opened) throw Failure(opened.error());
  impl_ = std::move((*opened)->impl_);
}

Engine::~Engine() = default;

Result<JobRecord> Engine::run(JobRequest request) {
  std::promise<Result<JobRecord>> ended;
  submit(std::move(request), [&](Result<JobRecord> accepted) {
    if (!accepted) return ended.set_value(std::move(accepted));
    wait(accepted->id, Duration::max(), [&](Result<JobRecord> record) { ended.set_value(std::move(record)); });
  });
  return ended.get_future().get();
}

void Engine::submit(JobRequest request, std::function<void(Result<JobRecord>)> accepted) {
  impl_->jobs.submit(std::move(request), std::move(accepted));
}

void Engine::wait(std::string_view job_id, Duration limit, std::function<void(Result<JobRecord>)> done) {
  impl_->jobs.wait(job_id, limit, std::move(done));
}

Result<JobRecord> Engine::job(std::string_view job_id) {
  return answer_of<JobRecord>([&](auto done) { job(job_id, std::move(done)); });
}
void Engine::job(std::string_view job_id, std::function<void(Result<JobRecord>)> done) {
  impl_->jobs.find(job_id, std::move(done));
}

Result<JobPage> Engine::jobs(const JobFilter& filter) {
  return answer_of<JobPage>([&](auto done) { jobs(filter, std::move(done)); });
}
void Engine::jobs(JobFilter filter, std::function<void(Result<JobPage>)> done) {
  impl_->jobs.page(std::move(filter), std::move(done));
}

Result<JobExplanation> Engine::explain(std::string_view job_id) {
  return answer_of<JobExplanation>([&](auto done) { explain(job_id, std::move(done)); });
}
void Engine::explain(std::string_view job_id, std::function<void(Result<JobExplanation>)> done) {
  impl_->jobs.explain(job_id, std::move(done));
}

Result<JobRecord> Engine::cancel(std::string_view job_id) {
  return answer_of<JobRecord>([&](auto done) { cancel(job_id, std::move(done)); });
}
void Engine::cancel(std::string_view job_id, std::function<void(Result<JobRecord>)> done) {
  impl_->jobs.cancel(job_id, std::move(done));
}

void Engine::retry(std::string_view job_id, std::function<void(Result<JobRecord>)> accepted) {
  impl_->jobs.retry(job_id, std::move(accepted));
}

void Engine::result(std::string_view job_id, std::function<void(Result<Fetched>)> done) {
  impl_->jobs.result(job_id, std::move(done));
}

Result<Object> Engine::result(std::string_view job_id) {
  std::promise<Result<Object>> found;
  wait(job_id, Duration::max(), [&](Result<JobRecord> record) {
    if (!record) return found.set_value(std::unexpected(record.error()));
    result(record->id, [&](Result<Fetched> fetched) {
      if (!fetched) return found.set_value(std::unexpected(fetched.error()));
      found.set_value(std::move(fetched->object));
    });
  });
  return found.get_future().get();
}

std::shared_ptr<Waiting> Engine::fetch(JobRequest request, std::function<void(Result<Fetched>)> done) {
  return impl_->requests.fetch(std::move(request), std::move(done), impl_->computations, impl_->pool->executor());
}

Result<std::unique_ptr<Engine::Upload>> Engine::begin_upload() {
  auto writer = impl_->cache->impl().begin_private({.type = "upload"});
  if (!writer) return std::unexpected(writer.error());
  return engine::receive_upload(std::move(*writer));
}

std::vector<std::string> Engine::operations() const {
  std::vector<std::string> names;
  for (const auto& [name, operation] : impl_->requests.operations()) names.push_back(name);
  return names;
}

Cache& Engine::cache() { return *impl_->cache; }
WorkerPool& Engine::pool() { return *impl_->pool; }
Monitor& Engine::monitor() { return impl_->monitor; }
Knobs& Engine::knobs() { return impl_->knobs; }
const Config& Engine::config() const { return impl_->config; }
bool Engine::ready() const { return impl_->ready && impl_->cache->impl().whole(); }

void Engine::announce(std::string_view address) {
  if (auto announced = impl_->data_dir.announce(address); !announced)
    base::log().warn("clients will not find this daemon by its data directory: {}", to_string(announced.error()));
}

Result<void> Engine::drain(Duration limit) {
  impl_->ready = false;
  auto drained = impl_->pool->drain(limit);
  impl_->flush();
  return drained;
}

}  // namespace hotwell

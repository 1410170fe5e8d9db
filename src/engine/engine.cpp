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

class Engine::Impl {
 public:
  Impl(Config started_with, engine::Parts parts)
      : config(std::move(started_with)),
        data_dir(std::move(parts.data_dir)),
        cache(std::move(parts.cache)),
        monitor(config.monitor),
        pool(std::move(parts.pool)),
        requests(std::move(parts.operations), std::move(parts.inputs), *cache),
        computations(*cache, *pool, clock, [this](const JobRequest& request) { return requests.prepare(request); }),
        jobs(hold_options(), requests, computations, *cache, pool->executor(), clock) {
    engine::add_sources(monitor, *cache, *pool);
    cache->register_knobs(knobs);
    pool->register_knobs(knobs);
    if (config.monitor.enabled) monitor.start();
    boost::asio::post(pool->executor(), [this] { jobs.start(); });
  }

  ~Impl() {
    ready = false;
    monitor.stop();
    // Ends every job, and with them everybody's wait; then nothing new begins, then the engine's thread is gone.
    (void)pool->drain(Duration::zero());
    computations.stop();
    std::promise<void> stopped;
    boost::asio::post(pool->executor(), [this, &stopped] {
      jobs.stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
    pool.reset();
  }

  engine::JobTable::Options hold_options() const {
    return {.hold = config.server.result_hold,
            .max_held_memory = config.cache.memory_limit / 2,
            .max_held_disk = config.cache.disk_limit / 2};
  }

  Config config;
  const host::Clock& clock = host::system_clock();
  Knobs knobs;
  engine::DataDir data_dir;
  std::unique_ptr<Cache> cache;
  Monitor monitor;
  std::unique_ptr<WorkerPool> pool;  // its thread is the engine's
  engine::Requests requests;
  engine::Computations computations;
  engine::Jobs jobs;
  std::atomic<bool> ready = true;
};

Result<std::unique_ptr<Engine>> Engine::open(Config config) {
  auto parts = engine::start_parts(config, host::system_clock());
  if (!parts) return std::unexpected(parts.error());
  return std::unique_ptr<Engine>(new Engine(std::make_unique<Impl>(std::move(config), std::move(*parts))));
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

Result<JobRecord> Engine::job(std::string_view job_id) const { return impl_->jobs.find(job_id); }
Result<JobPage> Engine::jobs(const JobFilter& filter) const { return impl_->jobs.page(filter); }
Result<JobRecord> Engine::cancel(std::string_view job_id) { return impl_->jobs.cancel(job_id); }

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
bool Engine::ready() const { return impl_->ready; }

void Engine::announce(std::string_view address) {
  if (auto announced = impl_->data_dir.announce(address); !announced)
    base::log().warn("clients will not find this daemon by its data directory: {}", to_string(announced.error()));
}

Result<void> Engine::drain(Duration limit) {
  impl_->ready = false;
  return impl_->pool->drain(limit);
}

}  // namespace hotwell

#include "engine/start.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cache/tiered_cache.hpp"
#include "host/programs.hpp"
#include "monitor/channel.hpp"

namespace hotwell::engine {
namespace {

WorkerSpec media_worker(const Config& config, std::string executable) {
  WorkerSpec spec{.kind = WorkerKind::frames, .argv = {std::move(executable)}, .name = "media"};
  for (const auto& operation : media_operations()) spec.operations.push_back(operation.name);
  spec.min_workers = config.pool.min_workers;
  spec.sandbox = config.media_sandbox;
  spec.memory_limit = config.media_memory_limit;
  spec.from_template = true;  // libav takes tens of milliseconds to load
  return spec;
}

WorkerSpec configured_worker(const OperationConfig& operation) {
  WorkerSpec spec{.kind = operation.kind, .argv = operation.argv, .name = operation.name};
  spec.operations = {operation.name};
  spec.env = operation.env;
  spec.min_workers = operation.min_workers;
  spec.max_workers = operation.max_workers;
  spec.stdin_is_input = operation.stdin_is_input;
  spec.permanent_exit_codes = operation.permanent_exit_codes;
  spec.content_type = operation.content_type;
  spec.max_crashes = operation.max_crashes;
  spec.sandbox = operation.sandbox;
  spec.memory_limit = operation.memory_limit;
  spec.from_template = operation.from_template;
  return spec;
}

Result<Operations> offered_operations(const Config& config) {
  Operations operations;
  if (config.media)
    for (auto& operation : media_operations()) operations.emplace(operation.name, operation);
  for (const auto& table : config.operations) {
    auto operation = configured_operation(table);
    if (!operation) return std::unexpected(operation.error());
    if (!operations.emplace(table.name, std::move(*operation)).second)
      return fail(Code::invalid_argument, fmt::format("there are two operations named \"{}\"", table.name));
  }
  return operations;
}

// The media worker is the first type where it is offered: min_workers of the pool is its minimum.
Result<PoolOptions> pool_options(const Config& config) {
  PoolOptions options = config.pool;
  options.worker = {};
  options.more_workers.clear();
  if (config.media) {
    auto executable = host::find_program("hotwell-media-worker", config.media_worker, "HOTWELL_MEDIA_WORKER");
    if (!executable) return std::unexpected(executable.error());
    options.worker = media_worker(config, std::move(*executable));
  }
  for (const auto& operation : config.operations) options.more_workers.push_back(configured_worker(operation));
  return options;
}

}  // namespace

Result<Parts> start_parts(Config& config, const host::Clock& clock) {
  if (auto valid = validate(config); !valid) return std::unexpected(valid.error());
  // What cannot be told here would be thrown by the monitor's constructor.
  for (const auto& channel : config.monitor.channels)
    if (const auto made = monitor::make_channel(channel, clock); !made) return std::unexpected(made.error());
  if (config.data_dir.empty()) config.data_dir = default_data_dir();
  if (config.cache.directory.empty()) config.cache.directory = config.data_dir / "cache";
  if (config.monitor.directory.empty()) config.monitor.directory = config.data_dir / "monitor";

  auto operations = offered_operations(config);
  if (!operations) return std::unexpected(operations.error());
  auto inputs = InputOpener::open(config.media_roots, clock);
  if (!inputs) return std::unexpected(inputs.error());
  auto options = pool_options(config);
  if (!options) return std::unexpected(options.error());
  auto data_dir = DataDir::open(config.data_dir);
  if (!data_dir) return std::unexpected(data_dir.error());
  auto pool = WorkerPool::open(std::move(*options));
  if (!pool) return std::unexpected(pool.error());
  auto cache = Cache::open(config.cache);
  if (!cache) return std::unexpected(cache.error());
  std::unique_ptr<JobLog> log;
  if (config.journal.enabled) {
    auto opened = JobLog::open(config.data_dir / "journal", {config.journal.keep, config.journal.keep_for},
                               (*pool)->executor(), [&results = (*cache)->impl()] { return results.sync(); });
    if (!opened) return std::unexpected(opened.error());
    log = std::move(*opened);
  }
  return Parts{std::move(*data_dir), std::move(*inputs), std::move(*operations),
               std::move(*pool),     std::move(*cache),  std::move(log)};
}

}  // namespace hotwell::engine

/// Jobs on an engine of this process.
#include <chrono>
#include <future>

#include <fmt/format.h>

#include "apps/hotwell/interrupt.hpp"
#include "apps/hotwell/run.hpp"

namespace hotwell::cli {
namespace {

// Blocks for one answer of the engine. Precondition: not on the engine's thread.
template <class T>
Result<T> answer_of(const std::function<void(std::function<void(Result<T>)>)>& ask) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  ask([promise](Result<T> result) { promise->set_value(std::move(result)); });
  return future.get();
}

JobRequest request_of(const RunJob& job) {
  JobRequest request{.operation = job.operation,
                     .params = job.params,
                     .priority = job.priority,
                     .retries = job.retries,
                     .timeout = job.timeout,
                     .no_progress = job.no_progress,
                     .tenant = job.tenant};
  if (job.file)
    request.input = InputHandle{job.file, job.input};
  else
    request.input = parse_input(job.input);
  return request;
}

}  // namespace

Outcome<Output> run_here(Engine& engine, const RunJob& job, const OpenOutput& open, Progress& progress) {
  auto record = answer_of<JobRecord>([&](auto done) { engine.submit(request_of(job), std::move(done)); });
  bool cancelled = false;
  while (record && !is_final(record->state)) {
    if (interrupted() && !cancelled) {
      cancelled = true;
      if (auto told = engine.cancel(record->id); !told) return end(told.error());
    }
    progress.show(record->progress, to_string(record->state));
    const std::string id = record->id;
    record = answer_of<JobRecord>([&](auto done) { engine.wait(id, std::chrono::milliseconds(100), std::move(done)); });
  }
  if (!record) return end(record.error());
  if (record->state != JobState::completed) {
    const Error error = record->error.value_or(Error{Code::cancelled, "the job was cancelled", nullptr});
    return job_ending(job, error.code, error.message, record->stderr_tail);
  }
  const auto object = engine.result(record->id);
  if (!object) return end(object.error());
  auto output = open(object->content_type);
  if (!output) return output;
  if (auto wrote = output->write(object->body); !wrote) return std::unexpected(wrote.error());
  return output;
}

}  // namespace hotwell::cli

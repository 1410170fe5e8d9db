/// /v1/jobs: submit, look, wait, cancel, try again, and the results.
#include <hotwell/engine.hpp>

#include <fmt/format.h>

#include "server/delivery.hpp"
#include "server/job_json.hpp"
#include "server/json_reader.hpp"
#include "server/routes.hpp"

namespace hotwell::server {
namespace {

constexpr std::uint64_t max_job_text = 1 << 20;

Answer job_answer(unsigned status, const JobRecord& job) {
  auto answer = Answer::json(status, to_json(job));
  if (status == 202) answer.field("Location", "/v1/jobs/" + job.id);
  return answer;
}

void answer_job(Exchange& exchange, const Result<JobRecord>& job) {
  if (!job) return exchange.fail(job.error());
  exchange.answer(job_answer(200, *job));
}

// Answers once the job ended, with 200, or as it stands when the time is over, with `unfinished`.
void answer_after(Exchange& exchange, std::string_view id, Duration limit, unsigned unfinished) {
  exchange.engine().wait(id, limit,
                         exchange.bring_home<Result<JobRecord>>([&exchange, unfinished](Result<JobRecord> job) {
                           if (!job) return exchange.fail(job.error());
                           auto answer = job_answer(is_final(job->state) ? 200 : unfinished, *job);
                           if (job->error && is_final(job->state)) answer.job_end = job->error->code;
                           exchange.answer(std::move(answer));
                         }));
}

void submit(Exchange& exchange, JobRequest request, std::optional<Duration> wait) {
  exchange.engine().submit(std::move(request),
                           exchange.bring_home<Result<JobRecord>>([&exchange, wait](Result<JobRecord> job) {
                             if (!job) return exchange.fail(job.error());
                             if (!wait) return exchange.answer(job_answer(202, *job));
                             if (is_final(job->state)) return exchange.answer(job_answer(200, *job));
                             answer_after(exchange, job->id, *wait, 202);
                           }));
}

// A media body, streamed into a file of the engine's.
class UploadReceiver final : public Receiver {
 public:
  UploadReceiver(std::unique_ptr<Engine::Upload> upload, JobRequest request, std::optional<Duration> wait)
      : upload_(std::move(upload)), request_(std::move(request)), wait_(wait) {}

  Result<void> write(ByteView bytes) override { return upload_->write(bytes); }
  void finish(Exchange& exchange) override {
    auto input = upload_->finish("upload");
    if (!input) return exchange.fail(input.error());
    request_.input = std::move(*input);
    submit(exchange, std::move(request_), wait_);
  }

 private:
  std::unique_ptr<Engine::Upload> upload_;
  JobRequest request_;
  std::optional<Duration> wait_;
};

void post_job(Exchange& exchange) {
  const auto wait = parse_wait(exchange.target);
  if (!wait) return exchange.fail(wait.error());
  const auto* operation = exchange.target.find("operation");
  if (operation == nullptr) {
    return exchange.read_text(max_job_text, [&exchange, wait = *wait](std::string text) {
      auto request = parse_job(text);
      if (!request) return exchange.fail(request.error());
      submit(exchange, std::move(*request), wait);
    });
  }
  auto request = job_of_query(*operation, std::monostate{}, exchange.target);
  if (!request) return exchange.fail(request.error());
  if (!exchange.has_body()) return submit(exchange, std::move(*request), *wait);
  auto upload = exchange.engine().begin_upload();
  if (!upload) return exchange.fail(upload.error());
  exchange.receive(exchange.engine().config().server.max_body.count,
                   std::make_unique<UploadReceiver>(std::move(*upload), std::move(*request), *wait));
}

void get_job(Exchange& exchange) {
  const auto wait = parse_wait(exchange.target);
  if (!wait) return exchange.fail(wait.error());
  if (*wait) return answer_after(exchange, exchange.captures[0], **wait, 200);
  exchange.engine().job(exchange.captures[0], exchange.bring_home<Result<JobRecord>>(
                                                  [&exchange](Result<JobRecord> job) { answer_job(exchange, job); }));
}

Result<JobFilter> filter_of(const Target& target) {
  constexpr double max_limit = 1000;
  JobFilter filter;
  for (const auto& [name, value] : target.query) {
    if (name == "state") {
      filter.state = parse_job_state(value);
      if (!filter.state)
        return fail(Code::invalid_argument,
                    fmt::format("\"state\" must be queued, running, retrying, completed, failed, "
                                "cancelled or dead, got \"{}\"",
                                value));
    } else if (name == "operation") {
      filter.operation = value;
    } else if (name == "cursor") {
      filter.cursor = value;
    } else if (name == "limit") {
      const auto limit = parse_number(name, value);
      if (!limit) return std::unexpected(limit.error());
      if (!(*limit >= 1 && *limit <= max_limit))
        return fail(Code::invalid_argument,
                    fmt::format("\"limit\" must lie between 1 and {}, got {}", max_limit, value));
      filter.limit = static_cast<std::size_t>(*limit);
    } else {
      return std::unexpected(unknown_member(name, "state, operation, limit or cursor"));
    }
  }
  return filter;
}

void list_jobs(Exchange& exchange) {
  const auto filter = filter_of(exchange.target);
  if (!filter) return exchange.fail(filter.error());
  exchange.engine().jobs(*filter, exchange.bring_home<Result<JobPage>>([&exchange](Result<JobPage> page) {
    if (!page) return exchange.fail(page.error());
    exchange.answer(Answer::json(200, to_json(*page)));
  }));
}

void cancel_job(Exchange& exchange) {
  exchange.engine().cancel(
      exchange.captures[0],
      exchange.bring_home<Result<JobRecord>>([&exchange](Result<JobRecord> job) { answer_job(exchange, job); }));
}

void retry_job(Exchange& exchange) {
  exchange.engine().retry(exchange.captures[0],
                          exchange.bring_home<Result<JobRecord>>([&exchange](Result<JobRecord> job) {
                            if (!job) return exchange.fail(job.error());
                            exchange.answer(job_answer(202, *job));
                          }));
}

void get_result(Exchange& exchange) {
  exchange.engine().result(exchange.captures[0],
                           exchange.bring_home<Result<Fetched>>(
                               [&exchange](Result<Fetched> fetched) { deliver(exchange, std::move(fetched)); }));
}

}  // namespace

void add_job_routes(std::vector<Route>& routes) {
  const auto add = [&](http::verb method, std::string pattern, void (*handler)(Exchange&)) {
    routes.push_back({method, std::move(pattern), Gate::member, Route::Counted::yes, handler});
  };
  add(http::verb::get, "/v1/jobs", list_jobs);
  add(http::verb::post, "/v1/jobs", post_job);
  add(http::verb::get, "/v1/jobs/{id}", get_job);
  add(http::verb::delete_, "/v1/jobs/{id}", cancel_job);
  add(http::verb::get, "/v1/jobs/{id}/result", get_result);
  add(http::verb::post, "/v1/jobs/{id}/retry", retry_job);
}

}  // namespace hotwell::server

/// Jobs on a daemon: the input is uploaded, the job is followed until it ends, the result is fetched.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "apps/hotwell/interrupt.hpp"
#include "apps/hotwell/run.hpp"

namespace hotwell::cli {
namespace {

namespace json = boost::json;

std::string text_of(const ParamValue& value) {
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  return std::get<std::string>(value);
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// A job whose input is the request's body: everything else stands in the address.
Outcome<HttpRequest> upload_of(const RunJob& job) {
  constexpr std::array<std::string_view, 9> taken{"operation",   "wait",     "priority", "retries",        "timeout",
                                                  "no_progress", "deadline", "tenant",   "idempotency_key"};
  std::string target = "/v1/jobs?operation=" + encode_segment(job.operation);
  target += fmt::format("&priority={}", to_string(job.priority));
  if (job.retries) target += fmt::format("&retries={}", *job.retries);
  if (job.timeout) target += fmt::format("&timeout={}", seconds(*job.timeout));
  if (job.no_progress) target += fmt::format("&no_progress={}", seconds(*job.no_progress));
  if (!job.tenant.empty()) target += "&tenant=" + encode_segment(job.tenant);
  for (const auto& [name, value] : job.params) {
    if (std::ranges::find(taken, name) != taken.end())
      return end(status::usage, fmt::format("--param {}: a daemon takes that name for the job's own", name));
    target += fmt::format("&{}={}", encode_segment(name), encode_segment(text_of(value)));
  }
  return HttpRequest{.method = "POST",
                     .target = target,
                     .fields = {{"Content-Type", "application/octet-stream"}},
                     .file = job.file->get(),
                     .file_size = job.file_size};
}

HttpRequest http_request_of(const RunJob& job) {
  json::object body{{"operation", job.operation}, {"priority", to_string(job.priority)}};
  if (!job.input.empty()) body["input"] = job.input;
  if (job.retries) body["retries"] = *job.retries;
  if (job.timeout) body["timeout"] = seconds(*job.timeout);
  if (job.no_progress) body["no_progress"] = seconds(*job.no_progress);
  if (!job.tenant.empty()) body["tenant"] = job.tenant;
  json::object params;
  for (const auto& [name, value] : job.params)
    std::visit([&](const auto& each) { params[name] = json::value_from(each); }, value);
  if (!params.empty()) body["params"] = std::move(params);
  return HttpRequest{.method = "POST",
                     .target = "/v1/jobs",
                     .fields = {{"Content-Type", "application/json"}},
                     .text = json::serialize(body)};
}

// What is needed of GET /v1/jobs/{id}.
struct Seen {
  std::string id;
  JobState state = JobState::queued;
  double progress = 0;
  std::string content_type;
  Code code = Code::cancelled;
  std::string message = "the job was cancelled";
  std::string stderr_tail;
};

std::string member(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

Outcome<Seen> read_job(const std::string& text) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  const auto* job = error ? nullptr : value.if_object();
  const auto state = job ? parse_job_state(member(*job, "state")) : std::nullopt;
  if (!state) return end(status::failed, "the server's answer is not a job: is it a Hotwell daemon?");
  Seen seen{.id = member(*job, "id"), .state = *state};
  if (const auto* progress = job->if_contains("progress"); progress && progress->is_number())
    seen.progress = progress->to_number<double>();
  if (const auto* result = job->if_contains("result"); result && result->is_object())
    seen.content_type = member(result->as_object(), "content_type");
  if (const auto* failure = job->if_contains("error"); failure && failure->is_object()) {
    seen.code = parse_code(member(failure->as_object(), "code")).value_or(Code::internal);
    seen.message = member(failure->as_object(), "message");
    seen.stderr_tail = member(failure->as_object(), "stderr");
  }
  return seen;
}

}  // namespace

Outcome<Output> run_there(Client& daemon, const RunJob& job, const OpenOutput& open, Progress& progress) {
  const auto request = job.file ? upload_of(job) : Outcome<HttpRequest>(http_request_of(job));
  if (!request) return std::unexpected(request.error());
  progress.show(0, "sending");
  auto answer = daemon.send(*request);
  if (!answer) return std::unexpected(answer.error());
  auto seen = read_job(answer->text);
  while (seen && !is_final(seen->state)) {
    progress.show(seen->progress, to_string(seen->state));
    const std::string target = "/v1/jobs/" + encode_segment(seen->id);
    answer = daemon.send({.target = target + "?wait=0.2"});
    if (interrupted()) {
      (void)daemon.send({.method = "DELETE",
                         .target = target,
                         .patience = std::chrono::seconds{5},
                         .on_interrupt = HttpRequest::OnInterrupt::go_on});
      return job_ending(job, Code::cancelled, "the job was cancelled", "");
    }
    if (!answer) return std::unexpected(answer.error());
    seen = read_job(answer->text);
  }
  if (!seen) return std::unexpected(seen.error());
  if (seen->state != JobState::completed) return job_ending(job, seen->code, seen->message, seen->stderr_tail);

  auto output = open(seen->content_type);
  if (!output) return output;
  auto fetched = daemon.send({.target = fmt::format("/v1/jobs/{}/result", encode_segment(seen->id))},
                             [&](std::string_view bytes) { return output->write(bytes); });
  if (!fetched) return std::unexpected(fetched.error());
  return output;
}

}  // namespace hotwell::cli

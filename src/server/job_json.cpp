#include "server/job_json.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "server/json_reader.hpp"

namespace hotwell::server {
namespace {

namespace json = boost::json;

constexpr double max_retries = 1000;

void write_time(JsonWriter& writer, std::string_view name, const std::optional<WallTime>& time) {
  writer.key(name);
  if (time) {
    writer.value(std::string_view(to_rfc3339(*time)));
  } else {
    writer.null();
  }
}

void write_params(JsonWriter& writer, const Params& params) {
  writer.key("params").begin_object();
  for (const auto& [name, value] : params) {
    writer.key(name);
    std::visit([&](const auto& v) { writer.value(v); }, value);
  }
  writer.end_object();
}

// The members that a job may name in a body and in an address alike.
Result<void> set_priority(JobRequest& job, std::string_view text) {
  const auto priority = parse_priority(text);
  if (!priority) return std::unexpected(priority.error());
  job.priority = *priority;
  return {};
}

Result<void> set_retries(JobRequest& job, double number) {
  if (!(number >= 0 && number <= max_retries) || number != std::trunc(number))
    return fail(Code::invalid_argument,
                fmt::format("\"retries\" must be a whole number between 0 and {}, got {}", max_retries, number));
  job.retries = static_cast<unsigned>(number);
  return {};
}

Result<void> set_duration(std::optional<Duration>& to, std::string_view name, double seconds) {
  const auto duration = seconds_of(name, seconds);
  if (!duration) return std::unexpected(duration.error());
  if (*duration == Duration::zero())
    return fail(Code::invalid_argument, fmt::format("\"{}\" must be more than 0 seconds", name));
  to = *duration;
  return {};
}

Result<void> set_deadline(JobRequest& job, std::string_view text) {
  const auto deadline = parse_rfc3339(text);
  if (!deadline) return fail(Code::invalid_argument, fmt::format("\"deadline\": {}", deadline.error().message));
  job.deadline = *deadline;
  return {};
}

Result<Params> read_params(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) return fail(Code::invalid_argument, "\"params\" must be an object");
  Params params;
  for (const auto& [key, v] : *object) {
    std::string name(key.data(), key.size());
    if (const auto* text = v.if_string()) {
      params.emplace(std::move(name), std::string(text->data(), text->size()));
    } else if (const auto* truth = v.if_bool()) {
      params.emplace(std::move(name), *truth);
    } else if (v.is_number()) {
      params.emplace(std::move(name), v.to_number<double>());
    } else {
      return fail(Code::invalid_argument, fmt::format("\"params.{}\" must be a string, a number or a boolean", name));
    }
  }
  return params;
}

// Calls `set` with a member's text or number, or answers why it is none.
Result<void> with_string(std::string_view name, const json::value& value, auto set) {
  const auto text = read_string(name, value);
  if (!text) return std::unexpected(text.error());
  return set(*text);
}
Result<void> with_number(std::string_view name, const json::value& value, auto set) {
  const auto number = read_number(name, value);
  if (!number) return std::unexpected(number.error());
  return set(*number);
}

Result<void> set_member(JobRequest& job, std::string_view name, const json::value& value) {
  const auto assign_to = [](auto& to) {
    return [&to](std::string_view text) -> Result<void> {
      to = text;
      return {};
    };
  };
  if (name == "operation") return with_string(name, value, assign_to(job.operation));
  if (name == "input")
    return with_string(name, value, [&](std::string_view text) -> Result<void> {
      job.input = parse_input(text);
      return {};
    });
  if (name == "params") {
    auto params = read_params(value);
    if (!params) return std::unexpected(params.error());
    job.params = std::move(*params);
    return {};
  }
  if (name == "priority")
    return with_string(name, value, [&](std::string_view text) { return set_priority(job, text); });
  if (name == "retries") return with_number(name, value, [&](double number) { return set_retries(job, number); });
  if (name == "timeout" || name == "no_progress")
    return with_number(name, value, [&](double number) {
      return set_duration(name == "timeout" ? job.timeout : job.no_progress, name, number);
    });
  if (name == "deadline")
    return with_string(name, value, [&](std::string_view text) { return set_deadline(job, text); });
  if (name == "tenant") return with_string(name, value, assign_to(job.tenant));
  if (name == "idempotency_key") return with_string(name, value, assign_to(job.idempotency_key));
  return std::unexpected(unknown_member(
      name, "operation, input, params, priority, retries, timeout, no_progress, deadline, tenant or idempotency_key"));
}

Result<void> set_query_item(JobRequest& job, const QueryItem& item) {
  if (item.name == "priority") return set_priority(job, item.value);
  if (item.name == "deadline") return set_deadline(job, item.value);
  if (item.name == "idempotency_key" || item.name == "tenant") {
    (item.name == "tenant" ? job.tenant : job.idempotency_key) = item.value;
    return {};
  }
  if (item.name == "retries" || item.name == "timeout" || item.name == "no_progress") {
    const auto number = parse_number(item.name, item.value);
    if (!number) return std::unexpected(number.error());
    if (item.name == "retries") return set_retries(job, *number);
    return set_duration(item.name == "timeout" ? job.timeout : job.no_progress, item.name, *number);
  }
  if (!job.params.emplace(item.name, item.value).second)
    return fail(Code::invalid_argument, fmt::format("the parameter \"{}\" is named twice", item.name));
  return {};
}

}  // namespace

void write_job(JsonWriter& writer, const JobRecord& job) {
  writer.begin_object();
  writer.member("id", std::string_view(job.id)).member("operation", std::string_view(job.operation));
  writer.member("input", std::string_view(job.input));
  write_params(writer, job.params);
  writer.member("priority", to_string(job.priority));
  if (!job.tenant.empty()) writer.member("tenant", std::string_view(job.tenant));
  writer.member("state", to_string(job.state));
  writer.member("progress", job.progress).member("attempts", job.attempts);
  write_time(writer, "created_at", job.created_at);
  write_time(writer, "started_at", job.started_at);
  write_time(writer, "finished_at", job.finished_at);
  if (job.error) {
    writer.key("error").begin_object();
    writer.member("code", to_string(job.error->code)).member("message", std::string_view(job.error->message));
    if (!job.stderr_tail.empty()) writer.member("stderr", std::string_view(job.stderr_tail));
    writer.end_object();
  }
  if (job.result) {
    writer.key("result").begin_object();
    writer.member("key", std::string_view(job.result->key)).member("size", job.result->size);
    writer.member("content_type", std::string_view(job.result->content_type)).key("cached");
    if (job.result->cached) {
      writer.value(to_string(*job.result->cached));
    } else {
      writer.null();
    }
    writer.end_object();
  }
  writer.end_object();
}

std::string to_json(const JobRecord& job) {
  JsonWriter writer;
  write_job(writer, job);
  return writer.take();
}

std::string to_json(const JobPage& page) {
  JsonWriter writer;
  writer.begin_object().key("jobs").begin_array();
  for (const auto& job : page.jobs) write_job(writer, job);
  writer.end_array().key("next");
  if (page.next.empty()) {
    writer.null();
  } else {
    writer.value(std::string_view(page.next));
  }
  writer.end_object();
  return writer.take();
}

std::string to_json(const JobExplanation& explanation) {
  JsonWriter writer;
  writer.begin_object().key("job");
  write_job(writer, explanation.job);
  writer.member("durability", to_string(explanation.durability)).key("queued_behind");
  if (const auto& behind = explanation.behind) {
    writer.begin_object();
    writer.member("high", behind->by_priority[0]).member("normal", behind->by_priority[1]);
    writer.member("low", behind->by_priority[2]).member("busy_workers", behind->busy);
    writer.member("max_workers", behind->max_workers).end_object();
  } else {
    writer.null();
  }
  writer.key("attempts").begin_array();
  for (const auto& attempt : explanation.attempts) {
    writer.begin_object().member("worker", std::string_view(attempt.worker));
    writer.member("why", std::string_view(attempt.why));
    write_time(writer, "started_at", attempt.started);
    write_time(writer, "ended_at", attempt.ended);
    writer.member("charged", attempt.charged).key("error");
    if (attempt.error) {
      writer.begin_object().member("code", to_string(attempt.error->code));
      writer.member("message", std::string_view(attempt.error->message));
      if (!attempt.stderr_tail.empty()) writer.member("stderr", std::string_view(attempt.stderr_tail));
      writer.end_object();
    } else {
      writer.null();
    }
    writer.end_object();
  }
  writer.end_array().key("story").begin_array();
  for (const auto& sentence : explanation.story) writer.value(std::string_view(sentence));
  writer.end_array().end_object();
  return writer.take();
}

Result<JobRequest> parse_job(std::string_view text) {
  const auto object = parse_json_object(text);
  if (!object) return std::unexpected(object.error());
  JobRequest job;
  for (const auto& [name, value] : *object)
    if (auto set = set_member(job, std::string_view(name.data(), name.size()), value); !set)
      return std::unexpected(set.error());
  if (job.operation.empty())
    return fail(Code::invalid_argument, "\"operation\" is missing: which operation is to run?");
  return job;
}

Result<JobRequest> job_of_query(std::string_view operation, Input input, const Target& target) {
  JobRequest job;
  job.operation = operation;
  job.input = std::move(input);
  for (const auto& item : target.query) {
    if (item.name == "operation" || item.name == "wait") continue;
    if (auto set = set_query_item(job, item); !set) return std::unexpected(set.error());
  }
  return job;
}

Result<std::optional<Duration>> parse_wait(const Target& target) {
  const auto* text = target.find("wait");
  if (text == nullptr) return std::nullopt;
  const auto number = parse_number("wait", *text);
  if (!number) return std::unexpected(number.error());
  const auto wait = seconds_of("wait", *number);
  if (!wait) return std::unexpected(wait.error());
  return *wait;
}

}  // namespace hotwell::server

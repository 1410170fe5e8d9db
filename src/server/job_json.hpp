/// Jobs as JSON: what POST /v1/jobs takes and what GET /v1/jobs shows. Pure.
#pragma once

#include <string>
#include <string_view>

#include <hotwell/engine.hpp>

#include "server/json_writer.hpp"
#include "server/target.hpp"

namespace hotwell::server {

void write_job(JsonWriter& json, const JobRecord& job);
[[nodiscard]] std::string to_json(const JobRecord& job);
[[nodiscard]] std::string to_json(const JobPage& page);
[[nodiscard]] std::string to_json(const JobExplanation& explanation);

/// A body of POST /v1/jobs. Errors: invalid_argument: malformed (with line, column and what is wrong there), an
/// unknown member, a member of the wrong type.
[[nodiscard]] Result<JobRequest> parse_job(std::string_view json);
/// A job whose members stand in an address: "priority", "retries", "timeout", "no_progress", "deadline", "tenant",
/// "idempotency_key" and "wait" are the job's, everything else is a parameter of the operation. Errors:
/// invalid_argument.
[[nodiscard]] Result<JobRequest> job_of_query(std::string_view operation, Input input, const Target& target);
/// The query's "wait" in seconds; nothing where it is absent. Errors: invalid_argument.
[[nodiscard]] Result<std::optional<Duration>> parse_wait(const Target& target);

}  // namespace hotwell::server

/// What the engine writes into the journal of a job, as text that a later version of it reads
/// (docs/formats/journal.md).
///
/// Invariant: a request that was read back asks for the same as the one that was written. Pure.
#pragma once

#include <string>
#include <string_view>

#include <hotwell/engine.hpp>

namespace hotwell::engine {

/// Whether a request's input outlives the process: a handle that the caller opened does not.
[[nodiscard]] bool can_outlive(const JobRequest& request);
/// As a job shows its input.
[[nodiscard]] std::string input_text(const Input& input);
/// Whether two requests with one idempotency key ask for the same.
[[nodiscard]] bool same_request(const JobRequest& a, const JobRequest& b);

/// Operation, priority and idempotency key have places of their own in the journal. An upload is its digest: its bytes
/// are kept elsewhere.
[[nodiscard]] std::string to_text(const JobRequest& request);
/// Errors: io (not a text of ours).
[[nodiscard]] Result<JobRequest> request_of(std::string_view text);

[[nodiscard]] std::string to_text(const JobRecord::ResultInfo& result);
[[nodiscard]] Result<JobRecord::ResultInfo> result_of(std::string_view text);

/// What stood before a job when it was accepted.
[[nodiscard]] std::string to_text(const QueuedBehind& behind);
[[nodiscard]] std::optional<QueuedBehind> behind_of(std::string_view text);

}  // namespace hotwell::engine

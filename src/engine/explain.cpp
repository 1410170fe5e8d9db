#include "engine/explain.hpp"

#include <numeric>

#include <fmt/format.h>

namespace hotwell::engine {
namespace {

std::string between(WallTime from, WallTime to) { return to_string(std::max(Duration{to - from}, Duration{})); }

std::string crowd(const QueuedBehind& behind) {
  const auto& waiting = behind.by_priority;
  const auto all = std::accumulate(waiting.begin(), waiting.end(), std::uint64_t{0});
  const auto workers = fmt::format("{} of {} workers were busy", behind.busy, behind.max_workers);
  if (all == 0) return fmt::format("no job waited and {}", workers);
  return fmt::format("{} jobs waited (high {}, normal {}, low {}) and {}", all, waiting[0], waiting[1], waiting[2],
                     workers);
}

std::string acceptance(const JobExplanation& explanation) {
  const JobRecord& job = explanation.job;
  return fmt::format(
      "Accepted at {} as a {} priority job of \"{}\"{}{}; its durability is {}.", to_rfc3339(job.created_at),
      to_string(job.priority), job.operation, job.input.empty() ? "" : fmt::format(" over {}", job.input),
      job.tenant.empty() ? "" : fmt::format(" for tenant \"{}\"", job.tenant), to_string(explanation.durability));
}

std::string waiting(const JobExplanation& explanation, const QueuedBehind& now) {
  const JobRecord& job = explanation.job;
  const std::string before = explanation.behind ? fmt::format(": when it came, {}", crowd(*explanation.behind)) : "";
  if (job.started_at)
    return fmt::format("It waited {} for its first start{}.", between(job.created_at, *job.started_at), before);
  if (is_final(job.state)) return fmt::format("It never started{}.", before);
  return fmt::format("It waits for a worker{}; now, {}.", before, crowd(now));
}

std::string attempt_story(std::size_t number, const JobAttempt& attempt) {
  std::string text = fmt::format("Attempt {} ran on {}{}", number, attempt.worker,
                                 attempt.why.empty() ? "" : fmt::format(" ({})", attempt.why));
  if (!attempt.ended) return text + fmt::format(" since {}.", to_rfc3339(attempt.started));
  text += fmt::format(" for {}", between(attempt.started, *attempt.ended));
  if (!attempt.error) return text + " and succeeded.";
  text += fmt::format(" and ended with {}: {}", to_string(attempt.error->code), attempt.error->message);
  if (!attempt.charged) text += " (not charged to the job)";
  if (!text.ends_with('.')) text += '.';
  return text;
}

std::string ending(const JobRecord& job) {
  const std::string attempts = fmt::format("{} charged attempt{}", job.attempts, job.attempts == 1 ? "" : "s");
  switch (job.state) {
    case JobState::queued:
    case JobState::running: return {};
    case JobState::retrying: return fmt::format("It failed {} and waits for its next one.", attempts);
    case JobState::completed:
      if (job.result && job.result->cached)
        return fmt::format("It completed at once: the {} tier had the result.", to_string(*job.result->cached));
      return fmt::format("It completed after {}: {} of {}.", attempts,
                         to_string(Bytes{job.result ? job.result->size : 0}),
                         job.result ? job.result->content_type : "");
    case JobState::failed:
      return fmt::format("It failed after {}, for a reason that another try would not change: {}.", attempts,
                         job.error ? job.error->message : "");
    case JobState::cancelled: return fmt::format("It was cancelled after {}.", attempts);
    case JobState::dead:
      return fmt::format("It is dead after {}: {}. POST /v1/jobs/{}/retry runs it again.", attempts,
                         job.error ? job.error->message : "", job.id);
  }
  return {};
}

}  // namespace

void tell_story(JobExplanation& explanation, const QueuedBehind& now) {
  auto& story = explanation.story;
  story = {acceptance(explanation)};
  const bool was_cached = explanation.job.result && explanation.job.result->cached;
  if (!was_cached) story.push_back(waiting(explanation, now));
  for (std::size_t i = 0; i < explanation.attempts.size(); ++i)
    story.push_back(attempt_story(i + 1, explanation.attempts[i]));
  if (auto last = ending(explanation.job); !last.empty()) story.push_back(std::move(last));
}

}  // namespace hotwell::engine

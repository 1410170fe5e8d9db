// The words of states and durabilities, as files, addresses and answers have them.
#include <hotwell/pool.hpp>

namespace hotwell {

std::string_view to_string(JobState state) noexcept {
  switch (state) {
    case JobState::queued: return "queued";
    case JobState::running: return "running";
    case JobState::retrying: return "retrying";
    case JobState::completed: return "completed";
    case JobState::failed: return "failed";
    case JobState::cancelled: return "cancelled";
    case JobState::dead: return "dead";
  }
  return "failed";
}

std::optional<JobState> parse_job_state(std::string_view text) noexcept {
  using enum JobState;
  for (const auto state : {queued, running, retrying, completed, failed, cancelled, dead})
    if (text == to_string(state)) return state;
  return std::nullopt;
}

std::string_view to_string(Durability durability) noexcept {
  switch (durability) {
    case Durability::memory: return "memory";
    case Durability::process: return "process";
    case Durability::power: return "power";
  }
  return "memory";
}

std::optional<Durability> parse_durability(std::string_view text) noexcept {
  using enum Durability;
  for (const auto durability : {memory, process, power})
    if (text == to_string(durability)) return durability;
  return std::nullopt;
}

}  // namespace hotwell

/// What the journal has of a job. What to run and what came of it are its owner's texts, which the journal keeps and
/// does not read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <hotwell/event.hpp>
#include <hotwell/pool.hpp>
#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell::pool {

using JournalAttempt = JobAttempt;

struct JournalRecord {
  std::uint64_t number = 0;  ///< the job's id as a number
  std::string operation;
  Priority priority = Priority::normal;
  Durability durability = Durability::process;
  JobState state = JobState::queued;  ///< `queued` stands for every state that is not final
  std::string idempotency_key;
  std::string request;  ///< the owner's: what to run
  std::string queue;    ///< the owner's: what it found before it when it was accepted
  WallTime created{};
  std::optional<WallTime> started;
  std::optional<WallTime> finished;
  unsigned attempts = 0;  ///< charged ones, since it was accepted or resubmitted
  unsigned crashes = 0;   ///< of those, ended by the worker's crash
  std::optional<Error> error;
  std::string stderr_tail;
  std::string result;          ///< the owner's: what came of it
  bool result_stored = false;  ///< see JournalEnd; not in the file
};

/// How a job ended.
struct JournalEnd {
  std::uint64_t number = 0;
  JobState state = JobState::completed;
  std::optional<WallTime> started;
  WallTime finished{};
  unsigned attempts = 0;
  std::optional<Error> error;
  std::string stderr_tail;
  std::string result;
  bool result_stored =
      false;  ///< it names bytes that lie elsewhere: at `power` they are on their medium before this is
};

struct JournalFilter {
  std::optional<JobState> state{};
  std::string operation{};
  std::optional<std::uint64_t> before{};  ///< only smaller numbers
  std::size_t limit = 100;
};

}  // namespace hotwell::pool

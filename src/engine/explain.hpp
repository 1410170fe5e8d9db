/// Why a job waited, where it ran and how it ended, in sentences.
#pragma once

#include <hotwell/engine.hpp>

namespace hotwell::engine {

/// Fills in the story from the rest; `now` is what the pool is busy with at this moment. Pure.
void tell_story(JobExplanation& explanation, const QueuedBehind& now);

}  // namespace hotwell::engine

/// Becoming what was asked for: the last steps of a new process before exec.
#pragma once

#include <vector>

#include "wire/spawn.hpp"

namespace hotwell::spawner {

/// Gives every signal its default action and an empty mask, then executes. Returns with errno where it cannot.
void execute(const wire::SpawnRequest& request);

}  // namespace hotwell::spawner

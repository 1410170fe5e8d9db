/// How workers are kept together on this machine: chosen once, at start.
#pragma once

#include <string>

namespace hotwell::spawner {

struct Enclosure {
  bool namespaces = false;  ///< this process's next child is init of a PID namespace
  std::string cgroup;       ///< without them: the folder of a control group for the workers, where there may be one
  std::string why;          ///< for people: how, or why not
};

/// Gives this process's next child a PID namespace where that is allowed, else as best_effort().
[[nodiscard]] Enclosure enclose();
/// Sub-reapers, with a control group where that is possible.
[[nodiscard]] Enclosure best_effort(std::string why);

}  // namespace hotwell::spawner

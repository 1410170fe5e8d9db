/// How workers are kept together on this machine: chosen once, at start.
#pragma once

#include <string>

namespace hotwell::spawner {

struct Enclosure {
  bool namespaces = false;  ///< this process's next child is init of a PID namespace
  std::string why;          ///< for people: how, or why not
};

/// Gives this process's next child a PID namespace where that is allowed.
[[nodiscard]] Enclosure enclose();

}  // namespace hotwell::spawner

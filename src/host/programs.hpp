/// Where Hotwell's own helper executables are: the spawner and the media worker.
#pragma once

#include <string>
#include <string_view>

#include <hotwell/result.hpp>

namespace hotwell::host {

/// The path of helper `name`: `given` if not empty, else the environment variable's value if set, else beside this
/// program, else in ../libexec/hotwell from there, else where it was installed.
/// Errors: unavailable names every place that was looked at.
[[nodiscard]] Result<std::string> find_program(std::string_view name, std::string_view given,
                                               const char* environment_variable);

}  // namespace hotwell::host

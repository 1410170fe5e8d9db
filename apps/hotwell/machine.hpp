/// What this machine lets Hotwell do, found by asking the kernel rather than by version numbers.
#pragma once

#include <string>
#include <vector>

#include <hotwell/config.hpp>

namespace hotwell::cli {

struct Finding {
  enum class State : std::uint8_t {
    ok,
    limited,  ///< works, with less than there could be
    missing,  ///< the daemon cannot do its work without it
  };
  std::string name;
  State state = State::ok;
  std::string value;
  std::string note = {};  ///< what follows from it, or what to do
};
[[nodiscard]] std::string_view to_string(Finding::State state) noexcept;

/// Kernel, processors, memory, limits, system calls.
[[nodiscard]] std::vector<Finding> look_at_kernel();
/// Spawner, containment, media worker and its codecs. Starts and ends them.
[[nodiscard]] std::vector<Finding> look_at_helpers(const Config& config);
/// Data directory and media roots. Makes nothing.
[[nodiscard]] std::vector<Finding> look_at_folders(const Config& config);

}  // namespace hotwell::cli

/// How a command ends badly: an exit status and what a person reads on standard error.
#pragma once

#include <expected>
#include <string>

#include <hotwell/result.hpp>

namespace hotwell::cli {

/// The exit statuses that scripts hold on to; 0 is done.
namespace status {
inline constexpr int failed = 1;     ///< the job, or whatever was asked for
inline constexpr int usage = 2;      ///< the command line, the configuration, a parameter
inline constexpr int no_server = 3;  ///< nobody answers
inline constexpr int refused = 4;    ///< overloaded, draining: again later
}  // namespace status

struct Ending {
  int status = status::failed;
  std::string message;
};

template <class T>
using Outcome = std::expected<T, Ending>;

[[nodiscard]] inline std::unexpected<Ending> end(int status, std::string message) {
  return std::unexpected(Ending{status, std::move(message)});
}

/// As the table of codes says.
[[nodiscard]] std::unexpected<Ending> end(const Error& error);

}  // namespace hotwell::cli

/// Errors as values. `Code` is one closed list; `info()` says for every code whether the pool retries it,
/// which HTTP status the server answers, and with what the command line exits.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace hotwell {

enum class Code : std::uint8_t {
  invalid_argument,
  not_found,
  outside_root,
  too_large,
  unsupported_media,
  corrupt_input,
  failed,
  input_changed,
  io,
  unavailable,
  timeout,
  no_progress,
  crashed,
  out_of_memory,
  disk_full,
  overloaded,
  draining,
  cancelled,
  result_gone,
  denied,
  internal,
};
inline constexpr std::size_t code_count = 21;

/// What follows from a job's attempt that ended with a code.
enum class Retry : std::uint8_t {
  never,
  yes,                ///< with backoff, until the attempts are used up
  up_to_max_crashes,  ///< as `yes`, but bounded by the worker type's `max_crashes` too
  once_alone,         ///< a second time, with no other job running
  by_caller,          ///< nothing was started: the caller decides
};

struct CodeInfo {
  Code code;
  std::string_view name;
  Retry retry;
  int http_status;
  int exit_code;
};

/// The one table of codes. Never fails: the enum is closed.
[[nodiscard]] const CodeInfo& info(Code code) noexcept;
[[nodiscard]] inline std::string_view to_string(Code code) noexcept { return info(code).name; }
[[nodiscard]] std::optional<Code> parse_code(std::string_view name) noexcept;

/// An expected failure: what went wrong, in words for a person, and what caused it.
struct Error {
  Code code = Code::internal;
  std::string message;
  std::shared_ptr<const Error> cause = nullptr;

  friend bool operator==(const Error& a, const Error& b) { return a.code == b.code && a.message == b.message; }
};

/// "code: message (cause: ...)", for logs and terminals.
[[nodiscard]] std::string to_string(const Error& error);

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Code code, std::string message) {
  return std::unexpected(Error{code, std::move(message), nullptr});
}
[[nodiscard]] inline std::unexpected<Error> fail(Code code, std::string message, Error cause) {
  return std::unexpected(Error{code, std::move(message), std::make_shared<const Error>(std::move(cause))});
}

/// The error of a failed system call: ENOENT is not_found, ENOSPC and EDQUOT are disk_full, EACCES and EPERM
/// are denied, ENOMEM is out_of_memory, everything else is io. The message ends with the system's words.
[[nodiscard]] Error system_error(int error_number, std::string_view what);
[[nodiscard]] inline std::unexpected<Error> system_fail(int error_number, std::string_view what) {
  return std::unexpected(system_error(error_number, what));
}

/// Thrown only by constructors of the public classes, where `open()` would have returned the error.
class Failure : public std::runtime_error {
 public:
  explicit Failure(Error error) : std::runtime_error(to_string(error)), error_(std::move(error)) {}
  [[nodiscard]] const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

}  // namespace hotwell

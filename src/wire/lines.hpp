/// The lines protocol between `hotwell-lines` and a program, as values: one line is one message, JSON in UTF-8.
/// docs/formats/worker-protocol.md is the description for people who write a worker.
///
/// Invariants: an encoded message is one line and ends with its only line feed; decode() of any text answers a message
/// or an error. What a program leaves out has the default named here; members that nobody knows are ignored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <hotwell/result.hpp>

namespace hotwell::wire::lines {

/// No line that a program writes is longer.
inline constexpr std::size_t line_limit = std::size_t{16} << 20;

/// To the program: do this.
struct Job {
  std::string id;  ///< of the attempt; the program copies it
  std::string operation;
  std::string_view payload;  ///< handed over as the JSON value that it is, else as a text
  std::string input_identity;
  std::vector<std::string> inputs;  ///< paths
  std::string output;               ///< a path
  std::optional<double> seconds_left{};
};
/// To the program: end this attempt soon.
struct Cancel {
  std::string id;
};

struct Progress {
  double fraction = 0;
};
/// Output bytes [0, size) are final.
struct Advance {
  std::uint64_t size = 0;
  std::string content_type;
};
struct Beat {};
/// Where the result is: in the message, in the output, or in a file of the program's own, which is copied.
struct Done {
  std::string content_type;
  std::optional<std::string> text;
  std::optional<std::uint64_t> size;
  std::optional<std::string> path;
};
struct Failed {
  Code code = Code::failed;
  std::string message;
};
/// From the program.
struct Message {
  std::string id;  ///< empty: about the job that it has
  std::variant<Progress, Advance, Beat, Done, Failed> what;
};

/// Errors: invalid_argument where a text is no UTF-8.
[[nodiscard]] Result<std::string> encode(const Job& job);
[[nodiscard]] std::string encode(const Cancel& cancel);
/// Errors: invalid_argument, saying what is wrong with the line.
[[nodiscard]] Result<Message> decode(std::string_view line);

}  // namespace hotwell::wire::lines

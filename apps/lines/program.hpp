/// The program that a lines worker is: its standard input and output as lines, neither of which ever blocks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include <hotwell/body.hpp>

namespace hotwell::lines {

class Program {
 public:
  /// Errors: as of posix_spawn: there is no such program.
  [[nodiscard]] static Result<Program> start(char** argv);

  /// Hands over what fits now; the rest waits. Precondition of waiting on it: wants_to_write().
  void write(std::string_view text);
  void flush();
  [[nodiscard]] bool wants_to_write() const { return !pending_.empty(); }
  /// The next whole line, without its line feed. Errors: too_large for a line over the limit.
  [[nodiscard]] Result<std::optional<std::string>> line();
  /// Takes what is there.
  void read();
  /// Its output has come to its end; lines may be left.
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] int input() const { return input_.get(); }
  [[nodiscard]] int output() const { return output_.get(); }

  /// Closes its standard input, which tells it to leave, and ends as it ends.
  [[noreturn]] void follow();

 private:
  Program(pid_t pid, FileHandle input, FileHandle output)
      : pid_(pid), input_(std::move(input)), output_(std::move(output)) {}

  pid_t pid_;
  FileHandle input_;   ///< what it reads
  FileHandle output_;  ///< what it writes
  std::string pending_;
  std::string received_;
  std::size_t searched_ = 0;  ///< of received_, without a line feed
  bool ended_ = false;
};

}  // namespace hotwell::lines

/// The real program as a child process: started with arguments, an environment and a folder of its own, watched by its
/// pidfd, never waited for longer than the hang limit.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <hotwell/body.hpp>

namespace hotwell::test {

/// What no test gets near unless something hangs.
inline constexpr std::chrono::seconds hang_limit{60};

struct Ended {
  int status = -1;  ///< exit status, or 128 + signal
  std::string out;
  std::string err;
};

class Program {
 public:
  struct Options {
    std::vector<std::string> args;
    std::vector<std::string> env = {};  ///< beside PATH and a HOME in the folder
    std::filesystem::path folder;
  };
  /// Starts HOTWELL_BIN_DIR/hotwell.
  explicit Program(const Options& options);
  /// Kills what still runs.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const;
  /// Reads standard output (or error) until it contains `text`; what was read so far in all. Fails the test when the
  /// program ends or the hang limit passes before.
  std::string read_out_until(std::string_view text) { return read_until(out_, text); }
  std::string read_err_until(std::string_view text) { return read_until(err_, text); }
  /// Waits for the end. Fails the test where it hangs.
  Ended wait();
  [[nodiscard]] int pid() const { return pid_; }

 private:
  struct Stream {
    FileHandle fd;
    std::string text;
    bool at_end = false;
  };
  std::string read_until(Stream& stream, std::string_view text);
  /// Takes what is there of both streams; false after the hang limit.
  bool take_some(std::chrono::steady_clock::time_point until);

  int pid_ = -1;
  FileHandle pidfd_;
  Stream out_;
  Stream err_;
};

/// Runs to the end.
Ended run_program(const Program::Options& options);

}  // namespace hotwell::test

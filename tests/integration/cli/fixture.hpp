/// What the command line's tests share: a folder of their own, and daemons in it.
#pragma once

#include <csignal>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/cli/program.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::test {

class Cli : public ::testing::Test {
 protected:
  /// Runs a command in the test's folder, with the data directory `data` below it.
  Ended hotwell(std::vector<std::string> args, std::vector<std::string> env = {}) {
    env.push_back("HOTWELL_SERVER_DATA_DIR=" + data().string());
    return run_program({.args = std::move(args), .env = std::move(env), .folder = folder()});
  }
  std::unique_ptr<Program> start(std::vector<std::string> args, std::vector<std::string> env = {}) {
    env.push_back("HOTWELL_SERVER_DATA_DIR=" + data().string());
    return std::make_unique<Program>(
        Program::Options{.args = std::move(args), .env = std::move(env), .folder = folder()});
  }
  /// A daemon on a free port, without media workers, that has said where it listens.
  std::unique_ptr<Program> serve(std::vector<std::string> more = {}, std::vector<std::string> env = {}) {
    std::vector<std::string> args{"serve", "--listen", "127.0.0.1:0", "--config", write("daemon.toml", plain)};
    args.insert(args.end(), more.begin(), more.end());
    auto daemon = start(std::move(args), std::move(env));
    const auto said = daemon->read_out_until("\n");
    url_ = said.substr(said.find("http://"));
    url_.pop_back();
    return daemon;
  }
  static void stop(Program& daemon) {
    daemon.signal(SIGTERM);
    const auto ended = daemon.wait();
    EXPECT_EQ(ended.status, 0) << ended.err;
  }

  std::string write(const std::string& name, std::string_view text) {
    std::ofstream(folder() / name, std::ios::binary) << text;
    return (folder() / name).string();
  }
  std::string read(const std::string& name) {
    std::ifstream file(folder() / name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  [[nodiscard]] bool exists(const std::string& name) const { return std::filesystem::exists(folder() / name); }

  /// A pipe that the operation "hold" writes to and holds open until it is killed.
  FileHandle make_hold() {
    EXPECT_EQ(::mkfifo((folder() / "hold").c_str(), 0600), 0);
    return FileHandle(::open((folder() / "hold").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  }
  /// Waits until "hold" runs (`POLLIN`) or is gone (`POLLHUP`).
  static void wait_for(const FileHandle& hold, short event) {
    if (event == POLLIN) {
      pollfd wait{hold.get(), POLLIN, 0};
      ASSERT_EQ(::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(hang_limit).count())), 1);
      char greeting = 0;
      ASSERT_EQ(::read(hold.get(), &greeting, 1), 1);
    } else {
      pollfd wait{hold.get(), 0, 0};
      ASSERT_EQ(::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(hang_limit).count())), 1)
          << "a process was left behind";
      ASSERT_TRUE(wait.revents & POLLHUP);
    }
  }

  [[nodiscard]] const std::filesystem::path& folder() const { return temp_.path(); }
  [[nodiscard]] std::filesystem::path data() const { return folder() / "data"; }
  [[nodiscard]] const std::string& url() const { return url_; }

  // "{param.fifo}": argv alone reaches a worker, whose folder and environment are its own.
  static constexpr std::string_view plain = R"(
[media]
enabled = false
[pool]
backoff = "10ms"
[[operation]]
name = "upper"
argv = ["tr", "a-z", "A-Z"]
stdin = "input"
content_type = "text/plain"
[[operation]]
name = "blob"
argv = ["cat"]
stdin = "input"
[[operation]]
name = "refuse"
argv = ["sh", "-c", "echo this will never do >&2; exit 2"]
permanent_exit_codes = [2]
[[operation]]
name = "hold"
argv = ["sh", "-c", "exec 3> \"$0\"; echo >&3; sleep 1000", "{param.fifo}"]
)";

 private:
  TempDir temp_;
  std::string url_;
};

}  // namespace hotwell::test

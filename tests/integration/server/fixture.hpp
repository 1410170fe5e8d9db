/// A server over an engine whose operations are small shell commands, so that no media is needed. They say in a file
/// that they ran, and wait at a gate (a named pipe) where a test has put one.
#pragma once

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "client.hpp"
#include "server/server.hpp"
#include "tests/support/temp_dir.hpp"

namespace hotwell::test {

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    std::filesystem::create_directories(root_);
    write_old("notes.txt", "some notes\n");
    config_.server.listen = "127.0.0.1:0";
    config_.data_dir = dir_.path() / "data";
    config_.media_roots = {root_};
    config_.media = false;
    config_.pool.spawner = HOTWELL_BIN_DIR "/hotwell-spawner";
    config_.pool.backoff = std::chrono::milliseconds{1};
    add("upper", wait_at_gate() + "tr a-z A-Z");
    add("cat", "cat");
    add("fails", "echo no good >&2; exit 2");
    config_.operations.back().permanent_exit_codes = {2};
    add("flaky", "echo try again >&2; exit 9");
    // One piece before the gate, one behind it.
    add("slow", "printf first; " + wait_at_gate() + "printf second");
    add("breaks", "printf first; " + wait_at_gate() + "exit 2");
    config_.operations.back().permanent_exit_codes = {2};
    add("echo", "printf %s \"$1\"");
    config_.operations.back().argv.insert(config_.operations.back().argv.end(), {"sh", "{param.text}"});
  }
  ~ServerTest() override {
    server_.reset();
    engine_.reset();
  }

  void add(const std::string& name, const std::string& script) {
    config_.operations.push_back({.name = name,
                                  .argv = {"sh", "-c", "echo run >>" + (dir_.path() / "runs").string() + "; " + script},
                                  .stdin_is_input = true,
                                  .content_type = "text/plain"});
  }

  void open() {
    auto opened = Engine::open(config_);
    ASSERT_TRUE(opened) << to_string(opened.error());
    engine_ = std::move(*opened);
    auto started = server::Server::start(*engine_);
    ASSERT_TRUE(started) << to_string(started.error());
    server_ = std::move(*started);
    const auto address = server_->address();
    port_ = static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
  }

  /// One request on a connection of its own.
  Reply ask(std::string_view method, std::string_view target, std::string_view fields = {},
            std::optional<std::string_view> body = {}) {
    return Client(port_).ask(method, target, fields, body);
  }
  Reply get(std::string_view target, std::string_view fields = {}) { return ask("GET", target, fields); }

  // A file whose last change lies back, so that its results are kept.
  void write_old(const std::string& name, std::string_view text) {
    std::ofstream(root_ / name) << text;
    const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    ::utimensat(AT_FDCWD, (root_ / name).c_str(), long_ago, 0);
  }

  std::size_t runs() const {
    std::ifstream file(dir_.path() / "runs");
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
  }

  std::string gate() const { return (dir_.path() / "gate").string(); }
  std::string wait_at_gate() const { return "if [ -p " + gate() + " ]; then cat " + gate() + " >/dev/null; fi; "; }
  void close_gate() { ASSERT_EQ(::mkfifo(gate().c_str(), 0600), 0); }
  /// Lets whoever waits at the gate go on; returns once somebody did wait there.
  void open_gate() {
    const FileHandle end{::open(gate().c_str(), O_WRONLY | O_CLOEXEC)};
    EXPECT_TRUE(end);
  }

  TempDir dir_;
  const std::filesystem::path root_ = dir_.path() / "root";
  Config config_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<server::Server> server_;
  std::uint16_t port_ = 0;
};

}  // namespace hotwell::test

#include "tests/integration/cli/program.hpp"

#include <array>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/process.hpp"

namespace hotwell::test {
namespace {

using Clock = std::chrono::steady_clock;

std::array<FileHandle, 2> make_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {FileHandle(ends[0]), FileHandle(ends[1])};
}

}  // namespace

Program::Program(const Options& options) {
  auto out = make_pipe();
  auto err = make_pipe();
  const FileHandle nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  host::Launch launch{
      .program = "/usr/bin/env",
      .argv = {"env", "-C", options.folder.string(), HOTWELL_BIN_DIR "/hotwell"},
      .env = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + options.folder.string(), "LANG=C.UTF-8"},
      .descriptors = {{nothing.get(), STDIN_FILENO}, {out[1].get(), STDOUT_FILENO}, {err[1].get(), STDERR_FILENO}}};
  launch.argv.insert(launch.argv.end(), options.args.begin(), options.args.end());
  launch.env.insert(launch.env.end(), options.env.begin(), options.env.end());
  // Sanitizers are told by their own variables what to do.
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"})
    if (const char* value = std::getenv(name)) launch.env.push_back(std::string(name) + "=" + value);
  auto launched = host::launch(launch);
  EXPECT_TRUE(launched) << launched.error().message;
  if (!launched) return;
  pid_ = launched->pid;
  pidfd_ = std::move(launched->pidfd);
  out_.fd = std::move(out[0]);
  err_.fd = std::move(err[0]);
}

Program::~Program() {
  if (pidfd_ && host::signal_process(pidfd_.get(), SIGKILL)) (void)wait();
}

void Program::signal(int number) const { EXPECT_TRUE(host::signal_process(pidfd_.get(), number)); }

bool Program::take_some(Clock::time_point until) {
  std::array<pollfd, 2> waits{
      {{out_.at_end ? -1 : out_.fd.get(), POLLIN, 0}, {err_.at_end ? -1 : err_.fd.get(), POLLIN, 0}}};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  if (left <= 0 || ::poll(waits.data(), waits.size(), static_cast<int>(left)) <= 0) return false;
  for (Stream* stream : {&out_, &err_}) {
    if (waits[stream == &out_ ? 0 : 1].revents == 0) continue;
    std::array<char, 16384> piece{};
    const ssize_t got = ::read(stream->fd.get(), piece.data(), piece.size());
    if (got > 0)
      stream->text.append(piece.data(), static_cast<std::size_t>(got));
    else
      stream->at_end = true;
  }
  return true;
}

std::string Program::read_until(Stream& stream, std::string_view text) {
  const auto until = Clock::now() + hang_limit;
  while (stream.text.find(text) == std::string::npos) {
    if (stream.at_end || !take_some(until)) {
      ADD_FAILURE() << "the program did not say \"" << text << "\"; out: " << out_.text << "; err: " << err_.text;
      break;
    }
  }
  return stream.text;
}

Ended Program::wait() {
  const auto until = Clock::now() + hang_limit;
  while (!(out_.at_end && err_.at_end))
    if (!take_some(until)) {
      ADD_FAILURE() << "the program hangs; out: " << out_.text << "; err: " << err_.text;
      host::signal_process(pidfd_.get(), SIGKILL);
      break;
    }
  siginfo_t end{};
  EXPECT_EQ(::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &end, WEXITED), 0);
  pidfd_ = FileHandle();
  return {end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status, out_.text, err_.text};
}

Ended run_program(const Program::Options& options) { return Program(options).wait(); }

}  // namespace hotwell::test

// hotwell top in a terminal of the test's own, and hotwell top --json.
#include <cstdlib>

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <boost/json.hpp>

#include "tests/integration/cli/fixture.hpp"

namespace hotwell::test {
namespace {

using ::testing::HasSubstr;

/// A program on a pseudo-terminal.
class OnTerminal {
 public:
  OnTerminal(const std::vector<std::string>& args, unsigned short lines, unsigned short columns) {
    const winsize size{.ws_row = lines, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    int terminal = -1;
    pid_ = ::forkpty(&terminal, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::setenv("TERM", "xterm", 1);
      ::setenv("LANG", "C.UTF-8", 1);
      std::vector<char*> argv;
      std::string program = std::string(HOTWELL_BIN_DIR) + "/hotwell";
      argv.push_back(program.data());
      auto copies = args;
      for (auto& each : copies) argv.push_back(each.data());
      argv.push_back(nullptr);
      ::execv(program.c_str(), argv.data());
      ::_exit(127);
    }
    terminal_ = FileHandle(terminal);
  }
  ~OnTerminal() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  /// Reads until `text` was drawn since the last call.
  void wait_for(const std::string& text) {
    const auto until = std::chrono::steady_clock::now() + hang_limit;
    while (drawn_.find(text) == std::string::npos) {
      pollfd wait{terminal_.get(), POLLIN, 0};
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
      ASSERT_GT(left, 0) << "never drawn: " << text << "\n" << drawn_;
      ASSERT_GE(::poll(&wait, 1, static_cast<int>(left)), 0);
      std::array<char, 4096> some{};
      const auto got = ::read(terminal_.get(), some.data(), some.size());
      ASSERT_GT(got, 0) << "the program ended before it drew: " << text << "\n" << drawn_;
      drawn_.append(some.data(), static_cast<std::size_t>(got));
    }
    drawn_.erase(0, drawn_.find(text) + text.size());
  }
  void resize(unsigned short lines, unsigned short columns) const {
    const winsize size{.ws_row = lines, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::ioctl(terminal_.get(), TIOCSWINSZ, &size), 0);
  }
  void press(char key) const { ASSERT_EQ(::write(terminal_.get(), &key, 1), 1); }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  FileHandle terminal_;
  std::string drawn_;
};

struct Top : Cli {};

TEST_F(Top, DrawsResizesTellsThatTheServerIsGoneAndQuits) {
  const auto daemon = serve();
  OnTerminal top({"top", "--server", url()}, 24, 80);
  top.wait_for("Hotwell");
  top.wait_for("Requests");
  top.wait_for("memory");
  top.wait_for("q quits");
  top.resize(40, 120);
  top.wait_for("q quits");  // the last line has moved
  stop(*daemon);
  top.wait_for("The server is gone");
  top.press('q');
  top.wait_for("\x1b[?1049l");  // the screen that was there before is back
  EXPECT_EQ(top.wait(), 0);
}

TEST_F(Top, WantsATerminal) {
  const auto daemon = serve();
  const auto ended = hotwell({"top", "--server", url()});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err, HasSubstr("wants a terminal"));
  stop(*daemon);
}

TEST_F(Top, SaysThatNobodyIsThere) {
  OnTerminal top({"top", "--server", "http://127.0.0.1:1"}, 24, 80);
  top.wait_for("no server at http://127.0.0.1:1");
  EXPECT_EQ(top.wait(), 3);
}

TEST_F(Top, PrintsAReadingALineForPrograms) {
  const auto daemon = serve();
  const auto top = start({"top", "--json", "--server", url()});
  std::string out = top->read_out_until("\n");
  while (std::ranges::count(out, '\n') < 2) out += top->read_out_until("\n");
  const auto reading = boost::json::parse(out.substr(0, out.find('\n')));
  EXPECT_TRUE(reading.at("workers").is_object());
  top->signal(SIGINT);
  EXPECT_EQ(top->wait().status, 0);
  stop(*daemon);
}

}  // namespace
}  // namespace hotwell::test

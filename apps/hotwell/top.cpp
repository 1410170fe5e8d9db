/// hotwell top: the dashboard's first view in a terminal.
#include <array>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <memory>

#include <poll.h>
#include <unistd.h>
#include <boost/json.hpp>

// Its macros would rename std::move and more.
#define NCURSES_NOMACROS 1
#include <curses.h>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/daemon.hpp"
#include "apps/hotwell/interrupt.hpp"
#include "apps/hotwell/json.hpp"
#include "apps/hotwell/top_screen.hpp"

namespace hotwell::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto interval = std::chrono::seconds{1};
constexpr auto patience = std::chrono::seconds{3};  // a key is not heard while an answer is awaited
constexpr std::size_t kept_rates = 240;
constexpr const char* metrics_route = "/performance/metrics?format=raw";

struct TopOptions {
  DaemonOptions daemon;
  bool json = false;
};

/// The terminal, from raw to as it was.
class Terminal {
 public:
  /// Ends where the terminal cannot do it; ncurses' own way is to end the program.
  static Outcome<std::unique_ptr<Terminal>> open() {
    std::setlocale(LC_ALL, "");
    if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    SCREEN* screen = ::newterm(nullptr, stdout, stdin);
    if (screen == nullptr)
      return end(
          status::usage,
          "this terminal cannot be drawn on: TERM names none that is known; hotwell status prints the same once");
    return std::unique_ptr<Terminal>(new Terminal(screen));
  }
  ~Terminal() {
    ::endwin();
    ::delscreen(screen_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void draw(const TopReading& reading) const {
    const auto size = ScreenSize{static_cast<std::size_t>(LINES), static_cast<std::size_t>(COLS)};
    ::erase();
    int row = 0;
    for (const auto& line : compose_top(reading, size)) {
      ::move(row++, 0);
      for (const auto& piece : line) {
        ::attrset(static_cast<int>(attributes_of(piece.ink)));
        ::addstr(piece.text.c_str());
      }
    }
    ::refresh();
  }

  enum class Said : std::uint8_t { quit, redraw, nothing };
  /// Waits for a key until `until`.
  static Said listen(Clock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    ::timeout(static_cast<int>(std::max<std::int64_t>(0, left)));
    switch (::getch()) {
      case 'q':
      case 'Q':
      case 27: return Said::quit;
      case KEY_RESIZE: return Said::redraw;
      default: return Said::nothing;
    }
  }

 private:
  explicit Terminal(SCREEN* screen) : screen_(screen) {
    ::cbreak();
    ::noecho();
    ::keypad(stdscr, true);
    ::set_escdelay(25);
    ::curs_set(0);
    if (::has_colors()) {
      ::start_color();
      ::use_default_colors();
      ::init_pair(1, COLOR_GREEN, -1);
      ::init_pair(2, COLOR_YELLOW, -1);
      ::init_pair(3, COLOR_RED, -1);
    }
  }

  static chtype attributes_of(Ink ink) {
    switch (ink) {
      case Ink::plain: return A_NORMAL;
      case Ink::faint: return A_DIM;
      case Ink::strong: return A_BOLD;
      case Ink::good: return static_cast<chtype>(COLOR_PAIR(1)) | A_BOLD;
      case Ink::warning: return static_cast<chtype>(COLOR_PAIR(2)) | A_BOLD;
      case Ink::bad: return static_cast<chtype>(COLOR_PAIR(3)) | A_BOLD;
    }
    return A_NORMAL;
  }

  SCREEN* screen_;
};

Outcome<void> ask(Client& daemon, TopReading& reading) {
  auto metrics = get_json(daemon, metrics_route, patience);
  if (!metrics) return std::unexpected(metrics.error());
  auto jobs = get_json(daemon, "/v1/jobs?state=running&limit=100", patience);
  if (!jobs) return std::unexpected(jobs.error());
  reading.metrics = std::move(*metrics);
  reading.jobs = std::move(*jobs);
  reading.rates.push_back(number_at(reading.metrics, "/requests/throughput"));
  if (reading.rates.size() > kept_rates) reading.rates.pop_front();
  return {};
}

Outcome<void> show_live(Client& daemon, TopReading reading) {
  auto terminal = Terminal::open();
  if (!terminal) return std::unexpected(terminal.error());
  auto answered = Clock::now();
  auto next = answered + interval;
  (*terminal)->draw(reading);
  while (!interrupted()) {
    const auto said = Terminal::listen(next);
    if (said == Terminal::Said::quit) return {};
    if (Clock::now() >= next) {
      if (auto asked = ask(daemon, reading); asked) {
        reading.trouble.reset();
        answered = Clock::now();
      } else {
        reading.trouble = asked.error().message;
      }
      reading.age = std::chrono::duration<double>(Clock::now() - answered).count();
      next = std::max(next + interval, Clock::now());
    }
    (*terminal)->draw(reading);
  }
  return {};
}

void rest_until(Clock::time_point until) {
  for (auto left = until - Clock::now(); left > Clock::duration::zero() && !interrupted(); left = until - Clock::now())
    ::poll(nullptr, 0, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
}

/// One reading a line, for programs; until it is interrupted or nobody reads.
Outcome<void> print_live(Client& daemon, const TopReading& first) {
  boost::json::value metrics = first.metrics;
  auto next = Clock::now();
  while (true) {
    if (std::puts(boost::json::serialize(metrics).c_str()) == EOF || std::fflush(stdout) == EOF) return {};
    next += interval;
    rest_until(next);
    if (interrupted()) return {};
    auto asked = get_json(daemon, metrics_route, patience);
    if (!asked) return interrupted() ? Outcome<void>{} : std::unexpected(asked.error());
    metrics = std::move(*asked);
  }
}

Outcome<void> run_top(const TopOptions& options) {
  if (!options.json && (::isatty(STDOUT_FILENO) == 0 || ::isatty(STDIN_FILENO) == 0))
    return end(status::usage,
               "top wants a terminal; hotwell status prints the figures once, hotwell top --json a line each second");
  auto daemon = find_daemon(options.daemon);
  if (!daemon) return std::unexpected(daemon.error());
  TopReading reading;
  reading.server = daemon->server().url();
  if (auto asked = ask(*daemon, reading); !asked) return asked;
  note_interrupts();
  return options.json ? print_live(*daemon, reading) : show_live(*daemon, std::move(reading));
}

}  // namespace

void add_top(CLI::App& root, Commands& commands) {
  auto options = std::make_shared<TopOptions>();
  CLI::App* command = root.add_subcommand("top", "Watch a running daemon in the terminal; q quits.");
  command->add_flag("--json", options->json, "one reading a line, each second, instead of a screen");
  add_daemon_options(*command, options->daemon);
  commands.on(command, [options] { return run_top(*options); });
}

}  // namespace hotwell::cli

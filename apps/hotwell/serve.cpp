/// hotwell serve: the daemon. Signals are taken by this thread alone; everything else happens on the engine's and the
/// server's threads.
#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>
#include <unistd.h>

#include <hotwell/engine.hpp>

#include "apps/hotwell/commands.hpp"
#include "apps/hotwell/settings.hpp"
#include "base/log.hpp"
#include "engine/config_reload.hpp"
#include "server/server.hpp"

namespace hotwell::cli {
namespace {

constexpr auto drain_limit = std::chrono::seconds{30};
constexpr auto answer_limit = std::chrono::seconds{5};

// The signals that the daemon waits for: blocked in every thread, taken one by one.
class Signals {
 public:
  /// Precondition: no other thread has been started.
  Signals() {
    ::sigemptyset(&set_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set_, signal);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }

  [[nodiscard]] int wait() const {
    int signal = 0;
    while (::sigwait(&set_, &signal) != 0) {
    }
    return signal;
  }

  /// As long as the result lives, a further SIGTERM or SIGINT ends the process at once. The workers end with it.
  [[nodiscard]] std::jthread end_at_the_next() const {
    return std::jthread([set = set_](const std::stop_token& stop) {
      const timespec slice{.tv_sec = 0, .tv_nsec = 100'000'000};
      while (!stop.stop_requested()) {
        const int signal = ::sigtimedwait(&set, nullptr, &slice);
        if (signal == SIGTERM || signal == SIGINT) ::_exit(128 + signal);
      }
    });
  }

 private:
  sigset_t set_{};
};

// Each connection and each open object is a descriptor, and the usual soft limit of 1024 is soon used up. Raised after
// the spawner was started: worker programs keep the limit they expect.
void allow_many_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A bad file changes nothing; what cannot change while running is named in one warning.
void reload_settings(const Settings& settings, Config& in_force, Engine& engine) {
  auto next = load_settings(settings);
  if (!next) {
    base::log().error("reload: nothing was changed: {}", next.error().message);
    return;
  }
  const auto result = engine::reload(in_force, *next, engine.knobs(),
                                     {.rules = [&](const auto& rules) { return engine.monitor().set_rules(rules); },
                                      .channels = [&](const auto& all) { return engine.monitor().set_channels(all); }});
  for (const auto& applied : result.applied) base::log().info("reload: {}", applied);
  for (const auto& refused : result.refused) base::log().error("reload: {}", refused);
  if (!result.kept.empty())
    base::log().warn("reload: left as they were turned since: {}", fmt::join(result.kept, ", "));
  if (!result.restart.empty())
    base::log().warn("reload: these take effect at the next start: {}", fmt::join(result.restart, ", "));
  base::log().info("reloaded the configuration");
}

Outcome<void> serve(const Settings& settings) {
  auto config = load_settings(settings);
  if (!config) return std::unexpected(config.error());
  if (auto level = base::set_log_level(config->log_level); !level) return end(level.error());
  const Signals signals;

  auto engine = Engine::open(*config);
  if (!engine) return end(engine.error());
  allow_many_descriptors();
  auto server = server::Server::start(**engine);
  if (!server) return end(server.error());
  const std::string url = "http://" + (*server)->address();
  std::printf("listening on %s\n", url.c_str());
  std::fflush(stdout);
  base::log().info("listening on {}, data in {}", url, (*engine)->config().data_dir.string());

  int signal = signals.wait();
  for (; signal == SIGHUP; signal = signals.wait()) reload_settings(settings, *config, **engine);

  base::log().info("stopping on {}: finishing what runs, for at most {} s", signal == SIGTERM ? "SIGTERM" : "SIGINT",
                   drain_limit.count());
  const auto impatience = signals.end_at_the_next();
  if (auto drained = (*engine)->drain(drain_limit); !drained) base::log().warn("drain: {}", to_string(drained.error()));
  (*server)->stop(answer_limit);
  server->reset();
  engine->reset();
  base::log().info("stopped");
  return {};
}

}  // namespace

void add_serve(CLI::App& root, Commands& commands) {
  auto settings = std::make_shared<Settings>();
  CLI::App* command = root.add_subcommand("serve", "Run the daemon: engine and HTTP server in the foreground.");
  add_settings_options(*command, *settings);
  command->footer(
      "Prints \"listening on http://HOST:PORT\" once it accepts connections; logs go to standard error.\n"
      "SIGTERM and SIGINT finish what runs and exit 0, a second one stops at once, SIGHUP reloads the configuration.");
  commands.on(command, [settings] { return serve(*settings); });
}

}  // namespace hotwell::cli

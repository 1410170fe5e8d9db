/// Where alerts are judged, remembered and told: the book, the outbox, the file they share, and a thread a channel.
///
/// Invariants: a transition and the notifications that follow from it are saved in one step, before any channel hears
/// of them; a delivery leaves the file only after its receiver has answered. So whenever the process is killed nothing
/// is lost, and only what was answered but not yet noted is told once more, with the same fingerprint and start.
/// Threads: any. Nobody is spoken to, no listener is called and nothing is written under the lock that readers take:
/// changes take turns with a lock of their own around it. Where the file cannot be written it is said once and
/// everything goes on in memory.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <hotwell/monitor.hpp>

#include "host/clock.hpp"
#include "monitor/alert_ledger.hpp"
#include "monitor/alerts.hpp"
#include "monitor/channel.hpp"
#include "monitor/outbox.hpp"

namespace hotwell::monitor {

class AlertDesk {
 public:
  struct Channel {
    ChannelOptions options;
    std::unique_ptr<AlertChannel> speaks;
  };
  /// `directory` may be empty: nothing is saved.
  AlertDesk(std::vector<AlertRule> rules, std::string instance, std::vector<Channel> channels,
            const std::filesystem::path& directory, const host::Clock& clock);
  ~AlertDesk() { stop(); }
  AlertDesk(const AlertDesk&) = delete;
  AlertDesk& operator=(const AlertDesk&) = delete;

  /// Begins to speak to the channels.
  void start();
  /// Breaks off what is being said; it is said again after the next start.
  void stop();

  [[nodiscard]] AlertBook::Outcome step(const AlertBook::Observations& seen);
  void set_rules(std::vector<AlertRule> rules);
  /// One that is as it was goes on undisturbed. What waits for one that is gone is dropped; one that is new, or other
  /// than it was, is told what fires now. Threads: not beside start() and stop().
  void set_channels(std::vector<Channel> channels);

  [[nodiscard]] std::vector<AlertStatus> statuses() const;
  [[nodiscard]] std::vector<std::string> active() const;
  [[nodiscard]] std::vector<std::string> types() const;
  [[nodiscard]] std::vector<Silence> silences() const;
  Result<Silence> silence(Silence silence);
  Result<void> end_silence(std::string_view id);
  [[nodiscard]] std::vector<ChannelStatus> channels() const;
  void test(std::string_view channel, std::function<void(Result<void>)> done);

 private:
  using Done = std::function<void(Result<void>)>;
  struct Speaker {
    Channel channel;
    std::condition_variable_any wake;
    std::vector<Done> tests;
    bool noting = false;  ///< its last delivery was answered, and a kill now would repeat it
    std::jthread thread;
  };
  void begin(Speaker& speaker);
  /// Until its thread has ended. What was asked of it meanwhile fails with `why`.
  void end(Speaker& speaker, const Error& why);
  void run(Speaker& speaker, const std::stop_token& stop);
  /// Calls what() under the lock; where it answers true, saves what came of it. Channels hear of nothing before that.
  template <class F>
  void change(F what);
  void remind(host::MonoTime now, WallTime wall);

  const host::Clock& clock_;
  const std::filesystem::path file_;
  std::mutex changes_;        ///< taken before `mutex_`: one change is saved after the other
  mutable std::mutex mutex_;  ///< guards what follows
  AlertBook book_;
  Outbox outbox_;
  bool saving_ = false;  ///< what is in the outbox may not be in the file yet
  bool save_failed_ = false;
  bool speaking_ = false;  ///< between start() and stop()
  host::MonoTime reminded_;
  std::vector<std::unique_ptr<Speaker>> speakers_;  ///< only set_channels() changes the list
};

}  // namespace hotwell::monitor

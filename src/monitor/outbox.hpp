/// What channels have still to be told, purely: one queue a channel, in order, with backoff.
///
/// Invariants: a channel's notifications leave in the order in which they were put; the next one waits for the answer
/// to the one before. What was put is kept until it was delivered, refused for good, or is a day old.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "host/clock.hpp"
#include "monitor/alerts.hpp"

namespace hotwell::monitor {

struct Delivery {
  std::uint64_t id = 0;
  std::string channel;
  std::vector<Note> notes;
  WallTime created{};
};

/// How a channel's receiver answered.
struct Answer {
  enum class Kind : std::uint8_t {
    delivered,
    later,    ///< it may go well another time
    refused,  ///< it never will
  } kind = Kind::delivered;
  std::optional<Duration> retry_after{};  ///< as the receiver wished
  std::string words{};                    ///< what went wrong, for a person; never a secret
};

class Outbox {
 public:
  explicit Outbox(std::vector<std::string> channels, std::uint64_t seed = std::random_device{}());

  /// Channels that stay keep what waits for them; what waits for others is dropped.
  void set_channels(const std::vector<std::string>& channels);
  /// What a channel failed to take is due at once: it is another now.
  void begin_anew(std::string_view channel);
  /// One delivery for each channel; what a channel is still to be told already is not put twice.
  void put(const std::vector<Note>& notes, WallTime wall);
  void put_to(std::string_view channel, const std::vector<Note>& notes, WallTime wall);
  /// What a channel should be told now.
  [[nodiscard]] std::optional<Delivery> due(std::string_view channel, host::MonoTime now) const;
  /// When something will be due; never, where nothing waits.
  [[nodiscard]] std::optional<host::MonoTime> next(std::string_view channel) const;
  /// `id` is of the channel's first delivery.
  void answered(std::string_view channel, std::uint64_t id, const Answer& answer, host::MonoTime now, WallTime wall);

  struct Counts {
    std::uint64_t delivered = 0, retried = 0, dropped = 0;
    std::string last_error;
  };
  [[nodiscard]] const Counts& counts(std::string_view channel) const;
  [[nodiscard]] std::size_t pending(std::string_view channel) const;
  [[nodiscard]] std::vector<Delivery> all() const;
  /// What was saved; deliveries to channels that are no more are dropped.
  void restore(std::vector<Delivery> saved);

 private:
  static constexpr Duration first_wait = std::chrono::seconds{1};
  static constexpr Duration longest_wait = std::chrono::minutes{5};
  static constexpr Duration longest_wish = std::chrono::hours{1};
  static constexpr std::chrono::hours kept{24};
  struct Queue {
    std::deque<Delivery> waiting;
    unsigned attempts = 0;  ///< of the first
    host::MonoTime next{};  ///< not before
    Counts counts;
  };
  [[nodiscard]] const Queue* find(std::string_view channel) const;

  std::map<std::string, Queue, std::less<>> queues_;
  std::uint64_t last_id_ = 0;
  std::mt19937_64 random_;
};

}  // namespace hotwell::monitor

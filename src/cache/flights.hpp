/// Flights: one computation per key however many ask. The first asker of a key leads; who comes while the flight
/// lasts waits in it. The cache owns them, the pool never coalesces.
///
/// The protocol of a leader, which keeps "1,000 askers, one computation" true:
///   1. join(); if not leader, wait;
///   2. look in the cache once more: the flight before may have ended between this asker's miss and its join;
///   3. compute, publish() each attempt's Growing, seal the object into the cache;
///   4. complete(), which removes the flight from the table: the object was visible before.
/// The leader may leave like everybody else: the work goes on as long as one seat is taken.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <hotwell/body.hpp>
#include <hotwell/cache.hpp>

namespace hotwell::cache {

class Flights;

/// One asker's callbacks; both may be empty. Called under no lock, on the thread that publishes, completes or joins.
struct Waiter {
  /// For each attempt that may be followed: at once if one is under way, then for each new one.
  std::function<void(const std::shared_ptr<Growing>&)> on_growing;
  /// Exactly once, unless the waiter left before.
  std::function<void(const Result<Object>&)> on_end;
};

/// Threads: any.
class Flight {
 public:
  Flight(Flights& flights, std::string key);

  [[nodiscard]] const std::string& key() const { return key_; }
  /// What the last waiter's leaving starts, once: cancel the work. Called at once if everybody has left already.
  void on_abandoned(std::function<void()> abandoned);
  /// Announces an attempt's growing result to those who follow.
  void publish(std::shared_ptr<Growing> growing);
  /// Ends the flight: removed from the table, then every waiter is told. Later calls do nothing.
  void complete(Result<Object> result);
  /// Gives a seat up: its callbacks are not called any more (one that has begun on another thread may still run).
  /// When the last leaves, the flight is removed from the table and on_abandoned called.
  void leave(std::uint64_t seat);
  [[nodiscard]] std::size_t waiting() const;

 private:
  friend class Flights;
  enum class State : std::uint8_t { flying, ended, abandoned };
  /// 0 when the flight is over.
  std::uint64_t take_seat(Waiter& waiter, std::shared_ptr<Growing>& growing);

  Flights& flights_;
  const std::string key_;
  mutable std::mutex mutex_;
  State state_ = State::flying;
  std::uint64_t next_seat_ = 1;
  std::map<std::uint64_t, Waiter> seats_;
  std::shared_ptr<Growing> growing_;
  std::function<void()> abandoned_;
};

struct Joined {
  std::shared_ptr<Flight> flight;
  std::uint64_t seat = 0;
  bool leader = false;
};

/// The table of flights. Threads: any. Must outlive its flights' last complete() and leave().
class Flights {
 public:
  /// Takes a seat in the key's flight; starts one where there is none, and then `leader` is true.
  [[nodiscard]] Joined join(std::string_view key, Waiter waiter = {});
  [[nodiscard]] std::size_t size() const;

 private:
  friend class Flight;
  void remove(const Flight& flight);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace hotwell::cache

#include "cache/flights.hpp"

namespace hotwell::cache {

Flight::Flight(Flights& flights, std::string key) : flights_(flights), key_(std::move(key)) {}

void Flight::on_abandoned(std::function<void()> abandoned) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::abandoned) {
      abandoned_ = std::move(abandoned);
      return;
    }
  }
  abandoned();
}

void Flight::publish(std::shared_ptr<Growing> growing) {
  std::vector<std::function<void(const std::shared_ptr<Growing>&)>> followers;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::flying) return;
    growing_ = growing;
    for (const auto& [seat, waiter] : seats_)
      if (waiter.on_growing) followers.push_back(waiter.on_growing);
  }
  for (const auto& follow : followers) follow(growing);
}

void Flight::complete(Result<Object> result) {
  // Out of the table first: who asks from here on finds the object in the cache.
  flights_.remove(*this);
  std::map<std::uint64_t, Waiter> waiters;
  std::function<void()> abandoned;  // destroyed outside the lock: it may hold anything
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::flying) return;
    state_ = State::ended;
    waiters.swap(seats_);
    abandoned.swap(abandoned_);
    growing_.reset();
  }
  for (const auto& [seat, waiter] : waiters)
    if (waiter.on_end) waiter.on_end(result);
}

void Flight::leave(std::uint64_t seat) {
  Waiter left;
  std::function<void()> abandoned;
  {
    const std::lock_guard lock(mutex_);
    const auto found = seats_.find(seat);
    if (found == seats_.end()) return;
    left = std::move(found->second);
    seats_.erase(found);
    if (!seats_.empty()) return;
    state_ = State::abandoned;
    abandoned.swap(abandoned_);
    growing_.reset();
  }
  flights_.remove(*this);
  if (abandoned) abandoned();
}

std::size_t Flight::waiting() const {
  const std::lock_guard lock(mutex_);
  return seats_.size();
}

std::uint64_t Flight::take_seat(Waiter& waiter, std::shared_ptr<Growing>& growing) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::flying) return 0;
  growing = growing_;
  if (!growing || !waiter.on_growing) growing.reset();
  seats_.emplace(next_seat_, waiter);
  return next_seat_++;
}

Joined Flights::join(std::string_view key, Waiter waiter) {
  std::shared_ptr<Growing> growing;
  Joined joined;
  {
    const std::lock_guard lock(mutex_);
    auto& slot = flights_[std::string(key)];
    if (slot) joined = {slot, slot->take_seat(waiter, growing), false};
    if (joined.seat == 0) {
      // None, or one that is over and about to leave the table.
      slot = std::make_shared<Flight>(*this, std::string(key));
      joined = {slot, slot->take_seat(waiter, growing), true};
    }
  }
  if (growing) waiter.on_growing(growing);
  return joined;
}

std::size_t Flights::size() const {
  const std::lock_guard lock(mutex_);
  return flights_.size();
}

void Flights::remove(const Flight& flight) {
  const std::lock_guard lock(mutex_);
  if (const auto found = flights_.find(flight.key()); found != flights_.end() && found->second.get() == &flight)
    flights_.erase(found);
}

}  // namespace hotwell::cache

#include "monitor/outbox.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace hotwell::monitor {

Outbox::Outbox(std::vector<std::string> channels, std::uint64_t seed) : random_(seed) {
  for (auto& channel : channels) queues_.emplace(std::move(channel), Queue{});
}

void Outbox::set_channels(const std::vector<std::string>& channels) {
  decltype(queues_) next;
  for (const std::string& channel : channels) {
    if (auto stays = queues_.extract(channel))
      next.insert(std::move(stays));
    else
      next.emplace(channel, Queue{});
  }
  queues_ = std::move(next);
}

void Outbox::begin_anew(std::string_view channel) {
  const auto queue = queues_.find(channel);
  HOTWELL_ASSERT(queue != queues_.end());
  queue->second.attempts = 0;
  queue->second.next = {};
}

const Outbox::Queue* Outbox::find(std::string_view channel) const {
  const auto found = queues_.find(channel);
  return found == queues_.end() ? nullptr : &found->second;
}

void Outbox::put(const std::vector<Note>& notes, WallTime wall) {
  for (const auto& [channel, queue] : queues_) put_to(channel, notes, wall);
}

void Outbox::put_to(std::string_view channel, const std::vector<Note>& notes, WallTime wall) {
  Queue& queue = queues_.find(channel)->second;
  Delivery delivery;
  for (const Note& note : notes) {
    const bool waits = std::ranges::any_of(queue.waiting, [&](const Delivery& other) {
      return std::ranges::any_of(other.notes, [&](const Note& told) {
        return told.fingerprint == note.fingerprint && told.firing == note.firing && told.starts == note.starts;
      });
    });
    if (!waits) delivery.notes.push_back(note);
  }
  if (delivery.notes.empty()) return;
  delivery.id = ++last_id_;
  delivery.channel = channel;
  delivery.created = wall;
  queue.waiting.push_back(std::move(delivery));
}

std::optional<Delivery> Outbox::due(std::string_view channel, host::MonoTime now) const {
  const Queue* queue = find(channel);
  if (queue == nullptr || queue->waiting.empty() || now < queue->next) return std::nullopt;
  return queue->waiting.front();
}

std::optional<host::MonoTime> Outbox::next(std::string_view channel) const {
  const Queue* queue = find(channel);
  if (queue == nullptr || queue->waiting.empty()) return std::nullopt;
  return queue->next;
}

void Outbox::answered(std::string_view channel, std::uint64_t id, const Answer& answer, host::MonoTime now,
                      WallTime wall) {
  Queue& queue = queues_.find(channel)->second;
  HOTWELL_ASSERT(!queue.waiting.empty() && queue.waiting.front().id == id);
  queue.counts.last_error = answer.words;
  if (answer.kind == Answer::Kind::later && wall - queue.waiting.front().created < kept) {
    ++queue.counts.retried;
    Duration ceiling = first_wait;
    for (unsigned i = 0; i < queue.attempts && ceiling < longest_wait; ++i) ceiling *= 2;
    ceiling = std::min(ceiling, longest_wait);
    ++queue.attempts;
    // Half of it is left to chance, so that daemons that lost one receiver do not come back to it as one.
    std::uniform_int_distribution<Duration::rep> jitter(ceiling.count() / 2, ceiling.count());
    const Duration wished = std::min(answer.retry_after.value_or(Duration{0}), longest_wish);
    queue.next = now + std::max(Duration{jitter(random_)}, wished);
    return;
  }
  ++(answer.kind == Answer::Kind::delivered ? queue.counts.delivered : queue.counts.dropped);
  queue.waiting.pop_front();
  queue.attempts = 0;
  queue.next = now;
}

const Outbox::Counts& Outbox::counts(std::string_view channel) const {
  static const Counts none;
  const Queue* queue = find(channel);
  return queue == nullptr ? none : queue->counts;
}

std::size_t Outbox::pending(std::string_view channel) const {
  const Queue* queue = find(channel);
  return queue == nullptr ? 0 : queue->waiting.size();
}

std::vector<Delivery> Outbox::all() const {
  std::vector<Delivery> deliveries;
  for (const auto& [channel, queue] : queues_)
    deliveries.insert(deliveries.end(), queue.waiting.begin(), queue.waiting.end());
  return deliveries;
}

void Outbox::restore(std::vector<Delivery> saved) {
  for (auto& delivery : saved)
    if (const auto queue = queues_.find(delivery.channel); queue != queues_.end()) {
      delivery.id = ++last_id_;
      queue->second.waiting.push_back(std::move(delivery));
    }
}

}  // namespace hotwell::monitor

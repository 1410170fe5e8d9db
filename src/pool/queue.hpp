/// The order in which queued jobs get workers: deficit round robin over the three priorities, first come first served
/// inside one (deadlines before that).
///
/// A class is charged the worker time that its jobs use. While HIGH has credit left it is first; a class without
/// credit waits until no class that could run has any, then all get their weight in worker-seconds anew. So in a queue
/// of a few seconds' work HIGH is strictly first, under a lasting flood the classes share the workers by their
/// weights, and none ever starves. Debts outlast an empty queue; credit is never more than one round's.
/// Source: Shreedhar and Varghese, "Efficient fair queueing using deficit round robin" (1995).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <hotwell/event.hpp>

#include "base/assert.hpp"
#include "host/clock.hpp"

namespace hotwell::pool {

using JobNumber = std::uint64_t;
using TypeIndex = std::uint32_t;

/// Where a job stands in the queue.
struct Place {
  Priority priority = Priority::normal;
  TypeIndex type = 0;
  host::MonoTime deadline = host::MonoTime::max();
  std::uint64_t order = 0;  ///< of acceptance; a retried job keeps its own
};

class Queue {
 public:
  static constexpr Duration round = std::chrono::seconds{1};  ///< of worker time, times a class's weight

  Queue(std::size_t types, const std::array<unsigned, priority_count>& weights) {
    for (std::size_t c = 0; c < priority_count; ++c) {
      HOTWELL_ASSERT(weights[c] > 0);
      classes_[c].jobs.resize(types);
      quantum_[c] = round.count() * static_cast<std::int64_t>(weights[c]);
      credit_[c] = quantum_[c];
    }
  }

  /// `estimate`: the worker time that the job is expected to use.
  void push(JobNumber job, const Place& place, Duration estimate) {
    const bool fresh = list(place).emplace(Key{place.deadline, place.order}, Entry{job, estimate}).second;
    HOTWELL_ASSERT(fresh);
  }
  void erase(const Place& place) { list(place).erase(Key{place.deadline, place.order}); }

  /// Takes a job out to run it, and charges its class. Answers what was charged.
  Duration take(const Place& place) {
    auto& jobs = list(place);
    const auto entry = jobs.find(Key{place.deadline, place.order});
    HOTWELL_ASSERT(entry != jobs.end());
    const Duration estimate = entry->second.estimate;
    jobs.erase(entry);
    const auto c = static_cast<std::size_t>(place.priority);
    grant(credit_, rounds_needed(credit_, c));
    credit_[c] -= estimate.count();
    return estimate;
  }
  /// Corrects a charge by what was really used.
  void settle(Priority priority, Duration charged, Duration used) {
    auto& credit = credit_[static_cast<std::size_t>(priority)];
    credit = std::min(credit + charged.count() - used.count(), quantum_[static_cast<std::size_t>(priority)]);
  }

 private:
  using Key = std::pair<host::MonoTime, std::uint64_t>;
  struct Entry {
    JobNumber job;
    Duration estimate;
  };
  using Jobs = std::map<Key, Entry>;
  struct Class {
    std::vector<Jobs> jobs;  ///< by worker type
  };
  using Credit = std::array<std::int64_t, priority_count>;

 public:
  /// Walks the queue in the order in which its jobs would be taken one after the other. Jobs that were already walked
  /// past may be taken meanwhile; nothing may be pushed.
  class Scan {
   public:
    explicit Scan(const Queue& queue) : queue_(queue), credit_(queue.credit_) {
      const std::size_t types = queue.classes_[0].jobs.size();
      excluded_.resize(types);
      for (std::size_t c = 0; c < priority_count; ++c)
        for (const auto& jobs : queue.classes_[c].jobs) next_[c].push_back(jobs.begin());
    }
    /// No more jobs of this worker type.
    void exclude(TypeIndex type) { excluded_[type] = true; }

    [[nodiscard]] std::optional<JobNumber> next() {
      std::array<std::optional<TypeIndex>, priority_count> heads;
      std::optional<std::int64_t> rounds;
      for (std::size_t c = 0; c < priority_count; ++c) {
        heads[c] = head(c);
        if (!heads[c]) continue;
        const auto needed = queue_.rounds_needed(credit_, c);
        if (!rounds || needed < *rounds) rounds = needed;
      }
      if (!rounds) return std::nullopt;
      queue_.grant(credit_, *rounds);
      for (std::size_t c = 0; c < priority_count; ++c) {
        if (!heads[c] || credit_[c] <= 0) continue;
        auto& at = next_[c][*heads[c]];
        credit_[c] -= at->second.estimate.count();
        return (at++)->second.job;
      }
      return std::nullopt;
    }

   private:
    /// The type whose next job is first in class `c`.
    [[nodiscard]] std::optional<TypeIndex> head(std::size_t c) const {
      std::optional<TypeIndex> best;
      for (TypeIndex type = 0; type < excluded_.size(); ++type) {
        if (excluded_[type] || next_[c][type] == queue_.classes_[c].jobs[type].end()) continue;
        if (!best || next_[c][type]->first < next_[c][*best]->first) best = type;
      }
      return best;
    }

    const Queue& queue_;
    Credit credit_;
    std::array<std::vector<Jobs::const_iterator>, priority_count> next_;
    std::vector<bool> excluded_;
  };
  [[nodiscard]] Scan scan() const { return Scan{*this}; }

  [[nodiscard]] bool empty() const {
    for (const auto& c : classes_)
      for (const auto& jobs : c.jobs)
        if (!jobs.empty()) return false;
    return true;
  }

 private:
  [[nodiscard]] Jobs& list(const Place& place) {
    return classes_[static_cast<std::size_t>(place.priority)].jobs[place.type];
  }
  /// How many rounds have to be granted until class `c` has credit.
  [[nodiscard]] std::int64_t rounds_needed(const Credit& credit, std::size_t c) const {
    return credit[c] > 0 ? 0 : -credit[c] / quantum_[c] + 1;
  }
  void grant(Credit& credit, std::int64_t rounds) const {
    for (std::size_t c = 0; c < priority_count; ++c)
      credit[c] = rounds > 0 ? std::min(credit[c] + rounds * quantum_[c], quantum_[c]) : credit[c];
  }

  std::array<Class, priority_count> classes_;
  Credit quantum_{};
  Credit credit_{};
};

}  // namespace hotwell::pool

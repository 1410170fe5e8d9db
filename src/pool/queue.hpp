/// The order in which queued jobs get workers. Between the three priorities: deficit round robin, or strictly one
/// before the other. Inside a priority: tenants evenly, and a tenant's retries with a small share of what its first
/// attempts get. Inside those: deadlines, then first come first served.
///
/// A class is charged the worker time that its jobs use. While HIGH has credit left it is first; a class without
/// credit waits until no class that could run has any, then all get their weight in worker-seconds anew. So in a queue
/// of a few seconds' work HIGH is strictly first, under a lasting flood the classes share the workers by their
/// weights, and none ever starves. Debts outlast an empty queue; no more than one round's credit is ever saved up.
///
/// A line (a tenant's first attempts, or its retries) has a virtual time that advances by what its jobs use; the line
/// that is furthest behind is next. A line that was empty starts at its class's present: nothing is saved up by
/// waiting. A retry advances its line (1 - share) / share times as fast. Nothing is ever held back: with no others in
/// the queue retries run as everybody does.
///
/// Source: Shreedhar and Varghese, "Efficient fair queueing using deficit round robin" (1995); Goyal, Vin and Cheng,
/// "Start-time fair queueing" (1996).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <hotwell/event.hpp>

#include "host/clock.hpp"

namespace hotwell::pool {

using JobNumber = std::uint64_t;
using TypeIndex = std::uint32_t;
using TenantIndex = std::uint32_t;

/// Where a job stands in the queue.
struct Place {
  Priority priority = Priority::normal;
  TypeIndex type = 0;
  host::MonoTime deadline = host::MonoTime::max();
  std::uint64_t order = 0;  ///< of acceptance; a retried job keeps its own
  TenantIndex tenant = 0;   ///< what Queue::enter answered; 0 is nobody's
  bool retry = false;
};

class Queue {
  using Key = std::pair<host::MonoTime, std::uint64_t>;
  struct Entry {
    JobNumber job;
    Duration estimate;
  };
  using Jobs = std::map<Key, Entry>;
  using Credit = std::array<std::int64_t, priority_count>;
  using LineIndex = std::uint32_t;

 public:
  static constexpr Duration round = std::chrono::seconds{1};  ///< of worker time, times a class's weight

  using Weights = std::array<unsigned, priority_count>;
  Queue(std::size_t types, const Weights& weights);

  void set_weights(const Weights& weights);
  /// Strictly one class before the other, whatever they have used.
  void set_strict(bool strict);
  /// Precondition: 0 < share < 1.
  void set_retry_share(double share);

  /// A tenant's index, while one of its jobs is anywhere in the pool: every enter() wants its leave().
  TenantIndex enter(const std::string& tenant);
  void leave(TenantIndex tenant);

  /// `estimate`: the worker time that the job is expected to use.
  void push(JobNumber job, const Place& place, Duration estimate);
  void erase(const Place& place);
  /// Takes a job out to run it, and charges its class and its line. Answers what was charged.
  Duration take(const Place& place);
  /// Corrects a charge by what was really used.
  void settle(const Place& place, Duration charged, Duration used);

  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// Jobs of one class.
  [[nodiscard]] std::size_t size(Priority priority) const { return classes_[static_cast<std::size_t>(priority)].count; }

  /// Walks the queue in the order in which its jobs would be taken one after the other. Jobs that were already walked
  /// past may be taken or erased meanwhile; nothing may be pushed.
  class Scan {
   public:
    explicit Scan(const Queue& queue) : queue_(queue), credit_(queue.credit_) {}
    /// No more jobs of this worker type.
    void exclude(TypeIndex type);
    [[nodiscard]] std::optional<JobNumber> next();

   private:
    /// A line that was walked into: where it would stand now.
    struct Walked {
      std::size_t in;
      LineIndex line;
      std::int64_t time;
      std::vector<Jobs::const_iterator> next;  ///< by type
    };
    struct Head {
      LineIndex line;
      TypeIndex type;
      std::int64_t time;
      Key key;
    };
    [[nodiscard]] bool is_excluded(TypeIndex type) const { return type < excluded_.size() && excluded_[type]; }
    [[nodiscard]] Walked* find(std::size_t in, LineIndex line);
    [[nodiscard]] std::optional<Head> head(std::size_t in);
    JobNumber step(std::size_t in, const Head& head);

    const Queue& queue_;
    Credit credit_;
    std::vector<Walked> walked_;
    std::vector<bool> excluded_;
  };
  [[nodiscard]] Scan scan() const { return Scan{*this}; }

 private:
  struct Line {
    std::int64_t time = 0;   ///< virtual, in nanoseconds
    std::size_t count = 0;   ///< jobs of all types
    std::vector<Jobs> jobs;  ///< by worker type
  };
  struct Class {
    std::vector<Line> lines;  ///< two a tenant: first attempts, retries
    /// By worker type: the lines that have jobs of it, the one furthest behind first.
    std::vector<std::set<std::pair<std::int64_t, LineIndex>>> order;
    std::int64_t time = 0;  ///< where the line was that was served last
    std::size_t count = 0;
  };
  struct Tenant {
    std::string name;
    std::size_t jobs = 0;
  };

  static LineIndex line_of(const Place& place) { return 2 * place.tenant + (place.retry ? 1 : 0); }
  [[nodiscard]] Class& class_of(const Place& place) { return classes_[static_cast<std::size_t>(place.priority)]; }
  [[nodiscard]] std::int64_t pace(LineIndex line, Duration used) const {
    return line % 2 == 0 ? used.count() : static_cast<std::int64_t>(static_cast<double>(used.count()) * retry_pace_);
  }
  void move(Class& in, LineIndex line, std::int64_t to);
  Entry remove(const Place& place);
  [[nodiscard]] bool is_forgotten(TenantIndex tenant) const;
  /// How many rounds have to be granted until class `c` has credit.
  [[nodiscard]] std::int64_t rounds_needed(const Credit& credit, std::size_t c) const {
    return credit[c] > 0 ? 0 : -credit[c] / quantum_[c] + 1;
  }
  void grant(Credit& credit, std::int64_t rounds) const;

  std::size_t types_;
  std::array<Class, priority_count> classes_;
  Credit quantum_{};
  Credit credit_{};
  bool strict_ = false;
  double retry_pace_ = 9;
  std::size_t count_ = 0;
  std::vector<Tenant> tenants_;
  std::unordered_map<std::string, TenantIndex> indices_;
  std::set<TenantIndex> idle_;  ///< tenants without a job, whose place may be given away
};

}  // namespace hotwell::pool

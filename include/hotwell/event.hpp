/// Typed events: subscribe with `on<Event>(...)`, keep the Subscription as long as you want to be called.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <hotwell/result.hpp>
#include <hotwell/units.hpp>

namespace hotwell {

enum class Level : std::uint8_t { memory, disk, stream, remote };
[[nodiscard]] std::string_view to_string(Level level) noexcept;

enum class Priority : std::uint8_t { high, normal, low };
inline constexpr std::size_t priority_count = 3;
[[nodiscard]] std::string_view to_string(Priority priority) noexcept;
[[nodiscard]] Result<Priority> parse_priority(std::string_view text);

// Data events (cache): may be many. State events (jobs, workers, alerts, knobs): never dropped.
struct CacheHit {
  std::string key;
  Level level;
  Bytes size;
};
struct CacheMiss {
  std::string key;
};
struct CacheSet {
  std::string key;
  Level level;
  Bytes size;
};
struct CachePromotion {
  std::string key;
  Level from;
  Level to;
  Bytes size;
};
struct CacheDemotion {
  std::string key;
  Level from;
  Level to;
  Bytes size;
};
struct CacheEviction {
  std::string key;
  Level level;
  Bytes size;
  std::string reason;
};
struct CacheExpiry {
  std::string key;
  Level level;
  Bytes size;
};
struct CacheDelete {
  std::string key;
};

struct JobQueued {
  std::string job_id;
  std::string operation;
  Priority priority;
};
struct JobStarted {
  std::string job_id;
  std::string operation;
  std::string worker;
  unsigned attempt;
};
struct JobProgress {
  std::string job_id;
  std::string operation;
  double progress;
};
struct JobRetrying {
  std::string job_id;
  std::string operation;
  Error error;
  Duration delay;
  std::string stderr_tail{};  ///< of the attempt that failed, at most 4 KiB
};
struct JobCompleted {
  std::string job_id;
  std::string operation;
  Duration duration;
  Bytes size;
};
struct JobFailed {
  std::string job_id;
  std::string operation;
  Error error;
};
struct JobDead {
  std::string job_id;
  std::string operation;
  Error error;
};
struct JobCancelled {
  std::string job_id;
  std::string operation;
};
struct WorkerStarted {
  std::string worker;
  std::string type;
};
struct WorkerExited {
  std::string worker;
  std::string type;
  std::string reason;
};

enum class Severity : std::uint8_t { info, warning, critical };
[[nodiscard]] std::string_view to_string(Severity severity) noexcept;
struct Alert {
  std::string type;
  double value;
  double threshold;
  Severity severity;
};
struct AlertResolved {
  std::string type;
  double value;
  double threshold;
  Severity severity;
};
struct KnobChanged {
  std::string name;
  double from;
  double to;
  std::string set_by;
  std::string why;
};

/// Ends its subscription with its scope. After reset() returns, a call that had already begun on another thread may
/// still be running; no new one starts.
class Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::shared_ptr<void> token) : token_(std::move(token)) {}
  void reset() { token_.reset(); }

 private:
  std::shared_ptr<void> token_;
};

namespace detail {

/// A number that no other channel has or had.
[[nodiscard]] std::uint64_t next_channel_number() noexcept;

/// One event type's listeners. Publishing without a listener costs one relaxed load and a branch; with listeners each
/// thread goes by the immutable list that it knows from last time, so that it takes a lock only after a change, and
/// none while a listener runs.
template <class E>
class Channel {
 public:
  using Listener = std::function<void(const E&)>;

  Subscription on(Listener listener) {
    auto mine = std::make_shared<Listener>(std::move(listener));
    const std::lock_guard lock(shared_->mutex);
    auto next = std::make_shared<List>();
    for (const auto& weak : *shared_->list)
      if (!weak.expired()) next->push_back(weak);
    next->push_back(mine);
    shared_->list = std::move(next);
    shared_->version.fetch_add(1, std::memory_order_release);
    shared_->listeners.fetch_add(1, std::memory_order_relaxed);
    // The token keeps the listener and counts it out; the channel may be gone by then.
    return Subscription(std::shared_ptr<void>(mine.get(), [mine, shared = shared_](void*) mutable {
      mine.reset();
      shared->listeners.fetch_sub(1, std::memory_order_relaxed);
    }));
  }

  [[nodiscard]] bool any() const noexcept { return shared_->listeners.load(std::memory_order_relaxed) != 0; }

  void publish(const E& event) const {
    if (any()) [[unlikely]]
      deliver(event);
  }

 private:
  using List = std::vector<std::weak_ptr<Listener>>;
  struct Shared {
    const std::uint64_t number = next_channel_number();
    std::atomic<std::uint32_t> listeners{0};
    std::atomic<std::uint64_t> version{0};  ///< of the list
    std::mutex mutex;
    std::shared_ptr<const List> list = std::make_shared<List>();
  };

  /// What a thread knows of the channel of this type that it published to last. An ended subscription in it is passed
  /// over like in the list itself.
  struct Known {
    std::uint64_t channel = 0;
    std::uint64_t version = 0;
    std::shared_ptr<const List> list{};
    bool in_use = false;  ///< a listener that publishes itself must not change what is gone through
  };

  void deliver(const E& event) const {
    thread_local Known known;
    if (known.in_use) return tell(*current().list, event);
    const auto version = shared_->version.load(std::memory_order_acquire);
    if (known.channel != shared_->number || known.version != version) known = current();
    known.in_use = true;
    tell(*known.list, event);
    known.in_use = false;
  }
  [[nodiscard]] Known current() const {
    const std::lock_guard lock(shared_->mutex);
    return {shared_->number, shared_->version.load(std::memory_order_relaxed), shared_->list};
  }
  static void tell(const List& list, const E& event) {
    for (const auto& weak : list)
      if (auto listener = weak.lock()) (*listener)(event);
  }

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace detail

/// The channels of a closed list of event types.
/// Threads: everything may be called from any thread. Listeners run on the publishing thread and must not block;
/// what they throw is logged nowhere and ends the program, as from any noexcept edge.
template <class... Events>
class EventHub {
 public:
  template <class E>
  [[nodiscard]] Subscription on(std::function<void(const E&)> listener) {
    return std::get<detail::Channel<E>>(channels_).on(std::move(listener));
  }
  /// True if somebody listens: build costly events only then.
  template <class E>
  [[nodiscard]] bool any() const noexcept {
    return std::get<detail::Channel<E>>(channels_).any();
  }
  template <class E>
  void publish(const E& event) const noexcept {
    std::get<detail::Channel<E>>(channels_).publish(event);
  }

 private:
  std::tuple<detail::Channel<Events>...> channels_;
};

using CacheEvents =
    EventHub<CacheHit, CacheMiss, CacheSet, CachePromotion, CacheDemotion, CacheEviction, CacheExpiry, CacheDelete>;
using PoolEvents = EventHub<JobQueued, JobStarted, JobProgress, JobRetrying, JobCompleted, JobFailed, JobDead,
                            JobCancelled, WorkerStarted, WorkerExited>;
using MonitorEvents = EventHub<Alert, AlertResolved>;

}  // namespace hotwell

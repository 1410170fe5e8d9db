#include "server/event_feed.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <deque>
#include <mutex>

#include <fmt/format.h>

#include "server/json_writer.hpp"

namespace hotwell::server {
namespace {

constexpr std::size_t kept_events = 1'000;       // for Last-Event-ID
constexpr std::size_t listener_limit = 1 << 20;  // bytes that a listener may be behind

// Each event type: its name and its members. The order numbers the types.
void describe(JsonWriter& json, const CacheHit& e) {
  json.member("key", std::string_view(e.key)).member("level", to_string(e.level)).member("size", e.size.count);
}
void describe(JsonWriter& json, const CacheMiss& e) { json.member("key", std::string_view(e.key)); }
void describe(JsonWriter& json, const CacheSet& e) {
  json.member("key", std::string_view(e.key)).member("level", to_string(e.level)).member("size", e.size.count);
}
void describe_move(JsonWriter& json, const std::string& key, Level from, Level to, Bytes size) {
  json.member("key", std::string_view(key))
      .member("from", to_string(from))
      .member("to", to_string(to))
      .member("size", size.count);
}
void describe(JsonWriter& json, const CachePromotion& e) { describe_move(json, e.key, e.from, e.to, e.size); }
void describe(JsonWriter& json, const CacheDemotion& e) { describe_move(json, e.key, e.from, e.to, e.size); }
void describe(JsonWriter& json, const CacheEviction& e) {
  json.member("key", std::string_view(e.key))
      .member("level", to_string(e.level))
      .member("size", e.size.count)
      .member("reason", std::string_view(e.reason));
}
void describe(JsonWriter& json, const CacheExpiry& e) {
  json.member("key", std::string_view(e.key)).member("level", to_string(e.level)).member("size", e.size.count);
}
void describe(JsonWriter& json, const CacheDelete& e) { json.member("key", std::string_view(e.key)); }

template <class E>
JsonWriter& job_members(JsonWriter& json, const E& e) {
  return json.member("jobId", std::string_view(e.job_id)).member("operation", std::string_view(e.operation));
}
void error_member(JsonWriter& json, const Error& error) {
  json.key("error")
      .begin_object()
      .member("code", to_string(error.code))
      .member("message", std::string_view(error.message))
      .end_object();
}
double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void describe(JsonWriter& json, const JobQueued& e) { job_members(json, e).member("priority", to_string(e.priority)); }
void describe(JsonWriter& json, const JobStarted& e) {
  job_members(json, e).member("worker", std::string_view(e.worker)).member("attempt", e.attempt);
}
void describe(JsonWriter& json, const JobProgress& e) { job_members(json, e).member("progress", e.progress); }
void describe(JsonWriter& json, const JobRetrying& e) {
  error_member(job_members(json, e).member("delay", seconds(e.delay)), e.error);
}
void describe(JsonWriter& json, const JobCompleted& e) {
  job_members(json, e).member("duration", seconds(e.duration)).member("size", e.size.count);
}
void describe(JsonWriter& json, const JobFailed& e) { error_member(job_members(json, e), e.error); }
void describe(JsonWriter& json, const JobDead& e) { error_member(job_members(json, e), e.error); }
void describe(JsonWriter& json, const JobCancelled& e) { job_members(json, e); }
void describe(JsonWriter& json, const WorkerStarted& e) {
  json.member("worker", std::string_view(e.worker)).member("type", std::string_view(e.type));
}
void describe(JsonWriter& json, const WorkerExited& e) {
  json.member("worker", std::string_view(e.worker))
      .member("type", std::string_view(e.type))
      .member("reason", std::string_view(e.reason));
}
template <class E>
void describe_alert(JsonWriter& json, const E& e) {
  json.member("type", std::string_view(e.type))
      .member("value", e.value)
      .member("threshold", e.threshold)
      .member("severity", to_string(e.severity));
}
void describe(JsonWriter& json, const Alert& e) { describe_alert(json, e); }
void describe(JsonWriter& json, const AlertResolved& e) { describe_alert(json, e); }
void describe(JsonWriter& json, const KnobChanged& e) {
  json.member("name", std::string_view(e.name))
      .member("from", e.from)
      .member("to", e.to)
      .member("setBy", std::string_view(e.set_by))
      .member("why", std::string_view(e.why));
}

enum Type : std::size_t {
  cache_hit,
  cache_miss,
  cache_set,
  cache_promotion,
  cache_demotion,
  cache_eviction,
  cache_expiry,
  cache_delete,
  job_queued,
  job_started,
  job_progress,
  job_retrying,
  job_completed,
  job_failed,
  job_dead,
  job_cancelled,
  worker_started,
  worker_exited,
  alert,
  alert_resolved,
  knob_changed,
  type_count
};
constexpr std::array<std::string_view, type_count> names{
    "cacheHit",    "cacheMiss",    "cacheSet",      "cachePromotion", "cacheDemotion", "cacheEviction", "cacheExpiry",
    "cacheDelete", "jobQueued",    "jobStarted",    "jobProgress",    "jobRetrying",   "jobCompleted",  "jobFailed",
    "jobDead",     "jobCancelled", "workerStarted", "workerExited",   "alert",         "alertResolved", "knobChanged"};
using Types = std::bitset<type_count>;

}  // namespace

const std::vector<std::string_view>& event_names() {
  static const std::vector<std::string_view> all(names.begin(), names.end());
  return all;
}

// What publishers and listeners share.
class EventFeed::Shared : public std::enable_shared_from_this<EventFeed::Shared> {
 public:
  struct Event {
    std::uint64_t number;
    std::size_t type;
    std::shared_ptr<const std::string> text;
  };

  void join(const std::shared_ptr<Listener>& listener, std::optional<std::uint64_t> after, Engine& engine);
  void leave();
  /// Wakes every listener for the last time.
  void end();

 private:
  template <class E>
  void publish(std::size_t type, const E& event);
  template <class E, class Source>
  void subscribe(Source& source, std::size_t type) {
    subscriptions_.push_back(source.template on<E>([this_weak = weak_from_this(), type](const E& event) {
      if (const auto self = this_weak.lock()) self->publish(type, event);
    }));
  }
  void subscribe_all(Engine& engine);

  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::deque<Event> kept_;
  std::vector<std::weak_ptr<Listener>> listeners_;
  std::size_t listening_ = 0;
  std::vector<Subscription> subscriptions_;
};

class EventFeed::Listener final : public ChunkSource {
 public:
  Listener(std::shared_ptr<Shared> shared, Types types) : shared_(std::move(shared)), types_(types) {}
  ~Listener() override { shared_->leave(); }

  // The publisher's side; true where somebody has to be woken.
  void push(const Shared::Event& event) {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      if (!types_.test(event.type) || state_ != Taken::none_yet) return;
      pending_ += *event.text;
      if (pending_.size() > listener_limit) state_ = Taken::broken;
      wake = std::exchange(wake_, nullptr);
    }
    if (wake) wake();
  }
  void end() {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      state_ = Taken::end;
      wake = std::exchange(wake_, nullptr);
    }
    if (wake) wake();
  }

  Taken take(Piece& piece, std::size_t limit) override {
    const std::lock_guard lock(mutex_);
    if (state_ == Taken::broken) return state_;
    const auto size = std::min(pending_.size(), limit);
    piece.text.assign(pending_, 0, size);
    pending_.erase(0, size);
    if (state_ == Taken::end && pending_.empty()) return state_;
    return size > 0 ? Taken::some : Taken::none_yet;
  }
  void on_change(std::function<void()> wake) override {
    {
      const std::lock_guard lock(mutex_);
      if (pending_.empty() && state_ == Taken::none_yet) {
        wake_ = std::move(wake);
        return;
      }
    }
    wake();
  }
  bool is_broken() override {
    const std::lock_guard lock(mutex_);
    return state_ == Taken::broken;
  }
  bool endless() const override { return true; }

 private:
  std::shared_ptr<Shared> shared_;
  const Types types_;
  std::mutex mutex_;
  std::string pending_ = ": listening\n\n";
  Taken state_ = Taken::none_yet;
  std::function<void()> wake_;
};

template <class E>
void EventFeed::Shared::publish(std::size_t type, const E& event) {
  JsonWriter json;
  json.begin_object();
  describe(json, event);
  json.end_object();
  std::vector<std::shared_ptr<Listener>> listeners;
  {
    // The numbers are given and handed on under one lock, so that every listener sees them rise.
    const std::lock_guard lock(mutex_);
    ++last_;
    auto text = fmt::format("id: {}\nevent: {}\ndata: {}\n\n", last_, names[type], json.take());
    kept_.push_back({last_, type, std::make_shared<const std::string>(std::move(text))});
    if (kept_.size() > kept_events) kept_.pop_front();
    std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
    for (const auto& weak : listeners_)
      if (auto listener = weak.lock()) {
        listener->push(kept_.back());
        listeners.push_back(std::move(listener));  // if this is the last owner, it must go after the lock
      }
  }
}

void EventFeed::Shared::join(const std::shared_ptr<Listener>& listener, std::optional<std::uint64_t> after,
                             Engine& engine) {
  const std::lock_guard lock(mutex_);
  if (listening_++ == 0) subscribe_all(engine);
  listeners_.push_back(listener);
  if (!after) return;
  for (const auto& event : kept_)
    if (event.number > *after) listener->push(event);
}

void EventFeed::Shared::leave() {
  std::vector<Subscription> ended;  // go after the lock
  const std::lock_guard lock(mutex_);
  if (--listening_ == 0) ended = std::move(subscriptions_);
}

void EventFeed::Shared::end() {
  std::vector<std::shared_ptr<Listener>> listeners;
  std::vector<Subscription> ended;
  {
    const std::lock_guard lock(mutex_);
    ended = std::move(subscriptions_);
    for (const auto& weak : listeners_)
      if (auto listener = weak.lock()) listeners.push_back(std::move(listener));
  }
  for (const auto& listener : listeners) listener->end();
}

void EventFeed::Shared::subscribe_all(Engine& engine) {
  auto& cache = engine.cache();
  subscribe<CacheHit>(cache, cache_hit);
  subscribe<CacheMiss>(cache, cache_miss);
  subscribe<CacheSet>(cache, cache_set);
  subscribe<CachePromotion>(cache, cache_promotion);
  subscribe<CacheDemotion>(cache, cache_demotion);
  subscribe<CacheEviction>(cache, cache_eviction);
  subscribe<CacheExpiry>(cache, cache_expiry);
  subscribe<CacheDelete>(cache, cache_delete);
  auto& pool = engine.pool();
  subscribe<JobQueued>(pool, job_queued);
  subscribe<JobStarted>(pool, job_started);
  subscribe<JobProgress>(pool, job_progress);
  subscribe<JobRetrying>(pool, job_retrying);
  subscribe<JobCompleted>(pool, job_completed);
  subscribe<JobFailed>(pool, job_failed);
  subscribe<JobDead>(pool, job_dead);
  subscribe<JobCancelled>(pool, job_cancelled);
  subscribe<WorkerStarted>(pool, worker_started);
  subscribe<WorkerExited>(pool, worker_exited);
  auto& monitor = engine.monitor();
  subscribe<Alert>(monitor, alert);
  subscribe<AlertResolved>(monitor, alert_resolved);
  subscriptions_.push_back(engine.knobs().on_change([weak = weak_from_this()](const KnobChanged& event) {
    if (const auto self = weak.lock()) self->publish(knob_changed, event);
  }));
}

EventFeed::EventFeed(Engine& engine) : engine_(engine), shared_(std::make_shared<Shared>()) {}

EventFeed::~EventFeed() { shared_->end(); }

std::shared_ptr<ChunkSource> EventFeed::listen(const std::vector<std::string>& types,
                                               std::optional<std::uint64_t> after) {
  Types wanted;
  if (types.empty()) wanted.set();
  for (const auto& type : types) wanted.set(static_cast<std::size_t>(std::ranges::find(names, type) - names.begin()));
  auto listener = std::make_shared<Listener>(shared_, wanted);
  shared_->join(listener, after, engine_);
  return listener;
}

}  // namespace hotwell::server

/// EventFeed: what happens in the engine, as server-sent events for any number of listeners.
///
/// Invariants:
/// - Nobody listening costs nothing: the feed subscribes with its first listener and leaves with its last.
/// - Whoever publishes never waits for a listener: what a listener does not fetch in time is kept up to a limit, then
///   the listener is cut off. It may come back with Last-Event-ID for what it missed, as far as that is kept.
/// - Every event has one number, larger than those before; all listeners see the same numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <hotwell/engine.hpp>

#include "server/chunk_source.hpp"

namespace hotwell::server {

/// The names that `types` may list: "cacheHit", "jobQueued", ...
[[nodiscard]] const std::vector<std::string_view>& event_names();

/// Threads: any. The engine must outlive it; sources may outlive both.
class EventFeed {
 public:
  explicit EventFeed(Engine& engine);
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  /// Events of `types` (all, where it is empty) from now on, or from behind number `after`.
  /// Precondition: `types` are among event_names().
  [[nodiscard]] std::shared_ptr<ChunkSource> listen(const std::vector<std::string>& types,
                                                    std::optional<std::uint64_t> after);

 private:
  class Shared;
  class Listener;
  Engine& engine_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace hotwell::server

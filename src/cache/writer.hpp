/// CacheWriter: the sink of one attempt, which its readers can follow and which becomes an object when sealed.
#pragma once

#include <memory>

#include <hotwell/body.hpp>
#include <hotwell/cache.hpp>

namespace hotwell::cache {

/// Ownership: its file until sealed; an unsealed writer's destruction abandons. Threads: one producer; growing() and
/// object() from any thread.
/// Errors of write, advance and seal: disk_full, too_large (more than a tier may ever hold), overloaded (what is there
/// is held by readers or other writers), io. After an error nothing of the attempt is left to serve: abandon it.
class CacheWriter : public Sink {
 public:
  /// Unique among all attempts, across restarts.
  [[nodiscard]] virtual std::uint64_t generation() const = 0;
  /// What followers read. The same for the writer's whole life; it outlives the writer.
  [[nodiscard]] virtual std::shared_ptr<Growing> growing() const = 0;
  /// Before the end an object whose body is growing(); after seal() the sealed object (a Buffer or a FileSlice).
  [[nodiscard]] virtual Object object() const = 0;
};

}  // namespace hotwell::cache

/// Where results of computations go: sinks of the cache that are sealed only if the input still is what it was when the
/// key was made.
#pragma once

#include <memory>
#include <optional>

#include <hotwell/cache.hpp>

#include "cache/writer.hpp"
#include "engine/input.hpp"

namespace hotwell::engine {

/// What the sealing of an attempt leaves for the engine's thread, which reads it after the attempt ended.
struct Sealing {
  std::optional<Object> object;
  bool input_changed = false;
};

/// For a worker that writes by descriptor; its followers read what it has written.
[[nodiscard]] std::unique_ptr<Sink> file_sink(std::unique_ptr<cache::CacheWriter> writer, ResolvedInput input,
                                              std::shared_ptr<Sealing> sealing);
/// For a worker that answers with the result: nothing is made before it is there. Without a key the object is its
/// holder's alone. Precondition: nobody asks for a descriptor.
[[nodiscard]] std::unique_ptr<Sink> inline_sink(Cache& cache, std::string key, SetOptions options, ResolvedInput input,
                                                std::shared_ptr<Sealing> sealing);

}  // namespace hotwell::engine

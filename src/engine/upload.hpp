/// Uploads: a request's body as a job's input, hashed as it comes, so that the same bytes sent twice are one input.
#pragma once

#include <memory>

#include <hotwell/engine.hpp>
#include "cache/writer.hpp"

namespace hotwell::engine {

/// `writer` is where the bytes go: a private object of the cache, so that uploads count against the disk limit.
[[nodiscard]] std::unique_ptr<Engine::Upload> receive_upload(std::unique_ptr<cache::CacheWriter> writer);

}  // namespace hotwell::engine

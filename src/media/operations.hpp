/// The operations themselves, one function each; see handlers.hpp.
#pragma once

#include <hotwell/worker.hpp>

#include "media/warm_inputs.hpp"

namespace hotwell::media {

[[nodiscard]] Result<worker::Reply> probe(worker::Task& task, WarmInputs& inputs);
[[nodiscard]] Result<worker::Reply> thumbnail(worker::Task& task, WarmInputs& inputs);
[[nodiscard]] Result<worker::Reply> transcode(worker::Task& task);

}  // namespace hotwell::media

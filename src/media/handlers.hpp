/// The operations of the media worker.
///
///  - `probe`: what is in the input, as JSON.
///  - `thumbnail`: the picture shown at a time, as JPEG, PNG or WebP. `width` and `height` are a box. Still pictures
///    (an animated GIF's first) and cover art are shown whatever `at` says.
///  - `transcode`: another container, other codecs, a part, another size.
///
/// Every operation reads input 0 and nothing else.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <hotwell/worker.hpp>

#include "media/warm_inputs.hpp"

namespace hotwell::media {

/// By operation. The handlers share `inputs`, which they keep alive.
/// Threads: one; all handlers of one call together.
[[nodiscard]] std::map<std::string, worker::Handler, std::less<>> handlers(
    std::shared_ptr<WarmInputs> inputs = std::make_shared<WarmInputs>());

}  // namespace hotwell::media

/// "Did you mean ...?": the known name that a mistyped one is nearest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hotwell::engine {

/// `; did you mean "max_workers"?`, or nothing where no candidate is near enough to be meant: at most a third of the
/// letters differ (inserted, left out, replaced or two neighbours swapped).
[[nodiscard]] std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace hotwell::engine

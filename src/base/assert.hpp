/// HOTWELL_ASSERT: a bug is an assertion, on in every build. It names the condition and its place, then aborts.
#pragma once

namespace hotwell::base {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;
}

#define HOTWELL_ASSERT(condition) \
  (static_cast<bool>(condition) ? void() : ::hotwell::base::assertion_failed(#condition, __FILE__, __LINE__))

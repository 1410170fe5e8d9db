/// The blocking way to a body's bytes, whatever it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <hotwell/body.hpp>

namespace hotwell::cache {

/// Reads from `offset` on into `into`, at least one byte unless the body ends there; returns how many, 0 at the end.
/// Waits where a growing body has not come so far. Errors: io; that of an attempt which was abandoned.
[[nodiscard]] Result<std::size_t> read_at(const Body& body, std::uint64_t offset, std::span<std::byte> into);

/// The whole body, waiting for its end. Errors: as read_at().
[[nodiscard]] Result<Buffer> read_all(const Body& body);

}  // namespace hotwell::cache

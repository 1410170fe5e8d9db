/// Delivery: turns an object, stored or still growing, into the answer that the request's method, conditions and
/// ranges ask for. Shared by cache objects, results of jobs and media.
///
/// A growing result is followed as it is made. What cannot be said of one (its length for HEAD or HTTP/1.0, a range
/// counted from its end) is answered once it is whole; a range whose bytes are final is answered at once.
#pragma once

#include <string>

#include <hotwell/engine.hpp>

#include "server/conditions.hpp"
#include "server/exchange.hpp"

namespace hotwell::server {

struct Delivery {
  Object object;
  std::string_view cache_status;  ///< RFC 9211: "hotwell; hit; detail=memory"; a literal
  std::string server_timing;      ///< "read;dur=0.021"
};

[[nodiscard]] Conditions conditions_of(const Request& request);
/// "queue;dur=0.120": one metric of a Server-Timing field.
[[nodiscard]] std::string timing(std::string_view name, Duration duration);
[[nodiscard]] std::string_view hit_status(Level level);
[[nodiscard]] std::string_view cache_status_of(const Fetched& fetched);

/// Answers with the object, now or once enough of it is there.
void deliver(Exchange& exchange, Delivery delivery);
/// Answers with what an engine's look-up came to; a job's error ends the request as that error.
void deliver(Exchange& exchange, Result<Fetched> fetched);

}  // namespace hotwell::server

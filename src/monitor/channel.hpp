/// A channel: how one receiver is spoken to. Blocking; the desk gives each a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <hotwell/monitor.hpp>

#include "host/clock.hpp"
#include "monitor/alerts.hpp"
#include "monitor/outbox.hpp"

namespace hotwell::monitor {

class AlertChannel {
 public:
  virtual ~AlertChannel() = default;
  /// Speaks to the receiver and waits for its answer. Precondition: `notes` is not empty. Cancellation: `stop`; the
  /// answer is then `later`.
  [[nodiscard]] virtual Answer send(const std::vector<Note>& notes, const std::stop_token& stop) = 0;
  /// Receivers that forget what fires unless they are told again want to be.
  [[nodiscard]] virtual bool forgets() const { return false; }
};

/// Reads the secrets that the options name. Errors: invalid_argument, naming the channel and what is missing; a
/// secret is in no message.
[[nodiscard]] Result<std::unique_ptr<AlertChannel>> make_channel(const ChannelOptions& options,
                                                                 const host::Clock& clock);

}  // namespace hotwell::monitor

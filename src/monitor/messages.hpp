/// What channels' receivers want to read: notifications rendered as they expect them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "monitor/alerts.hpp"

namespace hotwell::monitor {

/// Alertmanager's webhook body. Source: Alertmanager documentation, "<webhook_config>", version 4.
[[nodiscard]] std::string webhook_body(const std::vector<Note>& notes, std::string_view receiver);
/// The list that Alertmanager's POST /api/v2/alerts takes.
[[nodiscard]] std::string alertmanager_body(const std::vector<Note>& notes);
/// Slack's incoming webhooks.
[[nodiscard]] std::string slack_body(const std::vector<Note>& notes);
/// A whole message, lines ended as RFC 5322 wants them.
struct Envelope {
  std::string from;
  std::vector<std::string> to;
};
[[nodiscard]] std::string email_message(const std::vector<Note>& notes, const Envelope& envelope, WallTime now);
/// One line for the log.
[[nodiscard]] std::string log_line(const Note& note);

}  // namespace hotwell::monitor

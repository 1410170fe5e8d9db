#include "monitor/messages.hpp"

#include <algorithm>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace hotwell::monitor {
namespace {

namespace json = boost::json;

json::object object_of(const Labels& labels) {
  json::object object;
  for (const auto& [name, value] : labels) object.emplace(name, value);
  return object;
}

/// What all have with the same value.
Labels common(const std::vector<Note>& notes, Labels Note::* member) {
  Labels all = notes.front().*member;
  for (const Note& note : notes)
    std::erase_if(all, [&](const auto& pair) {
      const auto found = (note.*member).find(pair.first);
      return found == (note.*member).end() || found->second != pair.second;
    });
  return all;
}

const std::string& value_of(const Labels& labels, const std::string& name) {
  static const std::string none;
  const auto found = labels.find(name);
  return found == labels.end() ? none : found->second;
}

bool any_firing(const std::vector<Note>& notes) { return std::ranges::any_of(notes, &Note::firing); }

/// "FIRING cpu, memory" or "RESOLVED cpu".
std::string title(const std::vector<Note>& notes) {
  std::vector<std::string_view> names;
  for (const Note& note : notes) names.push_back(value_of(note.labels, "alertname"));
  return fmt::format("{} {}", any_firing(notes) ? "FIRING" : "RESOLVED", fmt::join(names, ", "));
}

std::string sentence(const Note& note) {
  return fmt::format("{} {} ({}, {}): {}", note.firing ? "firing" : "resolved", value_of(note.labels, "alertname"),
                     value_of(note.labels, "severity"), value_of(note.labels, "instance"),
                     value_of(note.annotations, "summary"));
}

/// Nothing in a header may begin another one.
std::string header_text(std::string_view text) {
  std::string safe(text);
  std::ranges::replace_if(safe, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return safe;
}

}  // namespace

std::string webhook_body(const std::vector<Note>& notes, std::string_view receiver) {
  json::array alerts;
  for (const Note& note : notes)
    alerts.push_back(json::object{{"status", note.firing ? "firing" : "resolved"},
                                  {"labels", object_of(note.labels)},
                                  {"annotations", object_of(note.annotations)},
                                  {"startsAt", to_rfc3339(note.starts)},
                                  // Alertmanager's zero time: it has not ended.
                                  {"endsAt", note.ends ? to_rfc3339(*note.ends) : "0001-01-01T00:00:00Z"},
                                  {"generatorURL", ""},
                                  {"fingerprint", note.fingerprint}});
  return json::serialize(json::object{{"version", "4"},
                                      {"groupKey", "{}:{}"},
                                      {"truncatedAlerts", 0},
                                      {"status", any_firing(notes) ? "firing" : "resolved"},
                                      {"receiver", receiver},
                                      {"groupLabels", json::object{}},
                                      {"commonLabels", object_of(common(notes, &Note::labels))},
                                      {"commonAnnotations", object_of(common(notes, &Note::annotations))},
                                      {"externalURL", ""},
                                      {"alerts", std::move(alerts)}});
}

std::string alertmanager_body(const std::vector<Note>& notes) {
  json::array alerts;
  for (const Note& note : notes) {
    json::object alert{{"labels", object_of(note.labels)},
                       {"annotations", object_of(note.annotations)},
                       {"startsAt", to_rfc3339(note.starts)}};
    if (note.ends) alert.emplace("endsAt", to_rfc3339(*note.ends));
    alerts.push_back(std::move(alert));
  }
  return json::serialize(alerts);
}

std::string slack_body(const std::vector<Note>& notes) {
  std::string text = fmt::format("*{}*", title(notes));
  for (const Note& note : notes) text += fmt::format("\n{}", sentence(note));
  // Source: Slack's "Formatting text": these three alone are escaped.
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      default: escaped += c;
    }
  }
  return json::serialize(json::object{{"text", escaped}});
}

std::string email_message(const std::vector<Note>& notes, const Envelope& envelope, WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  std::string message = fmt::format(
      "Date: {:%a, %d %b %Y %H:%M:%S} +0000\r\nFrom: {}\r\nTo: {}\r\nSubject: [hotwell] {}\r\n"
      "Message-ID: <{}.{}@hotwell>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
      fmt::gmtime(seconds), header_text(envelope.from), header_text(fmt::format("{}", fmt::join(envelope.to, ", "))),
      header_text(title(notes)), notes.front().fingerprint, now.time_since_epoch().count());
  for (const Note& note : notes) {
    message += fmt::format("{}\r\nsince {}", header_text(sentence(note)), to_rfc3339(note.starts));
    if (note.ends) message += fmt::format(", until {}", to_rfc3339(*note.ends));
    message += "\r\n\r\n";
  }
  return message;
}

std::string log_line(const Note& note) { return sentence(note); }

}  // namespace hotwell::monitor

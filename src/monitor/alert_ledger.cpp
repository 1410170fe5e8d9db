#include "monitor/alert_ledger.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include "monitor/saved_file.hpp"

namespace hotwell::monitor {
namespace {

namespace json = boost::json;

constexpr std::int64_t version = 1;

json::value time_value(std::optional<WallTime> time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}
json::object labels_value(const Labels& labels) {
  json::object object;
  for (const auto& [name, value] : labels) object.emplace(name, value);
  return object;
}

std::string_view text(const json::object& in, const char* name) {
  const auto& value = in.at(name).as_string();
  return {value.data(), value.size()};
}
std::optional<WallTime> maybe_time(const json::object& in, const char* name) {
  if (in.at(name).is_null()) return std::nullopt;
  return parse_rfc3339(text(in, name)).value();
}
WallTime time(const json::object& in, const char* name) { return maybe_time(in, name).value(); }
Labels labels(const json::object& in, const char* name) {
  Labels all;
  for (const auto& [key, value] : in.at(name).as_object())
    all.emplace(std::string(key), json::value_to<std::string>(value));
  return all;
}

json::object to_value(const AlertBook::Saved& alert) {
  return {{"type", alert.type},
          {"state", to_string(alert.state)},
          {"since", to_rfc3339(alert.since)},
          {"started", time_value(alert.started)},
          {"severity", to_string(alert.severity)},
          {"value", alert.value},
          {"told", alert.told}};
}
json::object to_value(const Silence& silence) {
  return {{"id", silence.id},
          {"matchers", labels_value(silence.matchers)},
          {"starts", to_rfc3339(silence.starts)},
          {"ends", to_rfc3339(silence.ends)},
          {"created_by", silence.created_by},
          {"comment", silence.comment}};
}
json::object to_value(const Delivery& delivery) {
  json::array notes;
  for (const Note& note : delivery.notes)
    notes.push_back(json::object{{"firing", note.firing},
                                 {"labels", labels_value(note.labels)},
                                 {"annotations", labels_value(note.annotations)},
                                 {"starts", to_rfc3339(note.starts)},
                                 {"ends", time_value(note.ends)},
                                 {"fingerprint", note.fingerprint}});
  return {{"channel", delivery.channel}, {"created", to_rfc3339(delivery.created)}, {"notes", std::move(notes)}};
}

template <class Enum, std::size_t N>
Enum parse_word(std::string_view word, const std::array<Enum, N>& all) {
  for (const Enum each : all)
    if (to_string(each) == word) return each;
  throw std::invalid_argument(fmt::format("\"{}\" is not known here", word));
}

AlertLedger from_value(const json::object& file) {
  constexpr std::array states{AlertState::no_data, AlertState::inactive, AlertState::pending,
                              AlertState::firing,  AlertState::clearing, AlertState::resolved};
  constexpr std::array severities{Severity::info, Severity::warning, Severity::critical};
  if (file.at("version").as_int64() != version) throw std::invalid_argument("it is of another version");
  AlertLedger ledger;
  for (const auto& each : file.at("alerts").as_array()) {
    const auto& in = each.as_object();
    ledger.alerts.push_back({std::string(text(in, "type")), parse_word(text(in, "state"), states), time(in, "since"),
                             maybe_time(in, "started"), parse_word(text(in, "severity"), severities),
                             in.at("value").to_number<double>(), in.at("told").as_bool()});
  }
  for (const auto& each : file.at("silences").as_array()) {
    const auto& in = each.as_object();
    ledger.silences.push_back({std::string(text(in, "id")), labels(in, "matchers"), time(in, "starts"),
                               time(in, "ends"), std::string(text(in, "created_by")),
                               std::string(text(in, "comment"))});
  }
  for (const auto& each : file.at("deliveries").as_array()) {
    const auto& in = each.as_object();
    Delivery delivery{0, std::string(text(in, "channel")), {}, time(in, "created")};
    for (const auto& told : in.at("notes").as_array()) {
      const auto& note = told.as_object();
      delivery.notes.push_back({note.at("firing").as_bool(), labels(note, "labels"), labels(note, "annotations"),
                                time(note, "starts"), maybe_time(note, "ends"),
                                std::string(text(note, "fingerprint"))});
    }
    ledger.deliveries.push_back(std::move(delivery));
  }
  return ledger;
}

}  // namespace

Result<void> write_ledger(const std::filesystem::path& file, const AlertLedger& ledger) {
  json::array alerts, silences, deliveries;
  for (const auto& alert : ledger.alerts) alerts.push_back(to_value(alert));
  for (const auto& silence : ledger.silences) silences.push_back(to_value(silence));
  for (const auto& delivery : ledger.deliveries) deliveries.push_back(to_value(delivery));
  const json::object whole{{"version", version},
                           {"alerts", std::move(alerts)},
                           {"silences", std::move(silences)},
                           {"deliveries", std::move(deliveries)}};
  return save_file(file, json::serialize(whole) + "\n");
}

Result<AlertLedger> read_ledger(const std::filesystem::path& file) {
  auto content = load_file(file);
  if (!content) return std::unexpected(content.error());
  if (!*content) return AlertLedger{};
  // Whatever is wrong with it, its parser and the accessors above say so by throwing: here is the edge.
  try {
    return from_value(json::parse(**content).as_object());
  } catch (const std::exception& wrong) {
    return fail(Code::corrupt_input, fmt::format("{} does not hold saved alerts: {}", file.string(), wrong.what()));
  }
}

}  // namespace hotwell::monitor

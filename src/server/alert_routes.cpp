/// /v1/alerts: what fires and why, silences, rules that are added while it runs, and whether a channel works.
#include <hotwell/engine.hpp>

#include <fmt/format.h>

#include "server/exchange.hpp"
#include "server/json_reader.hpp"
#include "server/json_writer.hpp"
#include "server/routes.hpp"

namespace hotwell::server {
namespace {

constexpr std::uint64_t max_alert_text = 64 * 1024;

void write_instant(JsonWriter& json, std::string_view name, std::optional<WallTime> time) {
  json.key(name);
  if (time)
    json.value(std::string_view(to_rfc3339(*time)));
  else
    json.null();
}

void write_alert(JsonWriter& json, const AlertStatus& alert) {
  const auto text = [&](std::string_view name, const std::string& value) {
    json.member(name, std::string_view(value));
  };
  json.begin_object();
  text("type", alert.type);
  json.member("status", to_string(alert.state)).member("severity", to_string(alert.severity)).key("value");
  if (alert.value)
    json.value(*alert.value);
  else
    json.null();
  json.member("threshold", alert.raise).member("clear", alert.clear);
  text("unit", alert.unit);
  json.member("below", alert.below).member("own", alert.own).member("added", alert.added);
  write_instant(json, "started_at", alert.started);
  write_instant(json, "resolved_at", alert.resolved);
  text("fingerprint", alert.fingerprint);
  text("summary", alert.summary);
  text("silenced_by", alert.silenced_by);
  text("inhibited_by", alert.inhibited_by);
  json.member("told", alert.told).end_object();
}

void write_silence(JsonWriter& json, const Silence& silence) {
  json.begin_object().member("id", std::string_view(silence.id)).key("matchers").begin_object();
  for (const auto& [label, value] : silence.matchers) json.member(label, std::string_view(value));
  json.end_object();
  write_instant(json, "starts_at", silence.starts);
  write_instant(json, "ends_at", silence.ends);
  json.member("created_by", std::string_view(silence.created_by));
  json.member("comment", std::string_view(silence.comment)).end_object();
}

void write_channel(JsonWriter& json, const ChannelStatus& channel) {
  json.begin_object().member("name", std::string_view(channel.name)).member("kind", std::string_view(channel.kind));
  json.member("pending", channel.pending).member("delivered", channel.delivered).member("retried", channel.retried);
  json.member("dropped", channel.dropped).member("last_error", std::string_view(channel.last_error)).end_object();
}

void get_alerts(Exchange& exchange) {
  const auto& monitor = exchange.engine().monitor();
  const auto rules = monitor.alerts();
  JsonWriter json;
  json.begin_object().key("alerts").begin_array();
  for (const auto& alert : rules)
    if (alert.state != AlertState::inactive && alert.state != AlertState::no_data) write_alert(json, alert);
  json.end_array().key("rules").begin_array();
  for (const auto& alert : rules) write_alert(json, alert);
  json.end_array().key("silences").begin_array();
  for (const auto& silence : monitor.silences()) write_silence(json, silence);
  json.end_array().key("channels").begin_array();
  for (const auto& channel : monitor.channels()) write_channel(json, channel);
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

Result<WallTime> read_time(std::string_view name, const boost::json::value& value) {
  const auto text = read_string(name, value);
  if (!text) return std::unexpected(text.error());
  return parse_rfc3339(*text);
}

Result<Silence> parse_silence(std::string_view text, WallTime now) {
  const auto object = parse_json_object(text);
  if (!object) return std::unexpected(object.error());
  Silence silence;
  std::optional<Duration> duration;
  for (const auto& [key, value] : *object) {
    const std::string_view name(key.data(), key.size());
    Result<void> read;
    const auto put = [&read](auto& to, auto parsed) {
      if (parsed)
        to = std::move(*parsed);
      else
        read = std::unexpected(parsed.error());
    };
    if (name == "matchers") {
      if (!value.is_object())
        return fail(Code::invalid_argument, "\"matchers\": expected an object of label and value");
      for (const auto& [label, wanted] : value.get_object())
        put(silence.matchers[std::string(label)], read_string(label, wanted));
    } else if (name == "duration") {
      const auto seconds = read_number(name, value);
      if (!seconds) return std::unexpected(seconds.error());
      put(duration, seconds_of(name, *seconds));
    } else if (name == "starts_at") {
      put(silence.starts, read_time(name, value));
    } else if (name == "ends_at") {
      put(silence.ends, read_time(name, value));
    } else if (name == "created_by") {
      put(silence.created_by, read_string(name, value));
    } else if (name == "comment") {
      put(silence.comment, read_string(name, value));
    } else {
      return std::unexpected(unknown_member(name, "matchers, duration, starts_at, ends_at, created_by or comment"));
    }
    if (!read) return std::unexpected(read.error());
  }
  if (duration) {
    if (silence.ends != WallTime{}) return fail(Code::invalid_argument, "either \"duration\" or \"ends_at\", not both");
    const WallTime begins = silence.starts == WallTime{} ? now : silence.starts;
    silence.ends = begins + std::chrono::duration_cast<std::chrono::microseconds>(*duration);
  } else if (silence.ends == WallTime{}) {
    return fail(Code::invalid_argument, "\"duration\" (seconds) or \"ends_at\" is missing");
  }
  return silence;
}

void post_silence(Exchange& exchange) {
  exchange.read_text(max_alert_text, [&exchange](std::string text) {
    const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    auto silence = parse_silence(text, now);
    if (!silence) return exchange.fail(silence.error());
    const auto added = exchange.engine().monitor().silence(std::move(*silence));
    if (!added) return exchange.fail(added.error());
    JsonWriter json;
    write_silence(json, *added);
    exchange.answer(Answer::json(201, json.take()));
  });
}

void delete_silence(Exchange& exchange) {
  if (const auto ended = exchange.engine().monitor().end_silence(exchange.captures[0]); !ended)
    return exchange.fail(ended.error());
  exchange.answer(Answer(204));
}

void get_rules(Exchange& exchange) {
  std::string list;
  for (const auto& rule : exchange.engine().monitor().added_rules()) {
    if (!list.empty()) list += ',';
    list += to_json(rule);
  }
  exchange.answer(Answer::json(200, fmt::format(R"({{"rules":[{}]}})", list)));
}

void put_rule(Exchange& exchange) {
  exchange.read_text(max_alert_text, [&exchange](std::string text) {
    const auto& name = exchange.captures[0];
    auto rule = alert_rule_from_json(text);
    if (!rule) return exchange.fail(rule.error());
    if (!rule->name.empty() && rule->name != name)
      return exchange.fail(
          {Code::invalid_argument, fmt::format("\"name\" is \"{}\", the address says \"{}\"", rule->name, name)});
    rule->name = name;
    const std::string shown = to_json(*rule);
    if (const auto added = exchange.engine().monitor().add_rule(std::move(*rule)); !added)
      return exchange.fail(added.error());
    exchange.answer(Answer::json(200, shown));
  });
}

void delete_rule(Exchange& exchange) {
  if (const auto removed = exchange.engine().monitor().remove_rule(exchange.captures[0]); !removed)
    return exchange.fail(removed.error());
  exchange.answer(Answer(204));
}

void post_test(Exchange& exchange) {
  exchange.read_text(max_alert_text, [&exchange](std::string text) {
    const auto object = parse_json_object(text);
    if (!object) return exchange.fail(object.error());
    if (!object->contains("channel")) return exchange.fail({Code::invalid_argument, "\"channel\" is missing"});
    for (const auto& [key, value] : *object)
      if (key != "channel") return exchange.fail(unknown_member({key.data(), key.size()}, "channel"));
    const auto channel = read_string("channel", object->at("channel"));
    if (!channel) return exchange.fail(channel.error());
    exchange.engine().monitor().test_channel(
        *channel, exchange.bring_home<Result<void>>([&exchange, name = *channel](Result<void> outcome) {
          if (!outcome) return exchange.fail(outcome.error());
          JsonWriter json;
          json.begin_object().member("channel", std::string_view(name)).member("delivered", true).end_object();
          exchange.answer(Answer::json(200, json.take()));
        }));
  });
}

}  // namespace

void add_alert_routes(std::vector<Route>& routes) {
  const auto add = [&](http::verb method, std::string pattern, void (*handler)(Exchange&)) {
    routes.push_back({method, std::move(pattern), Gate::member, Route::Counted::no, handler});
  };
  add(http::verb::get, "/v1/alerts", get_alerts);
  add(http::verb::post, "/v1/alerts/silences", post_silence);
  add(http::verb::delete_, "/v1/alerts/silences/{id}", delete_silence);
  add(http::verb::get, "/v1/alerts/rules", get_rules);
  add(http::verb::put, "/v1/alerts/rules/{name}", put_rule);
  add(http::verb::delete_, "/v1/alerts/rules/{name}", delete_rule);
  add(http::verb::post, "/v1/alerts/test", post_test);
}

}  // namespace hotwell::server

/// How the daemon is: probes, metrics, alerts, and the knobs it can be turned by.
#include <hotwell/engine.hpp>

#include <fmt/format.h>

#include "server/exchange.hpp"
#include "server/json_reader.hpp"
#include "server/json_writer.hpp"
#include "server/routes.hpp"

namespace hotwell::server {
namespace {

constexpr std::uint64_t max_knob_text = 16 * 1024;

void get_health(Exchange& exchange) { exchange.answer(Answer::text(200, "text/plain", "alive\n")); }

void get_ready(Exchange& exchange) {
  if (exchange.engine().ready()) return exchange.answer(Answer::text(200, "text/plain", "ready\n"));
  exchange.fail({Code::draining, "the daemon takes no work: it is starting or stopping"});
}

void get_performance(Exchange& exchange) {
  const auto* format = exchange.target.find("format");
  if (format != nullptr && *format != "raw")
    return exchange.fail(
        {Code::invalid_argument, fmt::format("\"format\" must be raw or absent, got \"{}\"", *format)});
  const auto metrics = exchange.engine().monitor().metrics();
  exchange.answer(Answer::json(200, format != nullptr ? to_raw_json(metrics) : to_json(metrics)));
}

void get_prometheus(Exchange& exchange) {
  exchange.answer(
      Answer::text(200, "text/plain; version=0.0.4; charset=utf-8", exchange.engine().monitor().prometheus()));
}

void get_endpoints(Exchange& exchange) {
  const auto metrics = exchange.engine().monitor().metrics();
  const auto seconds = [](Duration duration) { return std::chrono::duration<double>(duration).count(); };
  JsonWriter json;
  json.begin_object().key("endpoints").begin_array();
  for (const auto& of : metrics.endpoints) {
    json.begin_object().member("endpoint", std::string_view(of.endpoint)).member("total", of.total);
    json.member("failed", of.failed).member("client_errors", of.client_errors).member("throughput", of.throughput);
    json.key("latency").begin_object().member("avg", seconds(of.avg)).member("p50", seconds(of.p50));
    json.member("p95", seconds(of.p95)).member("p99", seconds(of.p99)).member("min", seconds(of.min));
    json.member("max", seconds(of.max)).end_object().end_object();
  }
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

void get_alerts(Exchange& exchange) {
  const auto metrics = exchange.engine().monitor().metrics();
  JsonWriter json;
  json.begin_object().key("alerts").begin_array();
  for (const auto& type : metrics.alerts.active)
    json.begin_object().member("type", std::string_view(type)).member("status", "firing").end_object();
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

void get_recommendations(Exchange& exchange) {
  const auto metrics = exchange.engine().monitor().metrics();
  JsonWriter json;
  json.begin_object().key("recommendations").begin_array();
  for (const auto& of : metrics.recommendations)
    json.begin_object()
        .member("type", std::string_view(of.type))
        .member("severity", to_string(of.severity))
        .member("message", std::string_view(of.message))
        .end_object();
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

void get_operations(Exchange& exchange) {
  JsonWriter json;
  json.begin_object().key("operations").begin_array();
  for (const auto& name : exchange.engine().operations()) json.value(std::string_view(name));
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

void write_knob(JsonWriter& json, const KnobState& knob) {
  json.begin_object()
      .member("name", std::string_view(knob.name))
      .member("description", std::string_view(knob.description));
  json.member("unit", std::string_view(knob.unit)).member("min", knob.min).member("max", knob.max);
  json.member("value", knob.value).member("set_by", std::string_view(knob.set_by));
  json.member("why", std::string_view(knob.why)).end_object();
}

void get_knobs(Exchange& exchange) {
  JsonWriter json;
  json.begin_object().key("knobs").begin_array();
  for (const auto& knob : exchange.engine().knobs().all()) write_knob(json, knob);
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

void answer_knob(Exchange& exchange, const KnobState& knob) {
  JsonWriter json;
  write_knob(json, knob);
  exchange.answer(Answer::json(200, json.take()));
}

void get_knob(Exchange& exchange) {
  const auto& name = exchange.captures[0];
  const auto knob = exchange.engine().knobs().find(name);
  if (!knob) return exchange.fail({Code::not_found, fmt::format("there is no knob \"{}\"", name)});
  answer_knob(exchange, *knob);
}

struct Turn {
  double value = 0;
  std::string why;
};

Result<Turn> parse_turn(std::string_view text) {
  const auto object = parse_json_object(text);
  if (!object) return std::unexpected(object.error());
  Turn turn;
  if (!object->contains("value")) return fail(Code::invalid_argument, "\"value\" is missing");
  for (const auto& [key, value] : *object) {
    const std::string_view name(key.data(), key.size());
    if (name == "value") {
      const auto number = read_number(name, value);
      if (!number) return std::unexpected(number.error());
      turn.value = *number;
    } else if (name == "why") {
      auto why = read_string(name, value);
      if (!why) return std::unexpected(why.error());
      turn.why = std::move(*why);
    } else {
      return std::unexpected(unknown_member(name, "value or why"));
    }
  }
  return turn;
}

void put_knob(Exchange& exchange) {
  exchange.read_text(max_knob_text, [&exchange](std::string text) {
    auto turn = parse_turn(text);
    if (!turn) return exchange.fail(turn.error());
    const auto set = exchange.engine().knobs().set(exchange.captures[0], turn->value, "api", std::move(turn->why));
    if (!set) return exchange.fail(set.error());
    answer_knob(exchange, *set);
  });
}

}  // namespace

void add_status_routes(std::vector<Route>& routes) {
  const auto add = [&](http::verb method, std::string pattern, void (*handler)(Exchange&), Gate gate = Gate::member) {
    routes.push_back({method, std::move(pattern), gate, Route::Counted::no, handler});
  };
  add(http::verb::get, "/healthz", get_health, Gate::none);
  add(http::verb::get, "/readyz", get_ready, Gate::none);
  add(http::verb::get, "/performance/metrics", get_performance);
  add(http::verb::get, "/metrics", get_prometheus);
  add(http::verb::get, "/v1/endpoints", get_endpoints);
  add(http::verb::get, "/v1/alerts", get_alerts);
  add(http::verb::get, "/v1/recommendations", get_recommendations);
  add(http::verb::get, "/v1/operations", get_operations);
  add(http::verb::get, "/v1/knobs", get_knobs);
  add(http::verb::get, "/v1/knobs/{name}", get_knob);
  add(http::verb::put, "/v1/knobs/{name}", put_knob);
}

}  // namespace hotwell::server

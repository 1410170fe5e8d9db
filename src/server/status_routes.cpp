/// How the daemon is: probes, metrics, alerts, and the knobs it can be turned by.
#include <algorithm>
#include <functional>

#include <hotwell/engine.hpp>

#include <fmt/format.h>

#include "server/exchange.hpp"
#include "server/json_reader.hpp"
#include "server/json_writer.hpp"
#include "server/routes.hpp"
#include "server/text.hpp"

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

double in_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string_view name_of(Trend trend) {
  switch (trend) {
    case Trend::rising: return "rising";
    case Trend::steady: return "steady";
    case Trend::falling: return "falling";
  }
  return "steady";
}

void write_endpoint(JsonWriter& json, std::string_view label, const Metrics::Endpoint& of) {
  json.begin_object().member(label, std::string_view(of.endpoint)).member("total", of.total);
  json.member("failed", of.failed).member("client_errors", of.client_errors).member("throughput", of.throughput);
  json.member("error_rate", of.total == 0 ? 0.0 : static_cast<double>(of.failed) / static_cast<double>(of.total));
  json.member("time_share", of.time_share);
  json.key("latency").begin_object().member("avg", in_seconds(of.avg)).member("p50", in_seconds(of.p50));
  json.member("p95", in_seconds(of.p95)).member("p99", in_seconds(of.p99)).member("p999", in_seconds(of.p999));
  json.member("min", in_seconds(of.min)).member("max", in_seconds(of.max)).end_object();
  json.key("trend").begin_object().member("errors", name_of(of.errors)).member("latency", name_of(of.latency_trend));
  json.end_object().key("before");
  if (of.before) {
    json.begin_object().member("throughput", of.before->throughput).member("error_rate", of.before->error_rate);
    json.key("latency")
        .begin_object()
        .member("avg", in_seconds(of.before->avg))
        .member("p95", in_seconds(of.before->p95));
    json.end_object().end_object();
  } else {
    json.null();
  }
  json.end_object();
}

/// Those of at least ten requests, the slowest by p95 first; one or two slow ones are no comparison.
std::vector<std::string_view> slowest_of(const std::vector<Metrics::Endpoint>& endpoints) {
  constexpr std::uint64_t fewest = 10;
  constexpr std::size_t most = 5;
  std::vector<const Metrics::Endpoint*> found;
  for (const auto& endpoint : endpoints)
    if (endpoint.total >= fewest) found.push_back(&endpoint);
  std::ranges::stable_sort(found, std::greater{}, &Metrics::Endpoint::p95);
  std::vector<std::string_view> names;
  for (const auto* endpoint : found)
    if (names.size() < most) names.emplace_back(endpoint->endpoint);
  return names;
}

void get_endpoints(Exchange& exchange) {
  auto metrics = exchange.engine().monitor().metrics();
  exchange.engine().monitor().compare(metrics);
  JsonWriter json;
  json.begin_object().member("window", in_seconds(metrics.window)).key("endpoints").begin_array();
  for (const auto& of : metrics.endpoints) write_endpoint(json, "endpoint", of);
  json.end_array().key("slowest").begin_array();
  for (const auto name : slowest_of(metrics.endpoints)) json.value(name);
  json.end_array().key("operations").begin_array();
  for (const auto& of : metrics.operations) write_endpoint(json, "operation", of);
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

void list_series(Exchange& exchange) {
  JsonWriter json;
  json.begin_object().key("names").begin_array();
  for (const auto& of : Monitor::series_names())
    json.begin_object()
        .member("name", of.name)
        .member("unit", of.unit)
        .member("description", of.description)
        .member("labelled", of.labelled)
        .end_object();
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

/// "300" or "300s", "5m", "24h".
Result<Duration> parse_window(std::string_view text) {
  if (auto duration = parse_duration(text)) return duration;
  const auto number = parse_number("window", text);
  if (!number) return std::unexpected(number.error());
  return seconds_of("window", *number);
}

void get_series(Exchange& exchange) {
  const auto* names = exchange.target.find("name");
  if (names == nullptr) return list_series(exchange);
  SeriesQuery query;
  for (const auto name : split_list(*names)) query.names.emplace_back(name);
  if (const auto* window = exchange.target.find("window")) {
    const auto parsed = parse_window(*window);
    if (!parsed) return exchange.fail(parsed.error());
    query.window = *parsed;
  }
  if (const auto* endpoint = exchange.target.find("endpoint")) query.endpoint = *endpoint;
  if (const auto* operation = exchange.target.find("operation")) query.operation = *operation;
  const auto data = exchange.engine().monitor().series(query);
  if (!data) return exchange.fail(data.error());
  JsonWriter json;
  json.begin_object().member("from", data->from).member("step", data->step).member("count", data->count);
  json.key("series").begin_array();
  for (const auto& column : data->series) {
    json.begin_object().member("name", std::string_view(column.name)).member("unit", std::string_view(column.unit));
    json.key("values").begin_array();
    for (const double value : column.values) json.value(value);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

void get_recommendations(Exchange& exchange) {
  const auto metrics = exchange.engine().monitor().metrics();
  JsonWriter json;
  json.begin_object().key("recommendations").begin_array();
  for (const auto& of : metrics.recommendations) {
    json.begin_object()
        .member("type", std::string_view(of.type))
        .member("severity", to_string(of.severity))
        .member("message", std::string_view(of.message))
        .member("knob", std::string_view(of.knob))
        .member("effect", std::string_view(of.effect));
    json.key("evidence").begin_object();
    for (const auto& [name, value] : of.evidence) json.member(name, value);
    json.end_object().end_object();
  }
  json.end_array().end_object();
  exchange.answer(Answer::json(200, json.take()));
}

std::string_view state_of(const WorkerState& worker) {
  return !worker.jobs.empty() ? "busy" : worker.ready ? "idle" : "starting";
}

void get_workers(Exchange& exchange) {
  exchange.engine().pool().workers(
      exchange.bring_home<std::vector<WorkerState>>([&exchange](const std::vector<WorkerState>& workers) {
        JsonWriter json;
        json.begin_object().key("workers").begin_array();
        for (const auto& worker : workers) {
          json.begin_object().member("name", std::string_view(worker.name));
          json.member("type", std::string_view(worker.type)).member("state", state_of(worker));
          json.member("process", worker.process).member("cpu", worker.cpu).member("memory", worker.memory.count);
          json.key("jobs").begin_array();
          for (const auto& job : worker.jobs) {
            json.begin_object().member("id", std::string_view(job.id));
            json.member("operation", std::string_view(job.operation)).member("attempt", job.attempt);
            json.member("progress", job.progress).member("seconds", in_seconds(job.running)).end_object();
          }
          json.end_array().end_object();
        }
        json.end_array().end_object();
        exchange.answer(Answer::json(200, json.take()));
      }));
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
  add(http::verb::get, "/v1/series", get_series);
  add(http::verb::get, "/v1/recommendations", get_recommendations);
  add(http::verb::get, "/v1/workers", get_workers);
  add(http::verb::get, "/v1/operations", get_operations);
  add(http::verb::get, "/v1/knobs", get_knobs);
  add(http::verb::get, "/v1/knobs/{name}", get_knob);
  add(http::verb::put, "/v1/knobs/{name}", put_knob);
}

}  // namespace hotwell::server

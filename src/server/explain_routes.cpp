/// /v1/explain/{what}: why a job went as it did, or what became of a cache key.
#include <hotwell/engine.hpp>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "cache/tiered_cache.hpp"
#include "server/exchange.hpp"
#include "server/job_json.hpp"
#include "server/json_writer.hpp"
#include "server/routes.hpp"

namespace hotwell::server {
namespace {

std::string text_of(const CacheExplanation& explained) {
  JsonWriter json;
  json.begin_object().member("key", std::string_view(explained.key)).key("object");
  if (const auto& object = explained.object) {
    json.begin_object().member("size", object->size().value_or(0));
    json.member("content_type", object->content_type).member("type", object->type);
    json.member("created_at", std::string_view(to_rfc3339(object->created))).key("expires_at");
    if (object->expires == WallTime::max())
      json.null();
    else
      json.value(std::string_view(to_rfc3339(object->expires)));
    json.key("metadata").begin_object();
    for (const auto& [name, value] : object->metadata) json.member(name, std::string_view(value));
    json.end_object().end_object();
  } else {
    json.null();
  }
  json.key("copies").begin_array();
  for (const auto& copy : explained.copies) {
    json.begin_object().member("level", to_string(copy.level)).member("size", copy.size.count);
    json.member("hits", copy.hits).end_object();
  }
  json.end_array().key("steps").begin_array();
  for (const auto& step : explained.steps) {
    json.begin_object().member("what", to_string(step.what)).member("at", std::string_view(to_rfc3339(step.when)));
    json.member("level", to_string(step.level)).key("because_of");
    if (step.because_of.empty())
      json.null();
    else
      json.value(std::string_view(step.because_of));
    json.end_object();
  }
  json.end_array().key("story").begin_array();
  for (const auto& sentence : explained.story) json.value(std::string_view(sentence));
  json.end_array().end_object();
  return json.take();
}

void explain_key(Exchange& exchange) {
  auto& cache = exchange.engine().cache().impl();
  boost::asio::post(
      cache.background(),
      [&cache, key = exchange.captures[0],
       home = exchange.bring_home<Result<CacheExplanation>>([&exchange](const Result<CacheExplanation>& explained) {
         if (explained) return exchange.answer(Answer::json(200, text_of(*explained)));
         if (explained.error().code != Code::not_found) return exchange.fail(explained.error());
         exchange.fail({Code::not_found, fmt::format("there is no job and no object \"{}\", and nothing is remembered "
                                                     "of one",
                                                     exchange.captures[0])});
       })] { home(cache.explain(key)); });
}

// A name that a job has is the job's, and everything else a key.
void explain(Exchange& exchange) {
  exchange.engine().explain(exchange.captures[0],
                            exchange.bring_home<Result<JobExplanation>>([&exchange](Result<JobExplanation> explained) {
                              if (explained) return exchange.answer(Answer::json(200, to_json(*explained)));
                              if (explained.error().code == Code::not_found) return explain_key(exchange);
                              exchange.fail(explained.error());
                            }));
}

}  // namespace

void add_explain_routes(std::vector<Route>& routes) {
  routes.push_back({http::verb::get, "/v1/explain/{what*}", Gate::member, Route::Counted::no, explain});
}

}  // namespace hotwell::server

/// /media/{operation}/{input}: the result itself, cached or made now.
#include <hotwell/engine.hpp>

#include "server/delivery.hpp"
#include "server/job_json.hpp"
#include "server/routes.hpp"

namespace hotwell::server {
namespace {

void serve_media(Exchange& exchange) {
  auto request = job_of_query(exchange.captures[0], parse_input(exchange.captures[1]), exchange.target);
  if (!request) return exchange.fail(request.error());
  auto answered = exchange.bring_home<Result<Fetched>>(
      [&exchange](Result<Fetched> fetched) { deliver(exchange, std::move(fetched)); });
  // The exchange keeps the wait: a client that goes away gives up with it.
  exchange.keep(exchange.engine().fetch(std::move(*request), std::move(answered)));
}

}  // namespace

void add_media_routes(std::vector<Route>& routes) {
  routes.push_back({http::verb::get, "/media/{operation}/{input*}", Gate::member, Route::Counted::yes, serve_media});
}

}  // namespace hotwell::server

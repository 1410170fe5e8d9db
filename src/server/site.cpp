#include "server/site.hpp"

#include <fmt/format.h>

#include "server/routes.hpp"
#include "server/text.hpp"

namespace hotwell::server {
namespace {

std::vector<Route> all_routes(const Tokens& tokens, EventFeed& feed) {
  std::vector<Route> routes;
  for (auto* const add : {add_media_routes, add_cache_routes, add_job_routes, add_explain_routes, add_alert_routes,
                          add_status_routes, add_page_routes})
    add(routes);
  add_session_routes(routes, tokens);
  add_event_routes(routes, feed);
  return routes;
}

}  // namespace

Site::Site(Engine& engine, std::string_view listen_host)
    : engine_(engine),
      hosts_(listen_host, engine.config().server.hosts),
      tokens_(engine.config().server.tokens),
      feed_(engine),
      router_(all_routes(tokens_, feed_)) {}

void Site::serve(Exchange& exchange, const boost::asio::ip::address& local) const {
  const auto& request = exchange.request();
  auto target = parse_target(request.target());
  if (!target) return exchange.fail(target.error());
  exchange.target = std::move(*target);
  const auto path = exchange.target.path;
  auto match = router_.match(request.method(), path);

  if (auto refusal = refuse(exchange, match.route != nullptr ? match.route->gate : Gate::member, local))
    return exchange.answer(std::move(*refusal));
  if (match.route == nullptr) {
    if (match.allow.empty()) return exchange.fail({Code::not_found, fmt::format("there is nothing at \"{}\"", path)});
    auto answer = Answer::problem(405, {Code::invalid_argument, fmt::format("\"{}\" takes {}, not {}", path,
                                                                            match.allow, request.method_text())});
    answer.field("Allow", match.allow);
    return exchange.answer(std::move(answer));
  }
  if (const auto expect = request.field(http::field::expect);
      !expect.empty() && !equals_ignoring_case(expect, "100-continue"))
    return exchange.answer(Answer::problem(
        417, {Code::invalid_argument, fmt::format("expected \"Expect: 100-continue\", got \"{}\"", expect)}));
  exchange.route = match.route;
  for (const auto capture : match.captures) {
    auto decoded = percent_decode(capture);
    if (!decoded) return exchange.fail(decoded.error());
    exchange.captures.push_back(std::move(*decoded));
  }
  match.route->handler(exchange);
}

std::optional<Answer> Site::refuse(const Exchange& exchange, Gate gate, const boost::asio::ip::address& local) const {
  const auto& request = exchange.request();
  const auto host_fields = request.count(http::field::host);
  if (host_fields > 1 || (host_fields == 0 && request.version() >= 11))
    return Answer::problem(Error{Code::invalid_argument, "expected exactly one Host field"});
  if (gate == Gate::none) return std::nullopt;

  const auto authority = exchange.target.authority;
  const auto host = authority.empty() ? request.field(http::field::host) : authority;
  if (host_fields == 1 && !hosts_.allows_host(host, local))
    return Answer::problem(
        Error{Code::denied, fmt::format("this server does not answer to the name \"{}\"; server.hosts "
                                        "lists the names it does",
                                        host)});
  const auto origin = request.field(http::field::origin);
  if (request.count(http::field::origin) > 1 || (!origin.empty() && !hosts_.allows_origin(origin, local)))
    return Answer::problem(Error{Code::denied, fmt::format("requests from the pages of \"{}\" are not answered; "
                                                           "server.hosts lists the names that are",
                                                           origin)});
  if (gate == Gate::member && tokens_.required() &&
      !tokens_.admits(request.field(http::field::authorization), request.field(http::field::cookie)))
    return Answer::problem(401,
                           {Code::denied, "expected \"Authorization: Bearer TOKEN\" with one of the server's tokens"});
  return std::nullopt;
}

}  // namespace hotwell::server
